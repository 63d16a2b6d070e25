import { InternalError } from "../../graph/errors.ts";
import { type Condition, evaluateCondition } from "../index/condition.ts";
import {
  coefficientOf,
  type Expression,
  evaluate,
  format,
  opaquesOf,
  variablesOf,
} from "../index/expression.ts";
import type { Axis, Buffer, Kernel, LocalArray, Register, Scalar, Statement } from "./ir.ts";
import { argsOf } from "./scalars.ts";
import { typeProblem } from "./typeProblem.ts";

/**
 * Checks what every kernel must keep: types; buffers, arrays, registers and axes in scope and set once;
 * indices within bounds by their intervals (where no guard or `if` stands over them); indices of arrays
 * constant once unrolled; vector axes of extents divisible by 4 with nothing but unrolled loops inside; local axes
 * inside grid axes alone; barriers where all whom they concern come by; and no two iterations of a grid, local or
 * vector axis writing the same element of memory that they share.
 * @throws InternalError naming the kernel, the statement's part and what is wrong.
 */
export function verify(kernel: Kernel): void {
  const verifier = new Verifier(kernel);
  verifier.checkBuffers();
  verifier.checkBody(kernel.body, {
    axes: [],
    arrays: new Map(),
    registers: new Set(),
    opaques: new Set(),
    conditions: [],
  });
}

/** What the statements of a block can see. */
interface Scope {
  readonly axes: readonly Axis[];
  /** Arrays, with the number of axes around their declaration. */
  readonly arrays: Map<LocalArray, number>;
  readonly registers: Set<Register>;
  readonly opaques: Set<number>;
  /** What holds here: the conditions of each `if` around. */
  readonly conditions: readonly Condition[];
}

/** The most iterations of an axis that are tried one by one when an index is not affine in it. */
const TRIED = 4096;

class Verifier {
  private readonly kernel: Kernel;
  private readonly buffers: ReadonlySet<Buffer>;
  private readonly axisNames = new Set<string>();
  private readonly registerNames = new Set<string>();

  constructor(kernel: Kernel) {
    this.kernel = kernel;
    this.buffers = new Set(kernel.buffers);
  }

  checkBuffers(): void {
    const names = new Set<string>();
    let last = 0;
    for (const { name, access, length } of this.kernel.buffers) {
      if (names.has(name)) this.fail(`two buffers are named ${name}`);
      names.add(name);
      if (!Number.isSafeInteger(length) || length < 0) this.fail(`buffer ${name} has length ${length}`);
      const rank = access === "workgroup" ? 2 : access === "scratch" ? 1 : 0;
      if (rank < last)
        this.fail(
          `${rank === 1 ? "scratch" : "parameter"} ${name} comes after ${["", "scratch", "a workgroup's own"][last]}`,
        );
      last = rank;
    }
  }

  checkBody(body: readonly Statement[], outer: Scope): void {
    const scope: Scope = {
      ...outer,
      arrays: new Map(outer.arrays),
      registers: new Set(outer.registers),
      opaques: new Set(outer.opaques),
    };
    for (const statement of body) this.checkStatement(statement, scope);
  }

  private checkStatement(statement: Statement, scope: Scope): void {
    switch (statement.kind) {
      case "for":
        this.checkAxis(statement.axis, scope);
        this.checkBody(statement.body, { ...scope, axes: [...scope.axes, statement.axis] });
        break;
      case "if":
        this.checkCondition(statement.condition, scope);
        this.checkBody(statement.body, { ...scope, conditions: [...scope.conditions, statement.condition] });
        break;
      case "let":
        this.checkScalar(statement.value, scope);
        this.checkLet(statement.register, statement.value, scope);
        break;
      case "declare":
        if (scope.arrays.has(statement.array)) this.fail(`array ${statement.array.name} is declared twice`);
        scope.arrays.set(statement.array, scope.axes.length);
        break;
      case "set":
        this.checkScalar(statement.value, scope);
        this.checkAssigned(statement.array, statement.value);
        this.checkElement(statement.array, statement.index, scope);
        this.checkSharedArray(statement.array, statement.index, scope);
        break;
      case "store":
        this.checkScalar(statement.value, scope);
        this.checkAssigned(statement.buffer, statement.value);
        this.checkAccess("store to", statement.buffer, statement.index, scope, scope.conditions.length > 0);
        for (const axis of scope.axes) {
          // Workgroups share no such memory.
          if (axis.tag === "grid" && statement.buffer.access === "workgroup") continue;
          this.checkRace(axis, statement.buffer.name, statement.index, scope);
        }
        break;
      case "barrier":
        this.checkBarrier(statement.scope, scope);
    }
  }

