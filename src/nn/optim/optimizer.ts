import { packCells } from "../../engine/arena.ts";
import type { Cell } from "../../engine/cell.ts";
import { currentEngine } from "../../engine/current.ts";
import type { ScalarSpec } from "../../engine/engine.ts";
import { ArgumentError, DeviceError, StateDictError } from "../../graph/errors.ts";
import type { Shape } from "../../graph/shape.ts";
import { full } from "../../tensor/create.ts";
import { noGrad } from "../../tensor/grad.ts";
import { Buffer, type Parameter } from "../../tensor/parameter.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { misfit, overwrite, type StateEntry, snapshot, throwMismatch } from "../state.ts";

/** A rate, or a function that gives it for each step from the number of steps taken before: 0 at the first. */
export type LearningRate = number | ((step: number) => number);

/** What every optimizer has. */
export interface Settings {
  readonly lr: LearningRate;
  readonly weightDecay: number;
  /** Whether to climb instead of to descend. */
  readonly maximize: boolean;
}

/** Settings of an optimizer, or of a group of its parameters, as they are given. */
export type GroupOptions<S extends Settings = Settings> = Partial<S>;

/** Parameters with settings of their own: whatever is not given is the optimizer's. */
export type ParameterGroup<S extends Settings = Settings> = GroupOptions<S> & {
  readonly params: readonly Parameter[];
};

/** What an optimizer is made for. */
export type Parameters<S extends Settings = Settings> = readonly Parameter[] | readonly ParameterGroup<S>[];

/** A group as the optimizer keeps it. `lr` and `weightDecay` may be changed between steps, compiled or not. */
export interface OptimizerGroup<S extends Settings = Settings> {
  readonly params: readonly Parameter[];
  readonly settings: S;
  lr: LearningRate;
  weightDecay: number;
}

/** What a group's numbers for a step are made of: its settings, as they are now. */
export type StepSettings<S extends Settings = Settings> = Omit<S, "lr"> & {
  readonly lr: number;
  /** Steps that the parameters have taken, this one included. */
  readonly steps: number;
};

/** Something that is remembered of a parameter. */
export interface Moment {
  readonly name: string;
  /** The parameter's shape unless another is given. */
  readonly shape?: Shape;
  /** What every element starts as: 0 unless given. */
  readonly initial?: number;
}

/** A parameter with what the optimizer remembers of it. */
interface Slot<S extends Settings> {
  readonly group: OptimizerGroup<S>;
  readonly parameter: Parameter;
  readonly moments: readonly Buffer[];
  readonly names: readonly string[];
  steps: number;
}

/** What `loadStateDict` takes: an optimizer's memory, by the position of its parameters. */
export interface OptimizerState {
  /** Steps taken. */
  readonly steps: number;
  /** Settings of each group; a schedule is not state and has no `lr`. */
  readonly groups: readonly { readonly lr?: number; readonly weightDecay: number }[];
  readonly parameters: readonly {
    readonly name: string;
    readonly steps: number;
    readonly moments: ReadonlyMap<string, StateEntry>;
  }[];
}

/** Parameters that take the same numbers in a step; `ahead` counts steps taken by the function that is being traced. */
function classesOf<S extends Settings>(
  slots: readonly Slot<S>[],
  ahead: ReadonlyMap<Slot<S>, number>,
): Slot<S>[][] {
  const stepsOf = (slot: Slot<S>): number => slot.steps + (ahead.get(slot) ?? 0);
  const classes: Slot<S>[][] = [];
  for (const slot of slots) {
    const same = classes.find(
      ([first]) =>
        first.group === slot.group &&
        stepsOf(first) === stepsOf(slot) &&
        first.parameter.dtype === slot.parameter.dtype,
    );
    if (same) same.push(slot);
    else classes.push([slot]);
  }
  return classes;
}

/**
 * The base of optimizers. A step updates every parameter that has a gradient, all as one program; numbers that vary from
 * step to step are computed on the host, so that a compiled step takes new ones in every call.
 *
 * Values, gradients and moments are each packed into arenas in the same order, group by group.
 */
export abstract class Optimizer<S extends Settings = Settings> {
  readonly groups: readonly OptimizerGroup<S>[];
  readonly #slots: readonly Slot<S>[];
  #steps = 0;
  /** Steps taken in each trace so far. */
  readonly #traced = new WeakMap<object, Map<Slot<S>, number>>();

