import { DTypeError, InternalError } from "../graph/errors.ts";
import { type Node, topologicalOrder, type Value } from "../graph/node.ts";
import { formatShape, numel } from "../graph/shape.ts";
import { expandComposites } from "../ops/expand.ts";
import { formatGraph } from "../ops/format.ts";
import { equal } from "./index/expression.ts";
import { formatKernel } from "./kernel/format.ts";
import type { Buffer, Kernel, Statement } from "./kernel/ir.ts";
import { kernelKey } from "./kernel/key.ts";
import { expandMathIn } from "./kernel/math.ts";
import { joinPhases, phasesOf } from "./kernel/phases.ts";
import { placeLets } from "./kernel/placeLets.ts";
import { walkScalars } from "./kernel/scalars.ts";
import type { LoweredGroup } from "./lower/loops.ts";
import { lowerGroup, lowerTogether } from "./lower/lower.ts";
import { LoweredStructures } from "./lower/structure.ts";
import { formatGroups, formatLoops, formatUnnamed, PassLog, type PlanPass } from "./passes.ts";
import { describeOp } from "./schedule/attention.ts";
import { cutChains } from "./schedule/chains.ts";
import { fuse } from "./schedule/fuse.ts";
import type { Fusion, Group } from "./schedule/groups.ts";
import { takeMarks, type Waits } from "./schedule/marks.ts";
import { elementBytes, type Lifetime, type Placement, planMemory } from "./schedule/memory.ts";
import { mergeNeighbours } from "./schedule/neighbours.ts";
import { Growth, orderGroups, readsFromMemory, readsOf } from "./schedule/order.ts";
import { mergeReductions } from "./schedule/reductions.ts";
import { simplify, transposeProducts } from "./schedule/simplify.ts";
import { type ProgramInput, standInsOf } from "./schedule/standIns.ts";
import { type Step, stepOf } from "./schedule/steps.ts";
import { type GroupSummary, takeApart, unfused } from "./schedule/unfused.ts";
import type { Target } from "./target.ts";

/** What a program is planned from: the graph with its boundary. */
export interface ProgramGraph {
  readonly inputs: readonly ProgramInput[];
  readonly outputs: readonly Value[];
  readonly writes: readonly { readonly input: number; readonly value: Value }[];
}

/** One kernel of a plan with what its buffers are bound to, scratch included, in order. */
export interface PlannedKernel {
  /** Kernels of one plan that do the same share their buffers and body. */
  readonly kernel: Kernel;
  /** What the kernel does, in full: equal keys mean equal kernels. */
  readonly key: string;
  readonly bindings: readonly Placement[];
  readonly template: string;
  /** Ops in it, composites by their own name. */
  readonly ops: readonly string[];
  readonly bytes: number;
  readonly flops: number;
  readonly stopped: readonly string[];
}

export interface PlanOptions {
  /**
   * "none" makes each op a kernel of its own: what a fused plan is compared with. A function says for each group of a
   * fused plan whether it stays one kernel, so that a single group can be compared with its own parts. Default "full".
   */
  readonly fusion?: "full" | "none" | ((group: GroupSummary) => boolean);
}

/** Kernels in order, and where everything lies. */
export interface Plan {
  readonly kernels: readonly PlannedKernel[];
  readonly workspaceBytes: number;
  /** Inputs that are not regions: where they are copied before the kernels run. */
  readonly uploads: readonly { readonly input: number; readonly byteOffset: number }[];
  readonly outputs: readonly Placement[];
  /** Cells whose new content could not be computed in place: copied after the kernels have run. */
  readonly copies: readonly { readonly from: Placement; readonly input: number; readonly length: number }[];
}

/**
 * Plans a program: composites are expanded, equal work merged, kernels formed and ordered, memory assigned, loops
 * written. @throws DTypeError for a dtype that the target lacks.
 */
export function planProgram(program: ProgramGraph, target: Target, options: PlanOptions = {}): Plan {
  return new Planner(program, target, options).plan();
}

