import { describe, expect, it } from "vitest";
import { always, lessThan, never } from "../../../src/codegen/index/condition.ts";
import { constant as index, variable } from "../../../src/codegen/index/expression.ts";
import { formatKernel, formatScalar } from "../../../src/codegen/kernel/format.ts";
import type { Buffer, LocalArray, Register, Scalar } from "../../../src/codegen/kernel/ir.ts";
import * as s from "../../../src/codegen/kernel/scalars.ts";
import { InternalError } from "../../../src/graph/errors.ts";

const x: Buffer = { name: "x", type: "f32", length: 8, access: "read" };
const y: Buffer = { name: "y", type: "f32", length: 8, access: "write" };
const i = variable("i", 8);
const load = s.load(x, i);
const whole = s.cast(load, "i32");
const truth = s.binary("lt", load, s.constant("f32", 0));
const f = (value: number) => s.constant("f32", value);
const n = (value: number) => s.constant("i32", value);

describe("constructors", () => {
  it("fold constants as the op rounds or wraps", () => {
    expect(s.constant("f32", 0.1)).toEqual({ kind: "constant", type: "f32", value: Math.fround(0.1) });
    expect(s.binary("add", f(16777216), f(1))).toEqual(f(16777216));
    expect(s.binary("mul", n(65536), n(65537))).toEqual(n(65536));
    expect(s.binary("sub", s.constant("u32", 0), s.constant("u32", 1))).toEqual(
      s.constant("u32", 0xffffffff),
    );
    expect(s.binary("lt", f(1), f(2))).toEqual(s.constant("bool", 1));
    expect(s.unary("round", f(2.5))).toEqual(f(2));
    expect(s.unary("round", f(-0.5))).toEqual(f(-0));
    expect(s.binary("floorDivide", n(-7), n(2))).toEqual(n(-4));
    expect(s.binary("remainder", n(-7), n(2))).toEqual(n(1));
    expect(s.binary("floorDivide", n(7), n(0))).toEqual(n(0));
    expect(s.binary("shiftRight", n(-8), n(33))).toEqual(n(-4));
    expect(s.cast(f(3e9), "i32")).toEqual(n(2147483647));
    expect(s.cast(f(-3.9), "i32")).toEqual(n(-3));
    expect(s.cast(f(NaN), "i32")).toEqual(n(0));
    expect(s.cast(f(NaN), "bool")).toEqual(s.constant("bool", 1));
    expect(s.bitcast(f(1), "i32")).toEqual(n(0x3f800000));
    expect(s.binary("pow", f(1), f(NaN))).toEqual(f(1));
    expect(s.indexValue(index(3), "u32")).toEqual(s.constant("u32", 3));
  });

  it("drop what changes nothing, whatever the operand is", () => {
    expect(s.binary("mul", load, f(1))).toBe(load);
    expect(s.binary("mul", f(1), load)).toBe(load);
    expect(s.binary("div", load, f(1))).toBe(load);
    expect(s.binary("sub", load, f(0))).toBe(load);
    expect(s.unary("neg", s.unary("neg", load))).toBe(load);
    expect(s.binary("add", whole, n(0))).toBe(whole);
    expect(s.binary("mul", whole, n(0))).toEqual(n(0));
    expect(s.select(s.constant("bool", 0), load, f(2))).toEqual(f(2));
    expect(s.select(truth, load, load)).toBe(load);
    expect(s.binary("logicalAnd", truth, s.constant("bool", 1))).toBe(truth);
    expect(s.cast(load, "f32")).toBe(load);
    expect(s.guard(always, load, 0)).toBe(load);
    expect(s.guard(never, load, 3)).toEqual(f(3));
  });

  it("keep what changes a float: x + 0 for x = -0, x * 0 for NaN, x - -0", () => {
    for (const scalar of [
      s.binary("add", load, f(0)),
      s.binary("mul", load, f(0)),
      s.binary("sub", load, f(-0)),
    ]) {
      expect(scalar.kind).toBe("binary");
    }
  });

  it("give comparisons the type bool, and refuse operands that an op does not take", () => {
    expect(truth.type).toBe("bool");
    expect(() => s.binary("add", load, n(1))).toThrow(InternalError);
    expect(() => s.binary("div", whole, whole)).toThrow("div: no such operands as i32 and i32");
    expect(() => s.unary("exp", whole)).toThrow("exp: no such operand as i32");
    expect(() => s.select(load, load, load)).toThrow(InternalError);
    expect(() => s.bitcast(truth, "f32")).toThrow(InternalError);
    expect(() => s.multiplyAdd(load, load, whole)).toThrow(InternalError);
  });
});

