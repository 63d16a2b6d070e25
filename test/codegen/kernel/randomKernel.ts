import { inRange, lessThan } from "../../../src/codegen/index/condition.ts";
import {
  add,
  type Expression,
  constant as index,
  modulo,
  multiply,
  opaque,
  subtract,
  variable,
} from "../../../src/codegen/index/expression.ts";
import { allocateElements, type Elements } from "../../../src/codegen/kernel/interpret.ts";
import type {
  Axis,
  Buffer,
  Kernel,
  LocalArray,
  Register,
  Scalar,
  Statement,
} from "../../../src/codegen/kernel/ir.ts";
import * as s from "../../../src/codegen/kernel/scalars.ts";

const LENGTH = 12;

/** What the generator may use at a place. */
interface Scope {
  readonly axes: readonly Axis[];
  readonly arrays: readonly LocalArray[];
  readonly registers: readonly Register[];
  readonly opaques: readonly Expression[];
  /** Scalars made before, to share; `confined` ones hold loads that only this guard keeps in range. */
  readonly pool: readonly Scalar[];
}

/**
 * A kernel of loops, ifs, lets, arrays, guards and shared scalars, made from a seed; every access is in
 * range.
 */
export function randomKernel(seed: number): Kernel {
  const buffer = (name: string, type: Buffer["type"], access: Buffer["access"]): Buffer => {
    return { name, type, length: LENGTH, access };
  };
  const x = buffer("x", "f32", "read");
  const at = buffer("at", "i32", "read");
  const y = buffer("y", "f32", "readwrite");
  return { name: `random${seed}`, buffers: [x, at, y], body: new Generator(seed, x, at, y).kernelBody() };
}

/** Memory for a random kernel: numbers, infinities and zeros of both signs. */
export function randomMemory(kernel: Kernel): Map<Buffer, Elements> {
  const values = [0.5, -0, 3, -1.25, Infinity, 0, 7, -2, 1e-40, 100, -0.1, 1];
  return new Map(
    kernel.buffers.map((buffer) => {
      const elements = allocateElements(buffer);
      for (let k = 0; k < elements.length; k++)
        elements[k] = buffer.type === "i32" ? (k * 5) % LENGTH : values[k];
      return [buffer, elements];
    }),
  );
}

class Generator {
  private state: number;
  private names = 0;
  private readonly x: Buffer;
  private readonly at: Buffer;
  private readonly y: Buffer;

  constructor(seed: number, x: Buffer, at: Buffer, y: Buffer) {
    this.state = seed;
    this.x = x;
    this.at = at;
    this.y = y;
  }

  kernelBody(): Statement[] {
    return this.body({ axes: [], arrays: [], registers: [], opaques: [], pool: [] }, 3);
  }

