import fc from "fast-check";
import { expect, test } from "vitest";
import { and, type Condition, equalTo, inRange, lessThan } from "../../../src/codegen/index/condition.ts";
import {
  add,
  constant,
  type Expression,
  floorDivide,
  maximum,
  minimum,
  modulo,
  multiply,
  opaque,
  subtract,
  variable,
} from "../../../src/codegen/index/expression.ts";
import { binaryType, unaryType } from "../../../src/codegen/kernel/arithmetic.ts";
import type {
  Axis,
  BinaryScalarOp,
  Buffer,
  Kernel,
  LocalArray,
  Register,
  Scalar,
  ScalarType,
  Statement,
  UnaryScalarOp,
} from "../../../src/codegen/kernel/ir.ts";
import * as s from "../../../src/codegen/kernel/scalars.ts";
import { sourceText } from "../../../src/codegen/wasm/printer.ts";
import { buffer, runPlain, runWasm } from "./harness.ts";

const unaryOps: readonly UnaryScalarOp[] = [
  "neg",
  "abs",
  "sign",
  "sqrt",
  "rsqrt",
  "reciprocal",
  "floor",
  "ceil",
  "round",
  "trunc",
  "logicalNot",
  "bitwiseNot",
];
const binaryOps: readonly BinaryScalarOp[] = [
  "add",
  "sub",
  "mul",
  "div",
  "maximum",
  "minimum",
  "remainder",
  "floorDivide",
  "logicalAnd",
  "logicalOr",
  "bitwiseAnd",
  "bitwiseOr",
  "bitwiseXor",
  "shiftLeft",
  "shiftRight",
];
/** Quotients of floats become other operations before anything is printed. */
const isPrintable = (op: BinaryScalarOp, type: ScalarType): boolean =>
  type !== "f32" || (op !== "remainder" && op !== "floorDivide");
const comparisons: readonly BinaryScalarOp[] = ["eq", "ne", "lt", "le", "gt", "ge"];
const types: readonly ScalarType[] = ["f32", "i32", "u32", "bool"];
const inputLength = 50;

/** Draws kernels: a nest of loops, with lets, local arrays, guards, ifs and stores in it. */
class KernelMaker {
  readonly inputs = types.map((type) => buffer(`in_${type}`, type, inputLength));
  readonly outputs: Buffer[] = [];
  readonly pick: (count: number) => number;
  readonly axes: Axis[] = [];
  registers: Register[] = [];
  opaques: Expression[] = [];
  arrays: LocalArray[] = [];
  #names = 0;

  constructor(pick: (count: number) => number) {
    this.pick = pick;
  }

  one<T>(of: readonly T[]): T {
    return of[this.pick(of.length)] as T;
  }

  name(prefix: string): string {
    return `${prefix}${this.#names++}`;
  }

  /** Any expression over the axes and run-time indices. */
  index(depth = 2): Expression {
    const leaves = [
      ...this.axes.map(({ name, extent }) => variable(name, extent)),
      ...this.opaques,
      constant(this.pick(5)),
    ];
    const affine = () => add(...leaves.map((leaf) => multiply(leaf, this.pick(7) - 2)), this.pick(3));
    if (depth === 0) return this.pick(2) === 0 ? affine() : this.one(leaves);
    const inner = this.index(depth - 1);
    switch (this.pick(9)) {
      case 0:
        return floorDivide(inner, this.pick(6) + 1);
      case 1:
        return modulo(inner, this.pick(8) + 1);
      case 2:
        return minimum(inner, this.index(depth - 1));
      case 3:
        return maximum(inner, this.index(depth - 1));
      case 4:
        return multiply(modulo(inner, 6), modulo(this.index(depth - 1), 5));
      default:
        return affine();
    }
  }

  /** An index below a length. */
  indexBelow(length: number): Expression {
    const index = this.index();
    const shifted = subtract(index, index.min);
    return shifted.max < length ? shifted : modulo(shifted, length);
  }

  condition(): Condition {
    const index = this.index();
    const middle = Math.floor((index.min + index.max) / 2);
    switch (this.pick(4)) {
      case 0:
        return equalTo(modulo(index, 3), this.pick(3));
      case 1:
        return lessThan(index, this.index());
      case 2:
        return and(lessThan(index, middle + 2), lessThan(this.index(1), this.index(1)));
      default:
        return lessThan(middle, index);
    }
  }