/** What each pass of planning makes of a program, in order. @throws DTypeError as planProgram. */
export function planPasses(program: ProgramGraph, target: Target): readonly PlanPass[] {
  const log = new PassLog();
  const planner = new Planner(program, target, {}, log);
  const { kernels } = planner.plan();
  const finished = new Map(kernels.map((kernel) => [kernel.key, kernel.kernel]));
  log.note("expandMath", planner.expanded.join("\n\n"));
  log.note("placeLets", [...finished.values()].map(formatKernel).join("\n\n"));
  return log.passes;
}

/** The most buffers that reductions share which become one kernel. */
const mostBuffers = 128;

/** A kernel without a name; `key` says in full what it does. */
interface FinishedBody extends Pick<Kernel, "buffers" | "body"> {
  readonly key: string;
}

class Planner {
  readonly #program: ProgramGraph;
  readonly #target: Target;
  readonly #inputIndex: ReadonlyMap<Value, number>;
  readonly #standIns: ReadonlyMap<Value, Value>;
  readonly #isInput = (value: Value): boolean => this.#inputIndex.has(value);
  readonly #finished = new Map<string, FinishedBody>();
  readonly #finishedOf = new Map<readonly Statement[], FinishedBody>();
  #origins: ReadonlyMap<unknown, string> = new Map();

  readonly #options: PlanOptions;
  readonly #log: PassLog | undefined;
  /** Texts of distinct kernels after their math was expanded, for the log. */
  readonly expanded: string[] = [];

  constructor(program: ProgramGraph, target: Target, options: PlanOptions, log?: PassLog) {
    this.#options = options;
    this.#log = log;
    this.#standIns = standInsOf(program.inputs);
    const inputs = program.inputs.map((input) => ({
      ...input,
      value: this.#standIns.get(input.value) ?? input.value,
    }));
    this.#program = { ...program, inputs };
    this.#target = target;
    this.#inputIndex = new Map(inputs.map(({ value }, i) => [value, i]));
  }

