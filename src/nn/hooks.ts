import { currentEngine } from "../engine/current.ts";

/**
 * Sees what `forward` took and gave; what it returns, unless undefined, takes the output's place. The types are those that
 * the module's `forward` has: a module does not know them of itself.
 */
export type ForwardHook<Inputs extends readonly unknown[], Output> = (
  module: object,
  inputs: Inputs,
  output: Output,
) => unknown;

/** Sees what `forward` is about to take; what it returns, unless undefined, takes the inputs' place. */
export type ForwardPreHook<Inputs extends readonly unknown[]> = (
  module: object,
  inputs: Inputs,
) => readonly unknown[] | undefined;

/** Takes a hook away again; `using` does so where it goes out of scope. */
export interface HookHandle extends Disposable {
  remove(): void;
}

/**
 * The hooks of one module, in the order in which they came. While there are any, the module has a `forward` of its own
 * around that of its class; it is no field, so nothing that walks fields sees it.
 */
export class ForwardHooks {
  readonly #before = new Set<ForwardPreHook<readonly unknown[]>>();
  readonly #after = new Set<ForwardHook<readonly unknown[], unknown>>();

  // What `forward` takes and gives is known where a hook is written, not here.

  addBefore<Inputs extends readonly unknown[]>(module: object, hook: ForwardPreHook<Inputs>): HookHandle {
    return this.#add(module, this.#before, (of, inputs) => hook(of, inputs as Inputs));
  }

  addAfter<Inputs extends readonly unknown[], Output>(
    module: object,
    hook: ForwardHook<Inputs, Output>,
  ): HookHandle {
    return this.#add(module, this.#after, (of, inputs, output) =>
      hook(of, inputs as Inputs, output as Output),
    );
  }

  #add<Each extends object>(module: object, hooks: Set<Each>, hook: Each): HookHandle {
    if (this.#before.size + this.#after.size === 0) this.#wrap(module);
    const { moduleHooks } = currentEngine();
    hooks.add(hook);
    moduleHooks.add(hook);
    const remove = (): void => {
      moduleHooks.delete(hook);
      if (hooks.delete(hook) && this.#before.size + this.#after.size === 0)
        Reflect.deleteProperty(module, "forward");
    };
    return { remove, [Symbol.dispose]: remove };
  }

  #wrap(module: object): void {
    const forward: unknown = Reflect.get(module, "forward");
    if (typeof forward !== "function") return;
    const value = (...given: unknown[]): unknown => {
      let inputs: readonly unknown[] = given;
      for (const hook of [...this.#before]) inputs = hook(module, inputs) ?? inputs;
      let output: unknown = Reflect.apply(forward, module, [...inputs]);
      for (const hook of [...this.#after]) output = hook(module, inputs, output) ?? output;
      return output;
    };
    Object.defineProperty(module, "forward", { configurable: true, value });
  }
}