  value(type: ScalarType, depth: number): Scalar {
    const input = this.inputs[types.indexOf(type)] as Buffer;
    const register = this.one([undefined, ...this.registers]);
    if (depth > 0) {
      switch (this.pick(9)) {
        case 0: {
          const op = this.one(unaryOps.filter((each) => unaryType(each, type) !== undefined));
          return s.unary(op, this.value(type, depth - 1));
        }
        case 1:
        case 2: {
          const op = this.one(
            binaryOps.filter((each) => binaryType(each, type) === type && isPrintable(each, type)),
          );
          const x = this.value(type, depth - 1);
          return s.binary(op, x, this.pick(3) === 0 ? x : this.value(type, depth - 1));
        }
        case 3:
          if (type === "bool") return this.comparison(depth);
          return s.multiplyAdd(
            this.value(type, depth - 1),
            this.value(type, depth - 1),
            this.value(type, depth - 1),
          );
        case 4: {
          const condition = this.value("bool", depth - 1);
          return s.select(condition, this.value(type, depth - 1), this.value(type, depth - 1));
        }
        case 5:
          return s.cast(this.value(this.one(types), depth - 1), type);
        case 6:
          return s.guard(this.condition(), this.value(type, depth - 1), 1);
        case 7: {
          const index = subtract(this.index(), 3);
          const at = type === "bool" ? index : add(index, 1);
          return s.guard(inRange(at, 0, inputLength), s.load(input, at), 0);
        }
      }
    }
    if (register?.type === type) return s.register(register);
    switch (this.pick(4)) {
      case 0:
        return s.constant(type, this.pick(9) - 4);
      case 1:
        return type === "bool" ? s.constant(type, 1) : s.indexValue(this.index(), type);
      case 2: {
        const array = this.arrays.find((each) => each.type === type);
        if (array !== undefined) return s.local(array, this.elementOf(array));
      }
    }
    return s.load(input, this.indexBelow(inputLength));
  }

  comparison(depth: number): Scalar {
    const type = this.one(types);
    const op = this.one(comparisons.filter((each) => binaryType(each, type) !== undefined));
    return s.binary(op, this.value(type, depth - 1), this.value(type, depth - 1));
  }

  /** An index of an element of a local array: by the axes that are written out. */
  elementOf(array: LocalArray): Expression {
    const axis = this.axes.findLast(({ tag }) => tag === "vector" || tag === "unroll");
    const first = this.pick(3);
    if (axis === undefined || this.pick(3) === 0) return constant(first);
    return modulo(add(variable(axis.name, axis.extent), this.pick(2) * first), array.length);
  }

  statements(depth: number, loops: number): Statement[] {
    const [registers, opaques, arrays] = [this.registers, this.opaques, this.arrays];
    const made: Statement[] = [];
    for (let count = this.pick(3) + 1; count > 0; count--) made.push(...this.statement(depth, loops));
    [this.registers, this.opaques, this.arrays] = [registers, opaques, arrays];
    return made;
  }

