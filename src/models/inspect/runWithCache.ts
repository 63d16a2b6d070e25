import { ArgumentError } from "../../graph/errors.ts";
import { Module } from "../../nn/module.ts";
import { Tensor } from "../../tensor/tensor.ts";

/** Which activations are kept: by full name, or by pattern. */
export type ActivationFilter = readonly (string | RegExp)[];

/** What a model returned, and what its modules did on the way. */
export interface CachedRun<Output> {
  readonly output: Output;
  /** By name, in the order in which they were made. */
  readonly cache: ReadonlyMap<string, Tensor>;
}

/**
 * Runs a model and keeps what its inner modules give, without changing what it computes: tensors are computed when they are
 * read, so what is not read costs nothing, and the plan of a compiled function holds only what it returns.
 *
 * An activation is named by the fields that lead to its module ("base.layers.0.up"). Where a module gives an object, each
 * tensor in it has a name of its own: "base.layers.0.attention.probabilities" is an attention pattern [B, H, Tq, Tk]. What a
 * module gives when it is called again ends in "#1", "#2", and so on.
 *
 * ```ts
 * const { cache } = runWithCache(bert, () => bert.forward(ids), { names: [/attention\.probabilities$/] });
 * ```
 *
 * The idea is that of Nanda and Bloom's TransformerLens (2022).
 * @throws ArgumentError for a full name that the run did not make, naming some that it did.
 */
export function runWithCache<Output>(
  model: Module,
  run: () => Output,
  options: { readonly names: ActivationFilter },
): CachedRun<Output> {
  const { names } = options;
  const cache = new Map<string, Tensor>();
  const made: string[] = [];
  const keep = (name: string, value: unknown): void => {
    if (value instanceof Tensor) {
      made.push(name);
      if (names.some((wanted) => (typeof wanted === "string" ? wanted === name : wanted.test(name)))) {
        cache.set(name, value);
      }
    } else if (Array.isArray(value)) {
      for (const [i, item] of value.entries()) keep(`${name}.${i}`, item);
    } else if (isPlain(value)) {
      for (const [field, item] of Object.entries(value)) keep(`${name}.${field}`, item);
    }
  };
  const restore = names.length === 0 ? [] : listen(model, keep);
  let output: Output;
  try {
    output = run();
  } finally {
    for (const undo of restore) undo();
  }
  const absent = names.filter((name) => typeof name === "string" && !made.includes(name));
  if (absent.length > 0) {
    throw new ArgumentError(
      `runWithCache: there is no activation ${absent.join(", ")}; among those made are ${made.slice(0, 8).join(", ")}`,
    );
  }
  return { output, cache };
}

function isPlain(value: unknown): value is object {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/** Lets `keep` see what each inner module's `forward` gives; the functions returned undo that. */
function listen(model: Module, keep: (name: string, value: unknown) => void): (() => void)[] {
  const restore: (() => void)[] = [];
  for (const [path, module] of innerModules(model)) {
    const forward: unknown = Reflect.get(module, "forward");
    if (typeof forward !== "function") continue;
    let calls = 0;
    const own = Object.getOwnPropertyDescriptor(module, "forward");
    Object.defineProperty(module, "forward", {
      configurable: true,
      value: (...args: unknown[]): unknown => {
        const result: unknown = Reflect.apply(forward, module, args);
        keep(calls === 0 ? path : `${path}#${calls}`, result);
        calls += 1;
        return result;
      },
    });
    restore.push(() => {
      Reflect.deleteProperty(module, "forward");
      if (own) Object.defineProperty(module, "forward", own);
    });
  }
  return restore;
}

/** Every module in a model, each once, with the fields that lead to it. */
function innerModules(model: Module): Map<string, Module> {
  const found = new Map<string, Module>();
  const seen = new Set<Module>([model]);
  const visit = (value: unknown, path: string): void => {
    if (Array.isArray(value)) {
      for (const [i, item] of value.entries()) visit(item, `${path}.${i}`);
    } else if (value instanceof Module && !seen.has(value)) {
      seen.add(value);
      found.set(path, value);
      for (const [field, item] of Object.entries(value)) visit(item, `${path}.${field}`);
    }
  };
  for (const [field, item] of Object.entries(model)) visit(item, field);
  return found;
}
