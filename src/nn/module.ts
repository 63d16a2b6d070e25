import { currentEngine } from "../engine/current.ts";
import { ArgumentError } from "../graph/errors.ts";
import type { Value } from "../graph/node.ts";
import type { Device } from "../runtime/device.ts";
import { Buffer, Parameter } from "../tensor/parameter.ts";
import { checkDType, Tensor } from "../tensor/tensor.ts";
import { type ForwardHook, ForwardHooks, type ForwardPreHook, type HookHandle } from "./hooks.ts";
import { content, contentNow, misfit, overwrite, type StateEntry, snapshot, throwMismatch } from "./state.ts";

/** A parameter or buffer and where it is. */
interface Entry {
  readonly buffer: Buffer;
  /** The fields and indices that lead to it. */
  readonly path: readonly string[];
  /** `names[i]` is the name of `path.slice(i)`, as the module there calls it. */
  readonly names: readonly string[];
}

/** The parameters, buffers and modules in a field, with the indices that lead to them. */
function contentsOf(
  value: unknown,
  path: readonly string[] = [],
): { item: Buffer | Module; path: readonly string[] }[] {
  if (value instanceof Buffer || value instanceof Module) return [{ item: value, path }];
  return Array.isArray(value) ? value.flatMap((item, i) => contentsOf(item, [...path, String(i)])) : [];
}

/**
 * The base of everything with parameters. A module is plain data: its parameters, buffers and inner modules are its
 * fields, and arrays of them. There is nothing to register.
 */
export abstract class Module {
  #training = true;
  readonly #hooks = new ForwardHooks();

  /**
   * Names that differ from the fields', by field or dotted path of fields: `{ norm: "LayerNorm", "attention.query":
   * "attention.self.query" }`. The longest path that fits is used; what follows is named by the module that it leads to.
   * So that a model can read as its paper does and load the files of another library.
   */
  protected get names(): Readonly<Record<string, string>> {
    return {};
  }

  /** Whether dropout drops: true until `eval()`. A compiled function that reads it is traced again when it changes. */
  get training(): boolean {
    const value = this.#training;
    currentEngine().trace?.guards.push(() => this.#training === value);
    return value;
  }

  /** Sets the training flag of this module and of all in it. */
  train(mode = true): this {
    for (const module of this.modules()) module.#training = mode;
    return this;
  }

  /** The same as `train(false)`. */
  eval(): this {
    return this.train(false);
  }

  /**
   * Calls `hook` with the module, its inputs and its output whenever `forward` has run; what it returns, unless undefined,
   * takes the output's place. Hooks run in the order in which they came, in a compiled function while it is traced: a
   * tensor seen there can be returned from the function, but not be read. `withGradientHook` is the same for gradients.
   */
  registerForwardHook<Inputs extends readonly unknown[], Output>(
    hook: ForwardHook<Inputs, Output>,
  ): HookHandle {
    return this.#hooks.addAfter(this, hook);
  }

  /** The same before `forward` runs: what `hook` returns, unless undefined, takes the place of the inputs. */
  registerForwardPreHook<Inputs extends readonly unknown[]>(hook: ForwardPreHook<Inputs>): HookHandle {
    return this.#hooks.addBefore(this, hook);
  }

  /** The modules in this one's own fields. */
  children(): Module[] {
    return Object.values(this).flatMap((value) =>
      contentsOf(value).flatMap(({ item }) => (item instanceof Module ? [item] : [])),
    );
  }

  /** This module and all in it, each once, outer before inner. */
  modules(): Module[] {
    const found = new Set<Module>();
    const visit = (module: Module): void => {
      if (found.has(module)) return;
      found.add(module);
      for (const child of module.children()) visit(child);
    };
    visit(this);
    return [...found];
  }

  /** All parameters, each once, in the order of the fields; a shared one under the first of its names. */
  namedParameters(): [name: string, parameter: Parameter][] {
    return this.#named().flatMap(([name, buffer]) =>
      buffer instanceof Parameter ? [[name, buffer] as const] : [],
    ) as [string, Parameter][];
  }

  parameters(): Parameter[] {
    return this.namedParameters().map(([, parameter]) => parameter);
  }

  /** All buffers that are not parameters, each once. */
  namedBuffers(): [name: string, buffer: Buffer][] {
    return this.#named().filter(([, buffer]) => !(buffer instanceof Parameter));
  }

  buffers(): Buffer[] {
    return this.namedBuffers().map(([, buffer]) => buffer);
  }

  /** Forgets the gradients of all parameters. */
  zeroGrad(): void {
    for (const parameter of this.parameters()) parameter.zeroGrad();
  }

  /**
   * A copy of every parameter and buffer by its name; a shared one once. The tensors are on the module's device and no
   * longer change; read them with `await tensor.data()`.
   * @throws TraceError inside a compiled function.
   */
  stateDict(): Map<string, Tensor> {
    const named = this.#named();
    const copies = snapshot(named.map(([, buffer]) => buffer));
    return new Map(named.map(([name], i) => [name, copies[i]]));
  }