  statement(depth: number, loops: number): Statement[] {
    const inVector = this.axes.some(({ tag }) => tag === "vector");
    switch (this.pick(loops > 0 ? 7 : 5)) {
      case 0: {
        const type = this.one(types);
        const value = this.value(type, depth);
        const register: Register = { name: this.name("r"), type };
        this.registers = [...this.registers, register];
        return [{ kind: "let", register, value }];
      }
      case 1: {
        const id = 100 + this.#names;
        const register: Register = { name: this.name("at"), type: "i32", opaqueId: id };
        const value = s.binary("remainder", this.value("i32", 1), s.constant("i32", 6));
        this.opaques = [...this.opaques, opaque(id, 0, 5)];
        return [{ kind: "let", register, value }];
      }
      case 2: {
        const condition = this.condition();
        return [{ kind: "if", condition, body: this.statements(depth, inVector ? 0 : loops - 1) }];
      }
      case 3: {
        if (inVector) return this.store(depth);
        const array: LocalArray = { name: this.name("acc"), type: this.one(types), length: 8, initial: 1 };
        this.arrays = [array, ...this.arrays];
        const axis: Axis = { name: this.name("w"), extent: 8, tag: this.one(["vector", "unroll"]) };
        this.axes.push(axis);
        const index = variable(axis.name, 8);
        const body: Statement[] = [
          { kind: "set", array, index, value: this.ownElement(array, index, depth) },
        ];
        this.axes.pop();
        return [
          { kind: "declare", array },
          { kind: "for", axis, body },
        ];
      }
      case 5:
      case 6: {
        const tag = inVector ? "unroll" : this.one(["grid", "loop", "unroll", "vector"] as const);
        const extent = tag === "vector" ? this.one([4, 8, 72]) : this.pick(4);
        const axis: Axis = { name: this.name("i"), extent, tag };
        this.axes.push(axis);
        const body = this.statements(depth, loops - 1);
        this.axes.pop();
        return [{ kind: "for", axis, body }];
      }
      default:
        return this.store(depth);
    }
  }

  /** A value that uses the array, if at all, at this iteration's own element. */
  ownElement(array: LocalArray, index: Expression, depth: number): Scalar {
    const others = this.arrays;
    this.arrays = this.arrays.filter((each) => each !== array);
    const value = this.value(array.type, depth);
    this.arrays = others;
    return s.select(this.value("bool", 0), s.local(array, index), value);
  }

  /** A store to a buffer of its own, where each iteration has an element of its own. */
  store(depth: number): Statement[] {
    const type = this.one(types);
    let stride = 1;
    const terms: Expression[] = [];
    const order = this.pick(2) === 0 ? this.axes : [...this.axes].reverse();
    for (const { name, extent } of [...order].reverse()) {
      const at = variable(name, extent);
      terms.push(multiply(this.pick(4) === 0 ? subtract(at.max, at) : at, stride));
      stride *= Math.max(extent, 1);
    }
    const out = buffer(this.name("out"), type, stride + 2, this.pick(2) === 0 ? "write" : "readwrite");
    this.outputs.push(out);
    const index = add(this.pick(2), ...terms);
    const value = this.value(type, depth);
    if (out.access === "write") return [{ kind: "store", buffer: out, index, value }];
    const again = s.select(this.value("bool", 1), s.load(out, index), value);
    return [
      { kind: "store", buffer: out, index, value: again },
      {
        kind: "store",
        buffer: out,
        index,
        value: s.select(this.value("bool", 0), s.load(out, index), value),
      },
    ];
  }

  kernel(): Kernel {
    const body = [...this.statements(3, 3), ...this.store(3)];
    return { name: "random", buffers: [...this.inputs, ...this.outputs], body };
  }
}

const interesting: Readonly<Record<ScalarType, readonly number[]>> = {
  f32: [0, -0, 1, -1.5, 2.5, 1e30, -1e-30, NaN, Infinity, -Infinity, 7, 100.25].map(Math.fround),
  i32: [0, 1, -1, 5, -7, 2147483647, -2147483648, 12, 33],
  u32: [0, 1, 5, 4294967295, 2147483648, 12, 33],
  bool: [0, 1, 1],
};

test("random kernels leave what their IR, walked, leaves", () => {
  fc.assert(
    fc.property(fc.gen(), (draw) => {
      const maker = new KernelMaker((count) => draw(fc.nat, { max: count - 1 }));
      const kernel = maker.kernel();
      const contents = new Map(
        kernel.buffers.map((one, at) => {
          const from = interesting[one.type];
          return [
            one,
            Array.from({ length: one.length }, (_, i) => from[(i * 7 + at + (i >> 3)) % from.length] ?? 0),
          ];
        }),
      );
      const expected = runPlain(kernel, contents);
      const actual = runWasm([kernel], contents, { relaxedSimd: false });
      for (const one of kernel.buffers) {
        expect([one.name, actual.get(one)]).toEqual([one.name, expected.get(one)]);
      }
      expect(sourceText(kernel, { relaxedSimd: false })).toMatch(/^\(func \$random\n/);
    }),
    { numRuns: 150, seed: 7, endOnFailure: true },
  );
});