  /**
   * `moments` says what is remembered of a parameter with the given settings.
   * @throws ArgumentError for no parameters, one named twice, or a bad setting; DeviceError for several devices.
   */
  protected constructor(
    params: Parameters<S>,
    defaults: S,
    options: GroupOptions<S>,
    moments: (settings: S, parameter: Parameter) => readonly Moment[],
  ) {
    this.groups = groupsOf(params).map(({ params, ...own }) => {
      const settings: S = { ...defaults, ...given(options), ...given(own) };
      return { params, settings, lr: settings.lr, weightDecay: settings.weightDecay };
    });
    checkGroups(this.groups);
    this.#slots = this.groups.flatMap((group) =>
      group.params.map((parameter) => {
        const { dtype, device, cell } = parameter;
        const wanted = moments(group.settings, parameter);
        const buffers = wanted.map(
          ({ name, shape, initial }) =>
            new Buffer(full(shape ?? parameter.shape, initial ?? 0, { dtype, device }), {
              name: `${cell.name}.${name}`,
            }),
        );
        return { group, parameter, moments: buffers, names: wanted.map(({ name }) => name), steps: 0 };
      }),
    );
    const pack = (cells: readonly Cell[]): void => packCells(cells, currentEngine().blocks);
    pack(this.#slots.map(({ parameter }) => parameter.cell));
    pack(this.#slots.map(({ parameter }) => parameter.cell.gradientCell));
    for (const name of new Set(this.#slots.flatMap(({ names }) => names))) {
      pack(
        this.#slots
          .flatMap(({ names, moments }) => moments.filter((_, i) => names[i] === name))
          .map(({ cell }) => cell),
      );
    }
  }

  /** Names of the numbers that `numbersOf` gives, for kernel listings. */
  protected abstract readonly numberNames: readonly string[];

  /** The numbers of a step, on the host. */
  protected abstract numbersOf(settings: StepSettings<S>): readonly number[];

  /** The next value and the next moments; `numbers` are scalars. The same expression for every parameter of a group. */
  protected abstract update(
    value: Tensor,
    gradient: Tensor,
    moments: readonly Tensor[],
    numbers: readonly Tensor[],
    settings: S,
  ): readonly Tensor[];

  /** Steps taken; what a schedule is asked with. */
  get steps(): number {
    return this.#steps;
  }

  /** What is remembered under a name, of each parameter in order; undefined where nothing is. */
  protected momentsNamed(name: string): (Buffer | undefined)[] {
    return this.#slots.map(({ moments, names }) => moments[names.indexOf(name)]);
  }

  /** Forgets the gradients of all parameters. */
  zeroGrad(): void {
    for (const { parameter } of this.#slots) parameter.zeroGrad();
  }

  /**
   * Updates every parameter that has a gradient.
   * @throws StaleVersionError when a parameter that the gradients need has been assigned since backward().
   */
  step(): void {
    const engine = currentEngine();
    const active = this.#slots.filter(({ parameter }) => engine.gradientOf(parameter.cell) !== undefined);
    const ahead = this.#aheadIn(engine.trace);
    const classes = classesOf(active, ahead);
    const specs = classes.flatMap(([{ parameter }]) =>
      this.numberNames.map((name): ScalarSpec => ({ name, dtype: parameter.dtype })),
    );
    if (engine.trace) {
      const before = new Map(ahead);
      engine.trace.guards.push(() => classesOf(active, before).length === classes.length);
      for (const slot of active) ahead.set(slot, (ahead.get(slot) ?? 0) + 1);
    }
    const leaves = engine.hostScalars(specs, () => this.#advance(classes));
    const numbersOfSlot = new Map(
      classes.flatMap((slots, i) => {
        const mine = leaves.slice(i * this.numberNames.length, (i + 1) * this.numberNames.length);
        return slots.map(
          (slot) => [slot, mine.map((leaf) => new Tensor(leaf, slot.parameter.device))] as const,
        );
      }),
    );
    engine.step(
      active.map(({ parameter }) => parameter.cell),
      (gradients) =>
        noGrad(() =>
          active.flatMap((slot, i) => {
            const { parameter, moments } = slot;
            const { settings } = slot.group;
            const ascent = new Tensor(gradients[i], parameter.device);
            const gradient = settings.maximize ? ascent.neg() : ascent;
            const next = this.update(parameter, gradient, moments, numbersOfSlot.get(slot) ?? [], settings);
            return [parameter, ...moments].map(({ cell }, k) => ({ cell, value: next[k].usable() }));
          }),
        ),
    );
  }

  #aheadIn(trace: object | undefined): Map<Slot<S>, number> {
    const ahead = (trace && this.#traced.get(trace)) ?? new Map<Slot<S>, number>();
    if (trace) this.#traced.set(trace, ahead);
    return ahead;
  }

  /** Counts a step and gives its numbers. */
  #advance(classes: readonly (readonly Slot<S>[])[]): number[] {
    const step = this.#steps;
    this.#steps += 1;
    return classes.flatMap((slots) => {
      for (const slot of slots) slot.steps += 1;
      const [{ group, steps }] = slots;
      const lr = typeof group.lr === "number" ? group.lr : group.lr(step);
      if (!Number.isFinite(lr))
        throw new ArgumentError(`optimizer: the learning rate of step ${step} is ${lr}`);
      return this.numbersOf({ ...group.settings, lr, weightDecay: group.weightDecay, steps });
    });
  }

  /** Step counts, learning rates and decays, and a copy of every moment. @throws TraceError inside a compiled function. */
  stateDict(): OptimizerState {
    const copies = snapshot(this.#slots.flatMap(({ moments }) => moments));
    let at = 0;
    return {
      steps: this.#steps,
      groups: this.groups.map(({ lr, weightDecay }) =>
        typeof lr === "number" ? { lr, weightDecay } : { weightDecay },
      ),
      parameters: this.#slots.map(({ parameter, steps, names }) => ({
        name: parameter.cell.name,
        steps,
        moments: new Map(names.map((name) => [name, copies[at++]])),
      })),
    };
  }

  /**
   * Continues where the optimizer that gave the state stood: the same groups, with parameters of the same shapes in the
   * same order. Schedules stay as they are.
   * @throws StateDictError when it does not fit; nothing has changed then.
   */
  loadStateDict(state: OptimizerState): void {
    overwrite(this.#match(state));
    this.#steps = state.steps;
    this.#slots.forEach((slot, i) => {
      slot.steps = state.parameters[i].steps;
    });
    this.groups.forEach((group, i) => {
      const { lr, weightDecay } = state.groups[i];
      if (lr !== undefined && typeof group.lr === "number") group.lr = lr;
      group.weightDecay = weightDecay;
    });
  }

