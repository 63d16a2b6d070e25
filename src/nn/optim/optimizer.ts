import { packCells } from "../../engine/arena.ts";
import { currentEngine } from "../../engine/current.ts";
import type { ScalarSpec } from "../../engine/engine.ts";
import { ArgumentError, DeviceError, StateDictError } from "../../graph/errors.ts";
import { zeros } from "../../tensor/create.ts";
import { noGrad } from "../../tensor/grad.ts";
import { Buffer, type Parameter } from "../../tensor/parameter.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { misfit, overwrite, type StateEntry, snapshot, throwMismatch } from "../state.ts";

/** A rate, or a function that gives it for each step from the number of steps taken before: 0 at the first. */
export type LearningRate = number | ((step: number) => number);

/** Settings that a group of parameters may have for itself. Both may be changed between steps, compiled or not. */
export interface GroupOptions {
  readonly lr?: LearningRate;
  readonly weightDecay?: number;
}

/** Parameters with settings of their own. */
export interface ParameterGroup extends GroupOptions {
  readonly params: readonly Parameter[];
}

/** A group as the optimizer keeps it. */
export interface OptimizerGroup {
  readonly params: readonly Parameter[];
  lr: LearningRate;
  weightDecay: number;
}

/** The settings with which a group's numbers for a step are made. */
export interface StepSettings {
  readonly lr: number;
  readonly weightDecay: number;
  /** Steps that the parameters have taken, this one included. */
  readonly steps: number;
}

/** A parameter with what the optimizer remembers of it. */
interface Slot {
  readonly group: OptimizerGroup;
  readonly parameter: Parameter;
  readonly moments: readonly Buffer[];
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
function classesOf(slots: readonly Slot[], ahead: ReadonlyMap<Slot, number>): Slot[][] {
  const stepsOf = (slot: Slot): number => slot.steps + (ahead.get(slot) ?? 0);
  const classes: Slot[][] = [];
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
export abstract class Optimizer {
  readonly groups: readonly OptimizerGroup[];
  readonly #slots: readonly Slot[];
  readonly #momentNames: readonly string[];
  #steps = 0;
  /** Steps taken in each trace so far. */
  readonly #traced = new WeakMap<object, Map<Slot, number>>();

  /** @throws ArgumentError for no parameters, one named twice, or a bad setting; DeviceError for several devices. */
  protected constructor(
    params: readonly Parameter[] | readonly ParameterGroup[],
    defaults: Required<GroupOptions>,
    momentNames: readonly string[],
  ) {
    this.groups = groupsOf(params).map(({ params, lr, weightDecay }) => ({
      params,
      lr: lr ?? defaults.lr,
      weightDecay: weightDecay ?? defaults.weightDecay,
    }));
    checkGroups(this.groups);
    this.#momentNames = momentNames;
    this.#slots = this.groups.flatMap((group) =>
      group.params.map((parameter) => {
        const { shape, dtype, device, cell } = parameter;
        const moments = momentNames.map(
          (name) => new Buffer(zeros(shape, { dtype, device }), { name: `${cell.name}.${name}` }),
        );
        return { group, parameter, moments, steps: 0 };
      }),
    );
    const { blocks } = currentEngine();
    packCells(
      this.#slots.map(({ parameter }) => parameter.cell),
      blocks,
    );
    packCells(
      this.#slots.map(({ parameter }) => parameter.cell.gradientCell),
      blocks,
    );
    momentNames.forEach((_, i) => {
      packCells(
        this.#slots.map(({ moments }) => moments[i].cell),
        blocks,
      );
    });
  }

  /** Names of the numbers that `numbersOf` gives, for kernel listings. */
  protected abstract readonly numberNames: readonly string[];

  /** The numbers of a step, on the host. */
  protected abstract numbersOf(settings: StepSettings): readonly number[];

  /** The next value and the next moments; `numbers` are scalars. The same expression for every parameter. */
  protected abstract update(
    value: Tensor,
    gradient: Tensor,
    moments: readonly Tensor[],
    numbers: readonly Tensor[],
  ): readonly Tensor[];

  /** Steps taken; what a schedule is asked with. */
  get steps(): number {
    return this.#steps;
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
            const gradient = new Tensor(gradients[i], parameter.device);
            const next = this.update(parameter, gradient, moments, numbersOfSlot.get(slot) ?? []);
            return [parameter, ...moments].map(({ cell }, k) => ({ cell, value: next[k].usable() }));
          }),
        ),
    );
  }

  #aheadIn(trace: object | undefined): Map<Slot, number> {
    const ahead = (trace && this.#traced.get(trace)) ?? new Map<Slot, number>();
    if (trace) this.#traced.set(trace, ahead);
    return ahead;
  }

  /** Counts a step and gives its numbers. */
  #advance(classes: readonly (readonly Slot[])[]): number[] {
    const step = this.#steps;
    this.#steps += 1;
    return classes.flatMap((slots) => {
      for (const slot of slots) slot.steps += 1;
      const [{ group, steps }] = slots;
      const lr = typeof group.lr === "number" ? group.lr : group.lr(step);
      if (!Number.isFinite(lr))
        throw new ArgumentError(`optimizer: the learning rate of step ${step} is ${lr}`);
      return this.numbersOf({ lr, weightDecay: group.weightDecay, steps });
    });
  }

  /** Step counts, settings, and a copy of every moment. @throws TraceError inside a compiled function. */
  stateDict(): OptimizerState {
    const copies = snapshot(this.#slots.flatMap(({ moments }) => moments));
    const names = this.#momentNames;
    return {
      steps: this.#steps,
      groups: this.groups.map(({ lr, weightDecay }) =>
        typeof lr === "number" ? { lr, weightDecay } : { weightDecay },
      ),
      parameters: this.#slots.map(({ parameter, steps }, i) => ({
        name: parameter.cell.name,
        steps,
        moments: new Map(names.map((name, k) => [name, copies[i * names.length + k]])),
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
    this.#slots.forEach(({ parameter, moments }, i) => {
      moments.forEach((moment, k) => {
        const name = `${parameter.cell.name}.${this.#momentNames[k]}`;
        const entry = state.parameters[i].moments.get(this.#momentNames[k]);
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

function groupsOf(params: readonly Parameter[] | readonly ParameterGroup[]): ParameterGroup[] {
  const groups: ParameterGroup[] = [];
  const alone: Parameter[] = [];
  for (const item of params) {
    if ("params" in item) groups.push(item);
    else alone.push(item);
  }
  if (groups.length > 0 && alone.length > 0) {
    throw new ArgumentError("optimizer: give either parameters or groups of them ({ params }), not both");
  }
  return groups.length > 0 ? groups : [{ params: alone }];
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