  /** mulberry32 */
  private below(limit: number): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % limit;
  }

  private pick<T>(of: readonly T[]): T {
    return of[this.below(of.length)];
  }

  private name(prefix: string): string {
    return `${prefix}${this.names++}`;
  }

  private body(outer: Scope, depth: number): Statement[] {
    let scope = outer;
    const statements: Statement[] = [];
    const count = 1 + this.below(4);
    for (let k = 0; k < count; k++) {
      const kind = this.below(depth > 0 ? 9 : 6);
      if (kind === 0) {
        const array: LocalArray = { name: this.name("a"), type: "f32", length: 2, initial: this.below(3) };
        scope = { ...scope, arrays: [...scope.arrays, array] };
        statements.push({ kind: "declare", array });
      } else if (kind === 1) {
        const register: Register = { name: this.name("t"), type: "f32" };
        const value = this.scalar(scope, 3);
        scope = { ...scope, registers: [...scope.registers, register], pool: [...scope.pool, value] };
        statements.push({ kind: "let", register, value });
      } else if (kind === 2) {
        const register: Register = { name: this.name("t"), type: "i32", opaqueId: this.names };
        const value = s.load(this.at, this.index(scope));
        scope = { ...scope, opaques: [...scope.opaques, opaque(this.names, 0, LENGTH - 1)] };
        statements.push({ kind: "let", register, value });
      } else if (kind === 3 && scope.arrays.length > 0) {
        const value = this.scalar(scope, 3);
        statements.push({ kind: "set", array: this.pick(scope.arrays), index: index(this.below(2)), value });
      } else if (kind <= 5) {
        const value = this.scalar(scope, 4);
        scope = { ...scope, pool: [...scope.pool, value] };
        statements.push({ kind: "store", buffer: this.y, index: this.index(scope), value });
      } else if (kind === 6) {
        const condition = lessThan(this.index(scope), this.index(scope));
        statements.push({ kind: "if", condition, body: this.body(scope, depth - 1) });
      } else {
        const axis: Axis = {
          name: this.name("i"),
          extent: 2 + this.below(2),
          tag: this.pick(["loop", "unroll"]),
        };
        statements.push({
          kind: "for",
          axis,
          body: this.body({ ...scope, axes: [...scope.axes, axis] }, depth - 1),
        });
      }
    }
    return statements;
  }

  /** An index that is always in range. */
  private index(scope: Scope): Expression {
    const atoms = [
      ...scope.axes.map(({ name, extent }) => variable(name, extent)),
      ...(this.below(3) === 0 ? scope.opaques : []),
      index(this.below(LENGTH)),
    ];
    const sum = add(multiply(this.pick(atoms), 1 + this.below(3)), this.pick(atoms));
    return modulo(sum, LENGTH);
  }

  private scalar(scope: Scope, depth: number): Scalar {
    const leaf = this.below(9);
    if (depth === 0 || leaf === 0) return this.leaf(scope);
    if (leaf <= 2 && scope.pool.length > 0) return this.pick(scope.pool);
    if (leaf === 3) return this.guarded(scope, depth - 1);
    if (leaf === 4) return s.unary(this.pick(["neg", "abs", "sqrt", "floor"]), this.scalar(scope, depth - 1));
    const x = this.scalar(scope, depth - 1);
    const y = this.below(4) === 0 ? x : this.scalar(scope, depth - 1);
    if (leaf === 5) return s.select(s.binary("lt", x, y), y, this.leaf(scope));
    if (leaf === 6) return s.multiplyAdd(x, y, this.leaf(scope));
    return s.binary(this.pick(["add", "sub", "mul", "maximum"]), x, y);
  }

  private leaf(scope: Scope): Scalar {
    const kind = this.below(6);
    if (kind === 0) return s.constant("f32", this.below(5) - 2);
    if (kind === 1 && scope.registers.length > 0) return s.register(this.pick(scope.registers));
    if (kind === 2 && scope.arrays.length > 0) return s.local(this.pick(scope.arrays), index(this.below(2)));
    if (kind === 3) return s.indexValue(this.index(scope), "f32");
    return s.load(this.pick([this.x, this.y]), this.index(scope));
  }

  /**
   * A guard over something with loads that are out of range where it does not hold, sometimes within another.
   */
  private guarded(scope: Scope, depth: number): Scalar {
    const at = subtract(multiply(this.index(scope), 2), this.below(LENGTH));
    const load = s.load(this.pick([this.x, this.y]), at);
    const inner = s.binary("add", this.scalar(scope, Math.min(depth, 1)), load);
    const shared = this.below(2) === 0 ? s.binary("mul", inner, s.unary("neg", inner)) : inner;
    const start = this.below(4);
    const narrow = inRange(at, start, LENGTH);
    if (this.below(3) > 0) return s.guard(narrow, shared, this.below(3));
    const wide = s.guard(lessThan(at, LENGTH), s.binary("mul", shared, this.leaf(scope)), 1);
    return s.guard(lessThan(start - 1, at), s.binary("sub", wide, this.leaf(scope)), 2);
  }
}
