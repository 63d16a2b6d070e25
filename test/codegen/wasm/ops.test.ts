import { describe, expect, test } from "vitest";
import { constant, variable } from "../../../src/codegen/index/expression.ts";
import { binaryType, unaryType } from "../../../src/codegen/kernel/arithmetic.ts";
import type {
  BinaryScalarOp,
  Buffer,
  Kernel,
  Scalar,
  ScalarType,
  UnaryScalarOp,
} from "../../../src/codegen/kernel/ir.ts";
import * as s from "../../../src/codegen/kernel/scalars.ts";
import { printWasm } from "../../../src/codegen/wasm/printer.ts";
import { InternalError } from "../../../src/graph/errors.ts";
import { buffer, loopOver, runPlain, runWasm } from "./harness.ts";

const types: readonly ScalarType[] = ["f32", "i32", "u32", "bool"];

const edgeValues: Readonly<Record<ScalarType, readonly number[]>> = {
  f32: [
    0,
    -0,
    1,
    -1,
    0.5,
    -0.5,
    1.5,
    2.5,
    -2.5,
    3.7,
    -3.7,
    NaN,
    Infinity,
    -Infinity,
    1e-40,
    -1e-40,
    3.4e38,
    -3.4e38,
    2147483648,
    -2147483648,
    4294967296,
    2147483520,
    8388609,
    0.1,
    7,
    -7,
    3,
    -3,
  ].map(Math.fround),
  i32: [
    0, 1, -1, 2, -2, 3, -3, 7, -7, 31, 32, 33, 2147483647, -2147483648, -2147483647, 65536, 1000003, -1000003,
  ],
  u32: [0, 1, 2, 3, 7, 31, 32, 33, 2147483647, 2147483648, 4294967295, 4294967294, 65536, 1000003],
  bool: [0, 1],
};

const unaryOps = [
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
] as const satisfies readonly UnaryScalarOp[];

const binaryOps = [
  "add",
  "sub",
  "mul",
  "div",
  "maximum",
  "minimum",
  "remainder",
  "floorDivide",
  "eq",
  "ne",
  "lt",
  "le",
  "gt",
  "ge",
  "logicalAnd",
  "logicalOr",
  "bitwiseAnd",
  "bitwiseOr",
  "bitwiseXor",
  "shiftLeft",
  "shiftRight",
] as const satisfies readonly BinaryScalarOp[];

/** All pairs of edge values, as many as a multiple of 4. */
function pairs(type: ScalarType): { x: number[]; y: number[] } {
  const x: number[] = [];
  const y: number[] = [];
  for (const left of edgeValues[type]) {
    for (const right of edgeValues[type]) {
      x.push(left);
      y.push(right);
    }
  }
  while (x.length % 4 !== 0) {
    x.push(x[0] ?? 0);
    y.push(y[0] ?? 0);
  }
  return { x, y };
}

/** An elementwise kernel over x and y, in a scalar and in a vector loop, against the IR's meaning. */
function check(type: ScalarType, f: (x: Scalar, y: Scalar) => Scalar): void {
  const values = pairs(type);
  const n = values.x.length;
  const x = buffer("x", type, n);
  const y = buffer("y", type, n);
  const value = f(s.load(x, variable("i", n)), s.load(y, variable("i", n)));
  const out = buffer("out", value.type, n, "write");
  const contents = new Map<Buffer, number[]>([
    [x, values.x],
    [y, values.y],
  ]);
  for (const tag of ["loop", "vector"] as const) {
    const kernel: Kernel = {
      name: "elementwise",
      buffers: [x, y, out],
      body: [loopOver("i", n, tag, (index) => [{ kind: "store", buffer: out, index, value }])],
    };
    expect({ tag, out: runWasm([kernel], contents).get(out) }).toEqual({
      tag,
      out: runPlain(kernel, contents).get(out),
    });
  }
}

describe("element ops on edge values, scalar and vector", () => {
  for (const type of types) {
    for (const op of unaryOps) {
      if (unaryType(op, type) !== undefined) test(`${op} ${type}`, () => check(type, (x) => s.unary(op, x)));
    }
    for (const op of binaryOps) {
      if (binaryType(op, type) === undefined) continue;
      // Those of floats are expanded first.
      if (type === "f32" && (op === "floorDivide" || op === "remainder")) continue;
      test(`${op} ${type}`, () => check(type, (x, y) => s.binary(op, x, y)));
    }
    for (const to of types) {
      test(`cast ${type} to ${to}`, () => check(type, (x) => s.cast(x, to)));
      if (type === "bool" || to === "bool") continue;
      test(`bitcast ${type} to ${to}`, () => check(type, (x) => s.bitcast(x, to)));
    }
    test(`select ${type}`, () => check(type, (x, y) => s.select(s.binary("ne", x, y), x, y)));
    if (type !== "bool") test(`multiplyAdd ${type}`, () => check(type, (x, y) => s.multiplyAdd(x, y, x)));
  }

  test("a shift by an amount that is the same in all lanes", () => {
    for (const type of ["i32", "u32"] as const) {
      for (const amount of [1, 13, 33]) {
        check(type, (x) =>
          s.binary(
            "bitwiseOr",
            s.binary("shiftLeft", x, s.constant(type, amount)),
            s.binary("shiftRight", x, s.constant(type, 32 - amount)),
          ),
        );
      }
    }
  });

  test("an operand that is the same in all lanes", () => {
    const shared = buffer("shared", "f32", 3);
    const x = buffer("x", "f32", 8);
    const out = buffer("out", "f32", 8, "write");
    const uniform = s.unary("sqrt", s.load(shared, constant(1)));
    const kernel: Kernel = {
      name: "uniform",
      buffers: [shared, x, out],
      body: [
        loopOver("i", 8, "vector", (index) => [
          { kind: "store", buffer: out, index, value: s.binary("sub", uniform, s.load(x, index)) },
        ]),
      ],
    };
    const contents = new Map([
      [shared, [1, 16, 3]],
      [x, [0, 1, 2, 3, 4, 5, 6, 7]],
    ]);
    expect(runWasm([kernel], contents).get(out)).toEqual([4, 3, 2, 1, 0, -1, -2, -3]);
  });
});

test("ops without instructions are refused", () => {
  const x = buffer("x", "f32", 4);
  const out = buffer("out", "f32", 4, "write");
  const kernelOf = (tag: "loop" | "vector", f: (x: Scalar) => Scalar): Kernel => ({
    name: "refused",
    buffers: [x, out],
    body: [
      loopOver("i", 4, tag, (index) => [{ kind: "store", buffer: out, index, value: f(s.load(x, index)) }]),
    ],
  });
  for (const op of ["exp", "log", "sin", "cos", "tanh", "erf", "log1p", "lgamma"] as const) {
    for (const tag of ["loop", "vector"] as const) {
      expect(() => printWasm([kernelOf(tag, (v) => s.unary(op, v))], { relaxedSimd: false })).toThrow(
        InternalError,
      );
    }
  }
  for (const op of ["pow", "atan2", "fmod", "remainder", "floorDivide"] as const) {
    expect(() => printWasm([kernelOf("vector", (v) => s.binary(op, v, v))], { relaxedSimd: false })).toThrow(
      `${op} on f32; expand it`,
    );
  }
});
