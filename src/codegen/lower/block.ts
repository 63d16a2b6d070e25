import type { Condition } from "../index/condition.ts";
import { constant, type Expression, opaque, opaquesOf, variable, variablesOf } from "../index/expression.ts";
import type {
  Axis,
  AxisTag,
  Buffer,
  LocalArray,
  Register,
  Scalar,
  ScalarType,
  Statement,
} from "../kernel/ir.ts";
import { argsOf } from "../kernel/scalars.ts";

/** Names and numbers that are unique in one kernel. */
export class Names {
  #registers = 0;
  #axes = 0;
  #arrays = 0;
  #buffers = 0;

  buffer(): string {
    return `b${this.#buffers++}`;
  }

  register(type: ScalarType, asIndex = false): Register {
    const id = this.#registers++;
    return asIndex ? { name: `r${id}`, type, opaqueId: id } : { name: `r${id}`, type };
  }

  axis(prefix: string, extent: number, tag: AxisTag): Axis {
    return { name: `${prefix}${this.#axes++}`, extent, tag };
  }

  array(type: ScalarType, length: number, initial: number): LocalArray {
    return { name: `a${this.#arrays++}`, type, length, initial };
  }
}

/** A list of statements being written, inside the loops of its parents. */
export class Block {
  readonly names: Names;
  readonly statements: Statement[] = [];
  readonly #parent: Block | undefined;
  readonly #axis: Axis | undefined;
  readonly #registers = new Set<Register>();
  readonly #arrays = new Set<LocalArray>();

  constructor(names: Names, parent?: Block, axis?: Axis) {
    this.names = names;
    this.#parent = parent;
    this.#axis = axis;
  }

  /** A loop around what `body` writes; a loop of no or one turn is left out. */
  loop(prefix: string, extent: number, tag: AxisTag, body: (inner: Block, index: Expression) => void): void {
    if (extent === 0) return;
    if (extent === 1) {
      body(this, constant(0));
      return;
    }
    const axis = this.names.axis(prefix, extent, tag);
    const inner = new Block(this.names, this, axis);
    body(inner, variable(axis.name, extent));
    if (inner.statements.length > 0) this.statements.push({ kind: "for", axis, body: inner.statements });
  }

  /** Nested loops, one a size, outermost first. */
  loops(
    prefix: string,
    extents: readonly number[],
    tag: AxisTag,
    body: (inner: Block, indices: Expression[]) => void,
    indices: Expression[] = [],
  ): void {
    const [extent, ...rest] = extents;
    if (extent === undefined) {
      body(this, indices);
      return;
    }
    this.loop(prefix, extent, tag, (inner, index) =>
      inner.loops(prefix, rest, tag, body, [...indices, index]),
    );
  }

  when(condition: Condition, body: (inner: Block) => void): void {
    if (condition.kind === "always") {
      body(this);
      return;
    }
    const inner = new Block(this.names, this);
    body(inner);
    this.statements.push({ kind: "if", condition, body: inner.statements });
  }

  /** Names a value here. */
  let(value: Scalar): Scalar {
    if (value.kind === "constant" || value.kind === "register") return value;
    const register = this.names.register(value.type);
    this.#registers.add(register);
    this.statements.push({ kind: "let", register, value });
    return { kind: "register", type: value.type, register };
  }

  /**
   * An index that is a value: named in the outermost block where everything it needs is in scope.
   * `min` and `max` bound what the register may hold.
   */
  letIndex(
    value: Scalar,
    min: number,
    max: number,
  ): { readonly index: Expression; readonly needsVector: boolean } {
    const needs = needsOf(value);
    let home: Block = this;
    while (home.#parent !== undefined && !home.#provides(needs)) home = home.#parent;
    const register = this.names.register("i32", true);
    home.#registers.add(register);
    home.statements.push({ kind: "let", register, value });
    return { index: opaque(register.opaqueId ?? -1, min, max), needsVector: home.#inVector() };
  }

  declare(type: ScalarType, length: number, initial: number): LocalArray {
    const array = this.names.array(type, length, initial);
    this.#arrays.add(array);
    this.statements.push({ kind: "declare", array });
    return array;
  }

  set(array: LocalArray, index: Expression, value: Scalar): void {
    this.statements.push({ kind: "set", array, index, value });
  }

  store(buffer: Buffer, index: Expression, value: Scalar): void {
    this.statements.push({ kind: "store", buffer, index, value });
  }

  /** All invocations of the workgroup meet here, or (at the top) the whole device does. */
  barrier(scope: "workgroup" | "device" = "workgroup"): void {
    this.statements.push({ kind: "barrier", scope });
  }

  #inVector(): boolean {
    for (let block: Block | undefined = this; block !== undefined; block = block.#parent) {
      if (block.#axis?.tag === "vector") return true;
    }
    return false;
  }

  /** Whether this very block brings something into scope that is needed. */
  #provides(needs: Needs): boolean {
    if (this.#axis && needs.axes.has(this.#axis.name)) return true;
    for (const register of this.#registers) {
      if (needs.registers.has(register)) return true;
      if (register.opaqueId !== undefined && needs.opaques.has(register.opaqueId)) return true;
    }
    return [...this.#arrays].some((array) => needs.arrays.has(array));
  }
}

interface Needs {
  readonly axes: Set<string>;
  readonly opaques: Set<number>;
  readonly registers: Set<Register>;
  readonly arrays: Set<LocalArray>;
}

function needsOf(value: Scalar): Needs {
  const needs: Needs = { axes: new Set(), opaques: new Set(), registers: new Set(), arrays: new Set() };
  const seen = new Set<Scalar>();
  const index = (expression: Expression): void => {
    for (const name of variablesOf(expression).keys()) needs.axes.add(name);
    for (const id of opaquesOf(expression).keys()) needs.opaques.add(id);
  };
  const visit = (scalar: Scalar): void => {
    if (seen.has(scalar)) return;
    seen.add(scalar);
    if (scalar.kind === "load") index(scalar.index);
    if (scalar.kind === "index") index(scalar.expression);
    if (scalar.kind === "register") needs.registers.add(scalar.register);
    if (scalar.kind === "local") {
      needs.arrays.add(scalar.array);
      index(scalar.index);
    }
    if (scalar.kind === "guard" && scalar.condition.kind !== "always" && scalar.condition.kind !== "never") {
      const parts = scalar.condition.kind === "and" ? scalar.condition.conditions : [scalar.condition];
      for (const { left, right } of parts) {
        index(left);
        index(right);
      }
    }
    argsOf(scalar).forEach(visit);
  };
  visit(value);
  return needs;
}