  /**
   * Sets parameters and buffers by name, casting to their dtypes. A shared one may come under any of its names; of
   * several, the last in the module counts. With `strict: false` missing and unexpected names are returned instead of thrown.
   * @throws StateDictError that lists all missing, unexpected and misshapen names; nothing has changed then.
   */
  loadStateDict(
    state: ReadonlyMap<string, StateEntry>,
    options: { readonly strict?: boolean } = {},
  ): { readonly missing: string[]; readonly unexpected: string[] } {
    const { chosen, missing, unexpected } = this.#match(state, options.strict ?? true);
    overwrite([...chosen]);
    return { missing, unexpected };
  }

  /**
   * Whether `loadStateDict` would take a state; changes nothing.
   * @throws StateDictError as it does.
   */
  checkStateDict(state: ReadonlyMap<string, StateEntry>, options: { readonly strict?: boolean } = {}): void {
    this.#match(state, options.strict ?? true);
  }

  #match(state: ReadonlyMap<string, StateEntry>, strict: boolean) {
    const entries = this.#entries();
    const known = new Set(entries.map(({ names }) => names[0]));
    const chosen = new Map<Buffer, StateEntry>();
    const misshapen: string[] = [];
    for (const { buffer, names } of entries) {
      const entry = state.get(names[0]);
      if (entry === undefined) continue;
      const problem = misfit(buffer.cell, entry);
      if (problem !== undefined) misshapen.push(`${names[0]} ${problem}`);
      else chosen.set(buffer, entry);
    }
    const missing = this.#named().flatMap(([name, buffer]) =>
      chosen.has(buffer) || state.has(name) ? [] : [name],
    );
    const unexpected = [...state.keys()].filter((name) => !known.has(name));
    throwMismatch(this.constructor.name, strict ? { missing, unexpected, misshapen } : { misshapen });
    return { chosen, missing, unexpected };
  }

  /**
   * Moves the module to a device, content included; gradients stay behind. Parameters and buffers are replaced by others:
   * make optimizers after.
   * @throws DeviceError for content on a device that cannot be read at once, such as a GPU (see `toAsync`); DTypeError for
   *   a dtype that the new device lacks. Nothing has changed then.
   */
  to(device: Device): this {
    return this.#place(device, contentNow(this.#elsewhere(device)));
  }

  /** The same from any device: waits until content has been read. */
  async toAsync(device: Device): Promise<this> {
    return this.#place(device, await content(this.#elsewhere(device)));
  }

  /** Parameters and buffers that are not on a device yet. */
  #elsewhere(device: Device): Buffer[] {
    const buffers = this.#named().flatMap(([, buffer]) => (buffer.device === device ? [] : [buffer]));
    for (const { dtype } of buffers) checkDType("to", dtype, device);
    return buffers;
  }

  #place(device: Device, contents: ReadonlyMap<Buffer, Value>): this {
    const moved = new Map<Buffer, Buffer>();
    for (const [buffer, value] of contents) {
      const { name, requiresGrad } = buffer.cell;
      const initial = new Tensor(value, device);
      const make = buffer instanceof Parameter ? Parameter : Buffer;
      moved.set(buffer, new make(initial, { name, requiresGrad }));
    }
    const replace = (value: unknown): unknown => {
      if (value instanceof Buffer) return moved.get(value) ?? value;
      return Array.isArray(value) ? value.map(replace) : value;
    };
    for (const module of this.modules()) {
      for (const [field, value] of Object.entries(module)) {
        if (contentsOf(value).some(({ item }) => item instanceof Buffer))
          Reflect.set(module, field, replace(value));
      }
    }
    return this;
  }

  /** Every parameter and buffer once with its name, which its cell gets for messages and kernel listings. */
  #named(): [string, Buffer][] {
    const seen = new Map<Buffer, string>();
    for (const { buffer, names } of this.#entries()) {
      if (seen.has(buffer)) continue;
      seen.set(buffer, names[0]);
      // Of the names that outer and inner modules give, the outermost says most.
      if (names[0].split(".").length >= buffer.cell.name.split(".").length) buffer.cell.name = names[0];
    }
    return [...seen].map(([buffer, name]) => [name, buffer]);
  }

  #entries(ancestors: readonly Module[] = []): Entry[] {
    if (ancestors.includes(this)) {
      throw new ArgumentError(
        `${this.constructor.name}: the module contains itself; keep such references out of its fields`,
      );
    }
    const within = [...ancestors, this];
    return Object.entries(this).flatMap(([field, value]) =>
      contentsOf(value).flatMap(({ item, path }) => {
        const fields = [field, ...path];
        const inner =
          item instanceof Module ? item.#entries(within) : [{ buffer: item, path: [], names: [] }];
        return inner.map((entry) => {
          const outer = fields.map((_, i) => [...fields.slice(i), ...entry.names.slice(0, 1)].join("."));
          return this.#rename({
            buffer: entry.buffer,
            path: [...fields, ...entry.path],
            names: [...outer, ...entry.names],
          });
        });
      }),
    );
  }

  #rename(entry: Entry): Entry {
    const { path, names } = entry;
    for (let length = path.length; length > 0; length--) {
      const prefix = path.slice(0, length).join(".");
      if (!Object.hasOwn(this.names, prefix)) continue;
      const name = [this.names[prefix], ...names.slice(length, length + 1)].join(".");
      return { ...entry, names: [name, ...names.slice(1)] };
    }
    return entry;
  }
}
