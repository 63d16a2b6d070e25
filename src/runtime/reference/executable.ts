import { bytesPerElement, dtypeOfArray, isFloat, type TypedArray } from "../../graph/dtype.ts";
import { DeviceError, FusegradError, InternalError } from "../../graph/errors.ts";
import { type Node, topologicalOrder, type Value } from "../../graph/node.ts";
import { formatShape, numel } from "../../graph/shape.ts";
import { type Expansion, expandComposites } from "../../ops/expand.ts";
import { definitionOf, typed } from "../../ops/table.ts";
import type { Counters, Executable, KernelInfo, Program, Storage } from "../device.ts";
import { evaluateNode } from "./evaluate.ts";

/** One node to evaluate, and the values that nobody reads after it. */
interface Step {
  readonly node: Node;
  readonly released: readonly Value[];
}

/** What the executable needs of its device. */
export interface Memory {
  readonly counters: Counters;
  /** The elements of a storage, without a copy. */
  view(storage: Storage): TypedArray;
}

/** A program as a list of primitive nodes in topological order. */
export class ReferenceExecutable implements Executable {
  readonly kernels: readonly KernelInfo[];
  readonly temporaryBytes: number;
  readonly #program: Program;
  readonly #memory: Memory;
  readonly #outputs: readonly Value[];
  readonly #written: readonly Value[];
  readonly #steps: readonly Step[];
  #disposed = false;