  /**
   * Whether `loadStateDict` would take a state; changes nothing.
   * @throws StateDictError as it does.
   */
  checkStateDict(state: OptimizerState): void {
    this.#match(state);
  }

  #match(state: OptimizerState): [Buffer, StateEntry][] {
    const what = this.constructor.name;
    if (state.groups.length !== this.groups.length || state.parameters.length !== this.#slots.length) {
      throw new StateDictError(
        `loadStateDict: the state has ${state.parameters.length} parameters in ${state.groups.length} groups, ${what} ` +
          `${this.#slots.length} in ${this.groups.length}`,
      );
    }
    const missing: string[] = [];
    const misshapen: string[] = [];
    const pairs: [Buffer, StateEntry][] = [];
    this.#slots.forEach(({ parameter, moments, names }, i) => {
      moments.forEach((moment, k) => {
        const name = `${parameter.cell.name}.${names[k]}`;
        const entry = state.parameters[i].moments.get(names[k]);
        const problem = entry && misfit(moment.cell, entry);
        if (entry === undefined) missing.push(name);
        else if (problem !== undefined) misshapen.push(`${name} ${problem}`);
        else pairs.push([moment, entry]);
      });
    });
    throwMismatch(what, { missing, misshapen });
    return pairs;
  }
}

/** Without what is undefined, so that defaults hold. */
function given(options: object): object {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

function groupsOf<S extends Settings>(params: Parameters<S>): ParameterGroup<S>[] {
  const groups: ParameterGroup<S>[] = [];
  const alone: Parameter[] = [];
  for (const item of params) {
    if ("params" in item) groups.push(item);
    else alone.push(item);
  }
  if (groups.length > 0 && alone.length > 0) {
    throw new ArgumentError("optimizer: give either parameters or groups of them ({ params }), not both");
  }
  if (groups.length > 0) return groups;
  // No setting is given: all of them are optional.
  return [{ params: alone } as unknown as ParameterGroup<S>];
}

function checkGroups(groups: readonly OptimizerGroup[]): void {
  const all = groups.flatMap(({ params }) => params);
  if (all.length === 0) throw new ArgumentError("optimizer: there are no parameters");
  const seen = new Set<Parameter>();
  for (const parameter of all) {
    if (seen.has(parameter))
      throw new ArgumentError(`optimizer: ${parameter.cell.name} is named twice; put it in one group`);
    seen.add(parameter);
    if (parameter.device !== all[0].device) {
      throw new DeviceError(
        `optimizer: ${parameter.cell.name} is on ${parameter.device.name}, ${all[0].cell.name} on ${all[0].device.name}; ` +
          "make one optimizer a device",
      );
    }
  }
  for (const { lr, weightDecay } of groups) {
    if (typeof lr === "number" && !(lr >= 0))
      throw new ArgumentError(`optimizer: learning rate ${lr} is not at least 0`);
    if (!(weightDecay >= 0))
      throw new ArgumentError(`optimizer: weight decay ${weightDecay} is not at least 0`);
  }
}