describe("mapScalar and walkScalars", () => {
  it("visit shared operands once and keep them shared", () => {
    let value: Scalar = load;
    for (let depth = 0; depth < 100; depth++) value = s.binary("add", value, value);
    let visits = 0;
    const mapped = s.mapScalar(value, (of) => {
      visits += 1;
      return of === load ? f(2) : of;
    });
    expect(visits).toBe(101);
    expect(mapped).toEqual(f(2 ** 101));
    const seen: Scalar[] = [];
    s.walkScalars([{ kind: "store", buffer: y, index: i, value }], (of) => seen.push(of));
    expect(seen).toHaveLength(101);
    expect([seen[0], seen[100]]).toEqual([load, value]);
  });

  it("return the same object where nothing changes", () => {
    const value = s.select(truth, s.multiplyAdd(load, load, f(2)), s.guard(lessThan(i, 3), load, 0));
    expect(s.mapScalar(value, (of) => of)).toBe(value);
  });
});

describe("format", () => {
  it("prints every kind of statement and scalar", () => {
    const sum: LocalArray = { name: "sum", type: "f32", length: 2, initial: -Infinity };
    const id: Register = { name: "id", type: "i32", opaqueId: 4 };
    const value = s.select(
      truth,
      s.unary("exp", load),
      s.guard(lessThan(i, 3), s.binary("pow", load, f(0.1)), 0),
    );
    const kernel = formatKernel({
      name: "example",
      buffers: [x, y],
      body: [
        { kind: "declare", array: sum },
        { kind: "let", register: id, value: s.binary("bitwiseAnd", s.bitcast(load, "i32"), n(255)) },
        {
          kind: "for",
          axis: { name: "i", extent: 8, tag: "vector" },
          body: [
            {
              kind: "set",
              array: sum,
              index: index(1),
              value: s.binary("mul", s.binary("add", load, f(1)), value),
            },
            {
              kind: "if",
              condition: lessThan(i, 3),
              body: [{ kind: "store", buffer: y, index: i, value: s.cast(s.indexValue(i, "u32"), "f32") }],
            },
          ],
        },
      ],
    });
    expect(`\n${kernel}\n`).toMatchInlineSnapshot(`
      "
      kernel example(read x: f32[8], write y: f32[8]) {
        var sum: f32[2] = -Infinity
        let id as @4 = bitcast<i32>(x[i]) & 255
        for i in 0..8 vector {
          sum[1] = (x[i] + 1.0) * select(x[i] < 0.0, exp(x[i]), (pow(x[i], 0.1) where i < 3 else 0.0))
          if i < 3 {
            y[i] = f32(u32{i})
          }
        }
      }
      "
    `);
  });

  it("prints constants by type", () => {
    const constants = [
      f(1),
      f(0.1),
      f(-0),
      f(1e20),
      f(NaN),
      n(-3),
      s.constant("u32", 7),
      s.constant("bool", 1),
    ];
    expect(constants.map(formatScalar).join(" ")).toMatchInlineSnapshot(
      `"1.0 0.1 -0.0 100000000000000000000.0 NaN -3 7u true"`,
    );
  });
});
