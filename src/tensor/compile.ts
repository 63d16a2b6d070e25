import { CapturedPlan } from "../engine/captured.ts";
import { currentEngine } from "../engine/current.ts";
import type { Engine } from "../engine/engine.ts";
import { Trace } from "../engine/trace.ts";
import { ArgumentError, DeviceError, TraceError } from "../graph/errors.ts";
import type { Device, Executable, Program, Storage } from "../runtime/device.ts";
import { Buffer } from "./parameter.ts";
import { describe, isPlainObject, mapTensors, rebuild, type Template } from "./template.ts";
import { Tensor } from "./tensor.ts";

/** A compiled function: call it as the original. */
export interface Compiled<Args extends readonly unknown[], Result> {
  (...args: Args): Result;
  /** How often the function was traced: once for each signature, again for those that were dropped since. */
  readonly traces: number;
  /** The plan that the last call ran. */
  readonly lastPlan: Executable | undefined;
}

export interface CompileOptions {
  /** Traces kept ready (default 16); beyond them the least recently used is dropped, with a warning. */
  readonly maxTraces?: number;
}

interface Capture {
  readonly plan: CapturedPlan;
  readonly template: Template;
}

/** A trace kept ready for calls of its signature. */
interface Entry extends Capture {
  readonly key: string;
}

/**
 * Runs `fn` once for each signature to record what it does, and replays the recorded plan from then on: forward,
 * backward and optimizer steps alike. The signature is the argument tree with shapes, dtypes, devices and requiresGrad,
 * plain arguments by value, the gradient mode, which gradients were present, the `training` flags read, and modules'
 * hooks. A call
 * returns at once what `fn` returns, as new tensors that never change and have no gradient history. A backward() inside
 * leaves gradients as it does outside: on parameters, and on the arguments that require them.
 *
 * `fn` must be synchronous, and read no tensor: both are TraceErrors.
 * @throws ArgumentError unless `maxTraces` is an integer of at least 1.
 */
export function compile<Args extends readonly unknown[], Result>(
  fn: (...args: Args) => Result,
  options: CompileOptions = {},
): Compiled<Args, Result> {
  const { maxTraces = 16 } = options;
  if (!Number.isInteger(maxTraces) || maxTraces < 1) {
    throw new ArgumentError(`compile: maxTraces ${maxTraces} is not an integer of at least 1`);
  }
  const identities = new Identities();
  /** Most recently used first. Several may share a signature and differ in what else they took for granted. */
  const entries: Entry[] = [];
  let lastPlan: Executable | undefined;
  let traces = 0;
  let warned = false;

  const keep = (engine: Engine, entry: Entry): void => {
    entries.unshift(entry);
    if (entries.length <= maxTraces) return;
    entries.pop()?.plan.dispose();
    if (warned) return;
    warned = true;
    engine.warn(
      `compile: more than ${maxTraces} signatures in use; old ones are dropped and traced again. ` +
        "Pad or bucket the shapes, pass numbers that change as tensors, or raise maxTraces",
    );
  };

  const call = (...args: Args): Result => {
    const engine = currentEngine();
    if (engine.trace) return fn(...args);
    const { key, tensors } = signatureOf(engine, args, identities);
    const storages = prepareArguments(engine, tensors);
    const at = entries.findIndex((entry) => entry.key === key && entry.plan.applies());
    if (at < 0) {
      const entry = { key, ...capture(engine, fn, args, tensors) };
      traces += 1;
      keep(engine, entry);
    } else entries.unshift(...entries.splice(at, 1));
    const { plan, template } = entries[0];
    lastPlan = plan.executable;
    const { results, gradients } = plan.run(engine, storages);
    // What an argument was made of gets its gradients too, as if the function had been called plainly.
    for (const [argument, gradient] of gradients) engine.backward(tensors[argument].value, gradient);
    return rebuild(template, (output, device) => new Tensor(results[output], device)) as Result;
  };
  return Object.defineProperties(call, {
    traces: { get: () => traces },
    lastPlan: { get: () => lastPlan },
  }) as Compiled<Args, Result>;
}

/** Traces `fn` without running anything and without advancing any state; gives the plan that a call would run. */
export function planOf<Args extends readonly unknown[]>(
  fn: (...args: Args) => unknown,
  args: Args,
  prepare?: (device: Device, program: Program) => Executable,
): Executable {
  const engine = currentEngine();
  if (engine.trace) throw new TraceError("explain: a function cannot be explained while another is compiled");
  const { tensors } = signatureOf(engine, args, new Identities());
  return capture(engine, fn, args, tensors, prepare).plan.executable;
}