  private checkBarrier(kind: "workgroup" | "device", scope: Scope): void {
    if (kind === "device") {
      if (scope.axes.length > 0 || scope.conditions.length > 0)
        this.fail("a barrier of the device stands elsewhere than at the top");
      // What comes after is another stage: it names what it needs itself.
      scope.arrays.clear();
      scope.registers.clear();
      scope.opaques.clear();
      this.registerNames.clear();
      return;
    }
    if (!scope.axes.some(({ tag }) => tag === "local"))
      this.fail("a barrier of a workgroup stands outside of local axes");
    // A condition of grid axes and loops is the same for all invocations; one on values that are read may not be.
    const locals = scope.axes.filter(({ tag }) => tag === "local");
    for (const { left, right } of scope.conditions.flatMap(comparisonsOf)) {
      const names = variablesOf(left, right);
      if (locals.some(({ name }) => names.has(name)) || opaquesOf(left, right).size > 0)
        this.fail("a barrier stands under a condition that not all invocations share");
    }
  }

  private checkAxis({ name, extent, tag }: Axis, scope: Scope): void {
    if (this.axisNames.has(name)) this.fail(`two axes are named ${name}`);
    this.axisNames.add(name);
    if (!Number.isSafeInteger(extent) || extent < 1) this.fail(`axis ${name} has extent ${extent}`);
    if (tag === "vector" && extent % 4 !== 0) {
      this.fail(`vector axis ${name} has extent ${extent}, which is no multiple of 4`);
    }
    const around = scope.axes.find((axis) => axis.tag !== "grid");
    if (tag === "local" && (around !== undefined || scope.conditions.length > 0))
      this.fail(`local axis ${name} lies inside ${around ? `${around.tag} axis ${around.name}` : "an if"}`);
    const vector = scope.axes.find((axis) => axis.tag === "vector");
    if (vector !== undefined && tag !== "unroll") {
      this.fail(
        `${tag} axis ${name} lies inside vector axis ${vector.name}, which may contain unrolled loops only`,
      );
    }
  }

  private checkLet(register: Register, value: Scalar, scope: Scope): void {
    const { name, type, opaqueId } = register;
    if (this.registerNames.has(name)) this.fail(`register ${name} is set twice`);
    this.registerNames.add(name);
    if (type !== value.type) this.fail(`register ${name} is ${type} and its value ${value.type}`);
    scope.registers.add(register);
    if (opaqueId === undefined) return;
    if (type !== "i32" && type !== "u32") this.fail(`register ${name} is ${type}, but indices use it`);
    scope.opaques.add(opaqueId);
  }

  private checkAssigned({ name, type }: Buffer | LocalArray, value: Scalar): void {
    if (type !== value.type) this.fail(`${name} holds ${type} and is given ${value.type}`);
  }

  /** `guarded` says whether a condition over the scalar keeps its indices in range. */
  private checkScalar(scalar: Scalar, scope: Scope): void {
    const seen = new Map<Scalar, boolean>();
    const visit = (of: Scalar, guarded: boolean): void => {
      // Seen without a guard is the stricter check.
      const before = seen.get(of);
      if (before !== undefined && (!before || guarded)) return;
      seen.set(of, guarded);
      for (const arg of argsOf(of)) visit(arg, guarded || of.kind === "guard");
      this.checkOne(of, scope, guarded);
    };
    visit(scalar, scope.conditions.length > 0);
  }

  private checkOne(of: Scalar, scope: Scope, guarded: boolean): void {
    const problem = typeProblem(of);
    if (problem !== undefined) this.fail(problem);
    switch (of.kind) {
      case "register":
        if (!scope.registers.has(of.register)) this.fail(`register ${of.register.name} is not set here`);
        break;
      case "local":
        this.checkElement(of.array, of.index, scope);
        break;
      case "load":
        this.checkAccess("load from", of.buffer, of.index, scope, guarded);
        break;
      case "index":
        this.checkIndex(of.expression, scope);
        break;
      case "guard":
        this.checkCondition(of.condition, scope);
    }
  }

  private checkAccess(what: string, buffer: Buffer, index: Expression, scope: Scope, guarded: boolean): void {
    const { name, access, length } = buffer;
    if (!this.buffers.has(buffer)) this.fail(`${what} ${name}, which is not a buffer of this kernel`);
    if (access === (what === "store to" ? "read" : "write"))
      this.fail(`${what} ${name}, which is ${access} only`);
    this.checkIndex(index, scope);
    if (!guarded && (index.min < 0 || index.max >= length)) {
      this.fail(
        `${what} ${name}[${format(index)}]: ${index.min}..${index.max} leaves its ${length} elements`,
      );
    }
  }