  /** @throws InternalError when the graph reads a source that is not among the program's inputs. */
  constructor(program: Program, memory: Memory) {
    this.#program = program;
    this.#memory = memory;
    const fed = new Set(program.inputs.map((input) => input.value));
    const isFed = (value: Value): boolean => fed.has(value);
    const writes = program.writes.map((write) => write.value);
    const expansion = expandComposites([...program.outputs, ...writes], isFed);
    this.#outputs = program.outputs.map(expansion.valueOf);
    this.#written = writes.map(expansion.valueOf);
    const kept = new Set([...this.#outputs, ...this.#written]);
    const order = topologicalOrder([...kept], isFed);
    for (const node of order) checkFed(node);
    this.#steps = stepsOf(order, kept, isFed);
    this.temporaryBytes = peakBytes(this.#steps, new Set([...this.#outputs, ...fed]));
    this.kernels = order.filter((node) => node.inputs.length > 0).map((node) => kernelInfo(node, expansion));
  }

  run(feeds: readonly Storage[]): Storage[] {
    if (this.#disposed)
      throw new DeviceError("reference: run of a program that was disposed; prepare it again");
    const arrays = new Map<Value, TypedArray>();
    this.#bind(feeds, arrays);
    const { counters } = this.#memory;
    counters.allocated(this.temporaryBytes);
    counters.launches += this.kernels.length;
    try {
      for (const { node, released } of this.#steps) {
        evaluate(node, arrays);
        for (const value of released) arrays.delete(value);
      }
    } finally {
      counters.released(this.temporaryBytes);
    }
    // A result that is a feed itself must outlive what is written to its region below.
    const fed = new Set(this.#program.inputs.map((input) => input.value));
    const own = (value: Value): TypedArray => {
      const array = arrayOf(arrays, value);
      return fed.has(value) ? array.slice() : array;
    };
    const results = this.#outputs.map((value): Storage => ({ kind: "host", data: own(value) }));
    const written = this.#written.map(own);
    this.#program.writes.forEach(({ input }, i) => {
      this.#memory.view(feeds[input]).set(written[i]);
    });
    return results;
  }

  dispose(): void {
    this.#disposed = true;
  }

  /** Checks every feed against its input and every write against its feed before anything runs. */
  #bind(feeds: readonly Storage[], arrays: Map<Value, TypedArray>): void {
    const { inputs, writes } = this.#program;
    if (feeds.length !== inputs.length) {
      throw new DeviceError(`reference: ${inputs.length} inputs need as many feeds, got ${feeds.length}`);
    }
    inputs.forEach(({ name, value }, i) => {
      const array = this.#memory.view(feeds[i]);
      const dtype = dtypeOfArray(array);
      if (array.length !== numel(value.shape) || dtype !== value.dtype) {
        throw new DeviceError(
          `reference: input "${name}" is ${value.dtype} ${formatShape(value.shape)}, ` +
            `fed with ${array.length} elements of ${dtype}`,
        );
      }
      arrays.set(value, array);
    });
    for (const { input } of writes) {
      if (feeds[input].kind !== "region") {
        throw new DeviceError(
          `reference: input "${inputs[input].name}" is written; feed it with a region of a block`,
        );
      }
    }
  }
}

function checkFed(node: Node): void {
  const leaf = typed(node);
  if (leaf.op !== "source") return;
  throw new InternalError(`reference: source "${leaf.attrs.source.name}" is not among the program's inputs`);
}

function arrayOf(arrays: ReadonlyMap<Value, TypedArray>, value: Value): TypedArray {
  const array = arrays.get(value);
  if (!array) throw new InternalError(`reference: ${value.node.op} was released before its last use`);
  return array;
}

function evaluate(node: Node, arrays: Map<Value, TypedArray>): void {
  const inputs = node.inputs.map((input) => arrayOf(arrays, input));
  let outputs: readonly TypedArray[];
  try {
    outputs = evaluateNode(node, inputs);
  } catch (cause) {
    if (cause instanceof FusegradError) throw cause;
    // In practice a RangeError: no memory for a typed array of that length.
    throw new DeviceError(`reference: ${describe(node)} failed: ${String(cause)}`, { cause });
  }
  node.outputs.forEach((value, i) => {
    // Another output of the same node may be fed: the feed stands.
    if (!arrays.has(value)) arrays.set(value, outputs[i]);
  });
}

/** Each node with the values whose last reader it is; what is kept, or fed, is never released. */
function stepsOf(order: readonly Node[], kept: ReadonlySet<Value>, isFed: (value: Value) => boolean): Step[] {
  const lastUse = new Map<Value, number>();
  order.forEach((node, i) => {
    for (const value of [...node.outputs, ...node.inputs]) {
      if (!kept.has(value) && !isFed(value)) lastUse.set(value, i);
    }
  });
  const released = order.map((): Value[] => []);
  for (const [value, i] of lastUse) released[i].push(value);
  return order.map((node, i) => ({ node, released: released[i] }));
}

/**
 * The most bytes alive at once. Results and feeds do not count, nor constants, which hold the caller's
 * memory.
 */
function peakBytes(steps: readonly Step[], outside: ReadonlySet<Value>): number {
  const bytes = (value: Value): number =>
    outside.has(value) || value.node.op === "constant" ? 0 : bytesOf(value);
  let alive = 0;
  let peak = 0;
  for (const { node, released } of steps) {
    for (const value of node.outputs) alive += bytes(value);
    peak = Math.max(peak, alive);
    for (const value of released) alive -= bytes(value);
  }
  return peak;
}

function bytesOf(value: Value): number {
  return numel(value.shape) * bytesPerElement(value.dtype);
}

function kernelInfo(node: Node, { originOf }: Expansion): KernelInfo {
  const values = [...new Set([...node.inputs, ...node.outputs])];
  const origin = originOf.get(node);
  return {
    name: origin === undefined ? node.op : `${origin}/${node.op}`,
    template: "reference",
    ops: [origin ?? node.op],
    source: describe(node),
    bytes: values.reduce((total, value) => total + bytesOf(value), 0),
    flops: flopsOf(node),
    stopped: [],
  };
}

/** Like `add(f32 [2, 3], f32 [2, 3]) -> f32 [2, 3]`. */
function describe(node: Node): string {
  const list = (values: readonly Value[]): string =>
    values.map(({ dtype, shape }) => `${dtype} ${formatShape(shape)}`).join(", ");
  return `${node.op}(${list(node.inputs)}) -> ${list(node.outputs)}`;
}

function flopsOf(node: Node): number {
  const [x] = node.inputs;
  const [result] = node.outputs;
  if (!isFloat(x.dtype)) return 0;
  switch (definitionOf(node).kind) {
    case "map":
      return numel(result.shape);
    case "reduce":
      return numel(x.shape);
    case "contract":
      return 2 * numel(result.shape) * x.shape[x.shape.length - 1];
    default:
      return node.op === "scatterAdd" ? numel(node.inputs[1].shape) : 0;
  }
}