function capture<Args extends readonly unknown[]>(
  engine: Engine,
  fn: (...args: Args) => unknown,
  args: Args,
  tensors: readonly Tensor[],
  prepare = (device: Device, program: Program): Executable => device.prepare(program),
): Capture {
  const trace = new Trace();
  const { gradEnabled } = engine;
  engine.trace = trace;
  try {
    const stand = new Map(
      tensors.map((tensor) => [
        tensor,
        new Tensor(trace.argument(tensor, tensor.requiresGrad), tensor.device),
      ]),
    );
    const inner = args.map((arg) =>
      mapTensors(arg, (tensor) => stand.get(tensor) ?? tensor),
    ) as unknown as Args;
    const result = fn(...inner);
    if (result instanceof Promise) {
      result.catch(() => undefined);
      throw new TraceError(
        "compile: the function is async; compiled functions are synchronous, read their result outside",
      );
    }
    const outputs: Tensor[] = [];
    const template = describe(result, outputs);
    const values = outputs.map((output) => output.usable());
    const written = [...trace.writes.keys()];
    const device = outputs[0]?.device ?? written[0]?.device ?? tensors[0]?.device ?? engine.defaultDevice;
    const other = outputs.find((output) => output.device !== device);
    if (other) {
      throw new DeviceError(
        `compile: the function returns tensors on ${device.name} and on ${other.device.name}; compile one function a device`,
      );
    }
    engine.trace = undefined;
    const plan = new CapturedPlan(engine, device, trace, values, (program) => prepare(device, program));
    return { plan, template };
  } finally {
    trace.close();
    engine.trace = undefined;
    engine.gradEnabled = gradEnabled;
  }
}

/** The data of the tensors passed, computed where it was not; or the error of a device that could not. */
function prepareArguments(engine: Engine, tensors: readonly Tensor[]): Storage[] | DeviceError {
  try {
    for (const tensor of tensors) tensor.realize();
    return tensors.map((tensor) => engine.storageOf(tensor.device, tensor.value));
  } catch (error) {
    if (error instanceof DeviceError) return error;
    throw error;
  }
}

/** Numbers for objects that are compared by identity. */
class Identities {
  readonly #numbers = new WeakMap<object, number>();
  #next = 0;

  of(object: object): number {
    let number = this.#numbers.get(object);
    if (number === undefined) {
      number = this.#next++;
      this.#numbers.set(object, number);
    }
    return number;
  }
}

/**
 * The signature as text, and the tensors of the argument tree, each once. Parameters and other class instances count by
 * identity, and so do the engine and its default device.
 */
function signatureOf(
  engine: Engine,
  args: readonly unknown[],
  identities: Identities,
): { readonly key: string; readonly tensors: readonly Tensor[] } {
  const tensors: Tensor[] = [];
  const describeArgument = (value: unknown): string => {
    switch (typeof value) {
      case "number":
        return Object.is(value, -0) ? "-0" : String(value);
      case "string":
        return JSON.stringify(value);
      case "bigint":
        return `${value}n`;
      case "boolean":
      case "undefined":
        return String(value);
      case "symbol":
        throw new ArgumentError("compile: a symbol cannot be an argument of a compiled function");
      case "function":
        return `#${identities.of(value)}`;
      case "object":
        return value === null ? "null" : describeObject(value);
    }
  };
  const describeObject = (value: object): string => {
    if (value instanceof Tensor && !(value instanceof Buffer)) {
      const seen = tensors.indexOf(value);
      if (seen >= 0) return `T${seen}`;
      tensors.push(value);
      const { dtype, shape, requiresGrad, device } = value;
      return `${dtype}[${shape.join(",")}]${requiresGrad ? "g" : ""}@${identities.of(device)}`;
    }
    if (ArrayBuffer.isView(value)) {
      throw new ArgumentError(
        "compile: a typed array cannot be an argument of a compiled function; wrap it with tensor()",
      );
    }
    if (Array.isArray(value)) return `[${value.map(describeArgument).join(",")}]`;
    if (isPlainObject(value)) {
      const entries = Object.entries(value).map(
        ([name, item]) => `${JSON.stringify(name)}:${describeArgument(item)}`,
      );
      return `{${entries.join(",")}}`;
    }
    return `#${identities.of(value)}`;
  };
  const hooks = [...engine.moduleHooks].map((hook) => identities.of(hook)).join(",");
  const world = `#${identities.of(engine)}@${identities.of(engine.defaultDevice)}h${hooks}`;
  const key = `${world} ${engine.gradEnabled ? "grad" : "noGrad"} ${args.map(describeArgument).join(",")}`;
  return { key, tensors };
}