  private checkElement(array: LocalArray, index: Expression, scope: Scope): void {
    const text = `${array.name}[${format(index)}]`;
    if (!scope.arrays.has(array)) this.fail(`array ${array.name} is not declared here`);
    this.checkIndex(index, scope);
    const written = scope.axes
      .filter(({ tag }) => tag === "unroll" || tag === "vector")
      .map(({ name }) => name);
    for (const name of variablesOf(index).keys()) {
      if (!written.includes(name))
        this.fail(`${text}: ${name} is not unrolled, so that the index is no constant`);
    }
    if (opaquesOf(index).size > 0) this.fail(`${text}: the index is read at run time`);
    if (index.min < 0 || index.max >= array.length) {
      this.fail(`${text}: ${index.min}..${index.max} leaves its ${array.length} elements`);
    }
  }

  private checkIndex(expression: Expression, scope: Scope): void {
    for (const { name, min, max } of variablesOf(expression).values()) {
      const axis = scope.axes.find((one) => one.name === name);
      if (axis === undefined) this.fail(`${format(expression)}: ${name} is no axis here`);
      else if (min > 0 || max < axis.extent - 1) {
        const range = `${min}..${max}, and runs over 0..${axis.extent - 1}`;
        this.fail(`${format(expression)}: ${name} is said to be in ${range}`);
      }
    }
    for (const id of opaquesOf(expression).keys()) {
      if (!scope.opaques.has(id)) this.fail(`${format(expression)}: no register here is @${id}`);
    }
  }

  private checkCondition(condition: Condition, scope: Scope): void {
    for (const { left, right } of comparisonsOf(condition)) {
      this.checkIndex(left, scope);
      this.checkIndex(right, scope);
    }
  }

  /** An array that is declared outside of an independent axis is shared by its iterations. */
  private checkSharedArray(array: LocalArray, index: Expression, scope: Scope): void {
    const axesInside = scope.axes.slice(scope.arrays.get(array));
    for (const axis of axesInside) this.checkRace(axis, array.name, index, scope);
  }

  /** Iterations of a grid, local or vector axis must write different elements. */
  private checkRace(axis: Axis, target: string, index: Expression, scope: Scope): void {
    if (axis.tag === "loop" || axis.tag === "unroll" || axis.extent === 1) return;
    const pinned = scope.conditions
      .flatMap(comparisonsOf)
      .some(({ kind, left, right }) => kind === "equal" && (dependsOn(left, axis) || dependsOn(right, axis)));
    if (pinned || isInjective(index, axis, scope.conditions)) return;
    this.fail(`iterations of ${axis.tag} axis ${axis.name} write the same ${target}[${format(index)}]`);
  }

  private fail(problem: string): never {
    throw new InternalError(`kernel ${this.kernel.name}: ${problem}`);
  }
}

function comparisonsOf(condition: Condition): readonly Extract<Condition, { left: Expression }>[] {
  if (condition.kind === "always" || condition.kind === "never") return [];
  return condition.kind === "and" ? condition.conditions : [condition];
}

/** Whether the expression is affine in the axis and changes with it. */
function dependsOn(expression: Expression, { name }: Axis): boolean {
  return (coefficientOf(expression, name) ?? 0) !== 0;
}

/**
 * Whether an index differs between iterations of one axis, all else being equal: it is affine in it, or the first
 * iterations for which the conditions hold give different values where everything else is at its least.
 */
function isInjective(index: Expression, { name, extent }: Axis, conditions: readonly Condition[]): boolean {
  const coefficient = coefficientOf(index, name);
  if (coefficient !== undefined) return coefficient !== 0;
  const sides = conditions.flatMap(comparisonsOf).flatMap(({ left, right }) => [left, right]);
  const others = [...variablesOf(index, ...sides).values(), ...opaquesOf(index, ...sides).values()];
  const at = new Map<string | number, number>();
  for (const other of others) at.set(other.kind === "variable" ? other.name : other.id, other.min);
  const values = new Set<number>();
  let tried = 0;
  for (let turn = 0; turn < Math.min(extent, TRIED); turn++) {
    at.set(name, turn);
    if (!conditions.every((condition) => evaluateCondition(condition, at))) continue;
    values.add(evaluate(index, at));
    tried += 1;
  }
  return values.size === tried;
}