  plan(): Plan {
    const { outputs, writes } = this.#program;
    const asked = [...outputs, ...writes.map(({ value }) => value)];
    const known = (value: Value): boolean => this.#isInput(value) || this.#standIns.has(value);
    const expansion = expandComposites(asked, known, this.#standIns, this.#target.composites);
    this.#origins = expansion.originOf;
    const expanded = asked.map(expansion.valueOf);
    const log = this.#log;
    log?.start(formatGraph(asked, known));
    log?.note("expand", formatGraph(expanded, this.#isInput));
    const merged = simplify(expanded, this.#isInput);
    log?.note("simplify", formatGraph(expanded.map(merged.valueOf), this.#isInput));
    // Transposing may leave two transposes in a row: simplified once more.
    const transposed = transposeProducts(expanded.map(merged.valueOf), this.#isInput);
    const simplified = simplify(transposed, this.#isInput);
    log?.note("transposeProducts", formatGraph(transposed.map(simplified.valueOf), this.#isInput));
    const cut = cutChains(transposed.map(simplified.valueOf), this.#isInput);
    log?.note("cutChains", formatGraph(cut.roots, this.#isInput));
    const { roots, order: nodes, waits } = takeMarks(cut.roots, cut.order, this.#isInput);
    this.#checkTypes(roots);
    const fusion = this.#partition(nodes, roots, waits);
    log?.note("fuse", formatGroups(fusion.groups));
    const stored = roots.map((root) => fusion.rootStorage.get(root) ?? root);
    const written = writes.map(({ input }, i) => ({ input, value: stored[outputs.length + i] }));

    const reads = new Map(fusion.groups.map((group) => [group, readsOf(group, fusion, this.#isInput)]));
    const overwrites = this.#overwrites(fusion, reads, written);
    const order = this.#order(fusion, reads, overwrites, waits, new Set(stored));
    log?.note("order", formatGroups(order));
    const structures = new LoweredStructures();
    const lowered = order.map((group) => {
      const inMemory = (value: Value): boolean => readsFromMemory(value, group, fusion, this.#isInput);
      return structures.lower(group, inMemory, () => lowerGroup(group, inMemory, this.#target));
    });
    log?.note("lower", formatLoops(lowered));
    const inPlace = this.#writeInPlace(lowered, fusion, written, new Set(stored));
    const regionOf = (value: Value) => this.#regionOf(value, inPlace);
    const steps = lowered.map((kernel) => stepOf(kernel, (value) => regionOf(value)?.input ?? value));
    const neighbours = mergeNeighbours(steps, regionOf);
    log?.note("mergeNeighbours", formatLoops(neighbours.map((step) => step.lowered)));
    const grouped = mergeReductions(neighbours, mostBuffers, (parts) =>
      lowerTogether(
        parts.map(({ group }) => group),
        (value, group) => readsFromMemory(value, group, fusion, this.#isInput),
        this.#target,
      ),
    );
    log?.note("mergeReductions", formatLoops(grouped.map((step) => step.lowered)));
    return this.#assemble(grouped, stored.slice(0, outputs.length), written, inPlace);
  }

  #partition(order: readonly Node[], roots: readonly Value[], waits: Waits): Fusion {
    const { fusion: wanted = "full" } = this.#options;
    if (wanted === "none") return unfused(order, roots, this.#isInput);
    const fused = fuse(order, roots, this.#isInput, waits);
    return wanted === "full" ? fused : takeApart(fused, this.#isInput, wanted);
  }

  #checkTypes(roots: readonly Value[]): void {
    for (const node of topologicalOrder(roots, this.#isInput)) {
      for (const value of [...node.outputs, ...node.inputs]) {
        if (this.#target.dtypes.includes(value.dtype)) continue;
        throw new DTypeError(
          `${node.op}: ${value.dtype} ${formatShape(value.shape)} on ${this.#target.name}, which has ` +
            `${this.#target.dtypes.join(", ")}; use the reference device`,
        );
      }
    }
  }

  /** Where something is computed again to save memory, the order saves memory too. */
  #order(
    fusion: Fusion,
    reads: ReadonlyMap<Group, ReadonlySet<Value>>,
    overwrites: readonly { readonly first: Group; readonly then: Group }[],
    waits: Waits,
    lasting: ReadonlySet<Value>,
  ): Group[] {
    if (waits.size === 0) return orderGroups(fusion, reads, overwrites);
    const needs = new Map(
      fusion.groups.map((group) => [group, readsOf(group, fusion, this.#isInput, waits)]),
    );
    const growth = new Growth(reads, (value) => this.#isInput(value) || lasting.has(value));
    return orderGroups(fusion, needs, overwrites, growth);
  }

  /** Kernels that should run before others because those overwrite what these read. */
  #overwrites(
    fusion: Fusion,
    reads: ReadonlyMap<Group, ReadonlySet<Value>>,
    written: readonly { readonly input: number; readonly value: Value }[],
  ) {
    return written.flatMap(({ input, value }) => {
      const old = this.#program.inputs[input].value;
      const then = fusion.ownerOf.get(value);
      if (then === undefined) return [];
      return fusion.groups.filter((group) => reads.get(group)?.has(old)).map((first) => ({ first, then }));
    });
  }

  /**
   * Which values are computed straight into the cell that takes them: those whose kernel runs after all readers of the
   * old content, or is itself the last and reads it only where it writes. A value that such a kernel turns into the new
   * content, element by element, may lie in the cell before.
   */
  #writeInPlace(
    lowered: readonly LoweredGroup[],
    fusion: Fusion,
    written: readonly { readonly input: number; readonly value: Value }[],
    lasting: ReadonlySet<Value>,
  ): Map<Value, number> {
    const position = new Map(lowered.map(({ group }, i) => [group, i]));
    const lastRead = (value: Value): number =>
      lowered.findLastIndex(({ buffers, group }) => buffers.has(value) && !group.stores.has(value));
    const inPlace = new Map<Value, number>();
    for (const { input, value } of written) {
      const owner = fusion.ownerOf.get(value);
      const at = owner && position.get(owner);
      if (at === undefined || inPlace.has(value)) continue;
      const old = this.#program.inputs[input].value;
      const last = lastRead(old);
      if (last > at || (last === at && !readsWhereItWrites(lowered[at], old, value))) continue;
      inPlace.set(value, input);
      if (last < 0) this.#placeBefore(lowered[at], value, input, fusion, lastRead, at, lasting, inPlace);
    }
    return inPlace;
  }

  /** Lets a temporary that is turned into the cell's content element by element lie in the cell, unless it must last. */
  #placeBefore(
    kernel: LoweredGroup,
    value: Value,
    input: number,
    fusion: Fusion,
    lastRead: (value: Value) => number,
    at: number,
    lasting: ReadonlySet<Value>,
    inPlace: Map<Value, number>,
  ): void {
    if (kernel.group.template.kind !== "map") return;
    for (const source of kernel.buffers.keys()) {
      const temporary = fusion.ownerOf.has(source) && fusion.ownerOf.get(source) !== kernel.group;
      if (!temporary || inPlace.has(source) || lasting.has(source) || lastRead(source) !== at) continue;
      if (numel(source.shape) !== numel(value.shape) || source.dtype !== value.dtype) continue;
      if (!readsWhereItWrites(kernel, source, value)) continue;
      inPlace.set(source, input);
      return;
    }
  }

  #regionOf(value: Value, inPlace: ReadonlyMap<Value, number>) {
    const input = inPlace.get(value) ?? this.#inputIndex.get(value);
    const region = input === undefined ? undefined : this.#program.inputs[input].region;
    return region && input !== undefined ? { ...region, input } : undefined;
  }

  #assemble(
    steps: readonly Step[],
    outputs: readonly Value[],
    written: readonly { readonly input: number; readonly value: Value }[],
    inPlace: ReadonlyMap<Value, number>,
  ): Plan {
    const end = steps.length;
    const lives = new Map<Value | Buffer, { from: number; to: number; bytes: number }>();
    const touch = (key: Value | Buffer, bytes: number, step: number): void => {
      const life = lives.get(key);
      if (life) life.to = Math.max(life.to, step);
      else lives.set(key, { from: step, to: step, bytes });
    };
    const uploaded = new Set<number>();
    const isRegion = (input: number): boolean => this.#program.inputs[input].region !== undefined;
    const needsWorkspace = (value: Value): boolean => {
      if (inPlace.has(value)) return false;
      const input = this.#inputIndex.get(value);
      return input === undefined || !isRegion(input);
    };
    const use = (value: Value, step: number): void => {
      if (!needsWorkspace(value)) return;
      const input = this.#inputIndex.get(value);
      if (input !== undefined) {
        uploaded.add(input);
        touch(value, elementBytes(value), -1);
      }
      touch(value, elementBytes(value), step);
    };
    steps.forEach(({ lowered: { buffers, scratch } }, step) => {
      for (const value of buffers.keys()) use(value, step);
      for (const buffer of scratch) touch(buffer, buffer.length * 4, step);
    });
    for (const value of outputs) use(value, end);
    const copied = written.filter(({ input, value }) => inPlace.get(value) !== input);
    for (const { value } of copied) use(value, end);

    const lifetimes: Lifetime<Value | Buffer>[] = [...lives].map(([key, life]) => ({ key, ...life }));
    const { offsets, bytes } = planMemory(lifetimes, this.#target.alignment);
    const placementOf = (key: Value | Buffer): Placement => {
      const byteOffset = offsets.get(key);
      if (byteOffset !== undefined) return { kind: "workspace", byteOffset };
      const value = key as Value; // scratch always has an offset
      const input = inPlace.get(value) ?? this.#inputIndex.get(value);
      if (input === undefined) throw new InternalError(`plan: ${value.node.op} lies nowhere`);
      return { kind: "input", input };
    };
    const kernels = steps.map((step, i) => this.#finish(step, i, placementOf));
    this.#log?.note("memory", formatMemory(kernels, bytes));
    return {
      kernels,
      workspaceBytes: bytes,
      uploads: [...uploaded].map((input) => ({
        input,
        byteOffset: offsets.get(this.#program.inputs[input].value) ?? 0,
      })),
      outputs: outputs.map(placementOf),
      copies: copied.map(({ input, value }) => ({
        from: placementOf(value),
        input,
        length: numel(value.shape),
      })),
    };
  }

  /** Expands the math that the target lacks, names shared values, and gives the kernel its name. */
  #finish(step: Step, index: number, placementOf: (key: Value | Buffer) => Placement): PlannedKernel {
    const { group, body, buffers, scratch, shared = [], flops } = step.lowered;
    const ops = this.#opsOf(group);
    const parameters = [...buffers.values()];
    const { key, ...finished } = this.#finishBody([...parameters, ...scratch, ...shared], body);
    return {
      kernel: {
        name: `${group.template.kind}${index}_${ops.slice(0, 3).map(nameOf).join("_") || "copy"}`,
        ...finished,
      },
      key,
      bindings: [...[...buffers.keys()].map(placementOf), ...scratch.map(placementOf)],
      template: group.template.kind,
      ops,
      bytes: parameters.reduce((total, buffer) => total + buffer.length * 4, 0),
      flops,
      stopped: [...group.stopped],
    };
  }

  /** The kernel's body as a target prints it; made once for equal ones. */
  #finishBody(buffers: readonly Buffer[], body: readonly Statement[]): FinishedBody {
    const known = this.#finishedOf.get(body);
    if (known) return known;
    const key = kernelKey({ buffers, body });
    let finished = this.#finished.get(key);
    if (finished === undefined) {
      const expanded = expandMathIn(body, this.#target.intrinsics);
      if (this.#log) this.expanded.push(formatUnnamed(`${this.expanded.length}`, buffers, expanded));
      const scheduled = this.#target.workgroup?.schedules.spread(expanded) ?? expanded;
      const phases = phasesOf(scheduled).map(placeLets);
      finished = { key, buffers, body: joinPhases(phases) };
      this.#finished.set(key, finished);
    }
    this.#finishedOf.set(body, finished);
    return finished;
  }

  #opsOf(group: Group): string[] {
    const names = new Set<string>();
    for (const { node } of group.members) names.add(this.#origins.get(node) ?? describeOp(node));
    return [...names];
  }
}

/** An op's name without what describes it further. */
function nameOf(op: string): string {
  return op.split("[")[0];
}

/** Where each kernel's buffers lie. */
function formatMemory(kernels: readonly PlannedKernel[], bytes: number): string {
  const placeOf = (place: Placement): string =>
    place.kind === "input" ? `input ${place.input}` : `workspace+${place.byteOffset}`;
  const lines = kernels.map(({ kernel, bindings }) => `${kernel.name}: ${bindings.map(placeOf).join(", ")}`);
  return [...lines, `${bytes} bytes of workspace`].join("\n");
}

/** Whether a kernel reads `old` only at the very index at which it stores `value`, so that both may share memory. */
function readsWhereItWrites(kernel: LoweredGroup, old: Value, value: Value): boolean {
  const { kind } = kernel.group.template;
  if (kind !== "map" && kind !== "contract") return false;
  const source = kernel.buffers.get(old);
  const target = kernel.buffers.get(value);
  if (source === undefined || target === undefined) return false;
  // Judged within one block of statements, where what is loaded is loaded before anything is stored.
  const fits = (statements: readonly Statement[]): boolean => {
    const stores = statements.flatMap((statement) =>
      statement.kind === "store" && statement.buffer === target ? [statement.index] : [],
    );
    return statements.every((statement) => {
      if (statement.kind === "for" || statement.kind === "if") return fits(statement.body);
      let same = true;
      walkScalars([statement], (scalar) => {
        if (scalar.kind !== "load" || scalar.buffer !== source) return;
        if (!stores.some((index) => equal(index, scalar.index))) same = false;
      });
      return same;
    });
  };
  return fits(kernel.body);
}
