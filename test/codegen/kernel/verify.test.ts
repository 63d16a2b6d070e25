import { describe, expect, it } from "vitest";
import { equalTo, inRange, lessThan } from "../../../src/codegen/index/condition.ts";
import {
  add,
  type Expression,
  floorDivide,
  constant as index,
  modulo,
  multiply,
  opaque,
  subtract,
  variable,
} from "../../../src/codegen/index/expression.ts";
import type {
  Axis,
  AxisTag,
  Buffer,
  LocalArray,
  Register,
  Scalar,
  Statement,
} from "../../../src/codegen/kernel/ir.ts";
import * as s from "../../../src/codegen/kernel/scalars.ts";
import { verify } from "../../../src/codegen/kernel/verify.ts";
import { InternalError } from "../../../src/graph/errors.ts";

const x: Buffer = { name: "x", type: "f32", length: 32, access: "read" };
const ids: Buffer = { name: "ids", type: "i32", length: 4, access: "read" };
const y: Buffer = { name: "y", type: "f32", length: 32, access: "write" };
const sum: LocalArray = { name: "sum", type: "f32", length: 4, initial: 0 };
const i = variable("i", 4);
const j = variable("j", 8);
const row = add(multiply(i, 8), j);
const one = s.constant("f32", 1);

const axis = (name: string, extent: number, tag: AxisTag, body: readonly Statement[]): Statement => {
  return { kind: "for", axis: { name, extent, tag } satisfies Axis, body };
};
const store = (where: Expression, value: Scalar): Statement => ({
  kind: "store",
  buffer: y,
  index: where,
  value,
});
const grid = (body: readonly Statement[], inner: AxisTag = "vector"): readonly Statement[] => [
  axis("i", 4, "grid", [axis("j", 8, inner, body)]),
];
const declare: Statement = { kind: "declare", array: sum };
const set = (where: Expression, value: Scalar = one): Statement => ({
  kind: "set",
  array: sum,
  index: where,
  value,
});
const id: Register = { name: "id", type: "i32", opaqueId: 1 };
const letId: Statement = { kind: "let", register: id, value: s.load(ids, i) };
const r: Register = { name: "r", type: "f32" };
const letR: Statement = { kind: "let", register: r, value: one };

const check = (body: readonly Statement[]) => verify({ name: "k", buffers: [x, ids, y], body });

describe("verify", () => {
  it.each<readonly [string, readonly Statement[]]>([
    ["a map", grid([store(row, s.load(x, row))])],
    ["a guarded load", grid([store(row, s.guard(lessThan(0, row), s.load(x, subtract(row, 1)), 0))])],
    [
      "accesses under an if",
      grid([{ kind: "if", condition: inRange(row, 1, 33), body: [store(subtract(row, 1), one)] }]),
    ],
    ["an index read at run time", [axis("i", 4, "grid", [letId, store(i, s.load(x, opaque(1, 0, 31)))])]],
    [
      "an array in a vector axis",
      [
        axis("i", 4, "grid", [
          declare,
          axis("v", 4, "vector", [set(variable("v", 4))]),
          store(i, s.local(sum, index(3))),
        ]),
      ],
    ],
    ["an accumulator in a loop", [declare, axis("i", 4, "loop", [set(index(0), s.load(x, i))])]],
    [
      "unrolled loops in a vector axis",
      [axis("j", 8, "vector", [axis("i", 4, "unroll", [store(row, one)])])],
    ],
    [
      "a grid axis split by division",
      [axis("j", 8, "grid", [store(add(multiply(floorDivide(j, 4), 16), modulo(j, 4)), one)])],
    ],
    [
      "one iteration of a grid axis",
      [axis("i", 4, "grid", [{ kind: "if", condition: equalTo(i, 0), body: [store(index(0), one)] }])],
    ],
  ])("accepts %s", (_, body) => {
    expect(() => check(body)).not.toThrow();
  });

  it.each<readonly [string, readonly Statement[], string]>([
    [
      "an operator on wrong types",
      [store(index(0), { ...s.binary("add", s.load(x, index(0)), one), type: "i32" })],
      "add is f32, not i32",
    ],
    [
      "an operator on unequal types",
      [store(index(0), { kind: "binary", type: "f32", op: "add", args: [one, s.constant("i32", 1)] })],
      "add of f32 and i32",
    ],
    [
      "a constant of another type",
      [store(index(0), { kind: "constant", type: "f32", value: 0.1 })],
      "the constant 0.1 is no f32",
    ],
    ["a value of the wrong type", [store(index(0), s.constant("i32", 1))], "y holds f32 and is given i32"],
    [
      "a let of the wrong type",
      [{ kind: "let", register: r, value: s.constant("i32", 1) }],
      "register r is f32",
    ],
    [
      "a register out of scope",
      [axis("i", 4, "loop", [letR]), store(index(0), s.register(r))],
      "register r is not set here",
    ],
    ["a register that is set twice", [letR, letR], "register r is set twice"],
    ["a run-time index that is not set", [store(opaque(1, 0, 31), one)], "no register here is @1"],
    [
      "an array out of scope",
      [axis("i", 4, "loop", [declare]), store(index(0), s.local(sum, index(0)))],
      "sum is not declared",
    ],
    ["an array index that is not constant", [declare, axis("i", 4, "loop", [set(i)])], "i is not unrolled"],
    [
      "an array index out of range",
      [declare, axis("j", 8, "unroll", [set(j)])],
      "0..7 leaves its 4 elements",
    ],
    [
      "a load out of range",
      grid([store(row, s.load(x, add(row, 1)))]),
      "load from x[i*8 + j + 1]: 1..32 leaves its 32",
    ],
    ["a store out of range", grid([store(add(row, 1), one)]), "store to y[i*8 + j + 1]"],
    [
      "a wide run-time index",
      [axis("i", 4, "grid", [letId, store(i, s.load(x, opaque(1, 0, 32)))])],
      "0..32 leaves",
    ],
    [
      "a load beside a guard",
      [
        store(
          index(0),
          s.binary("add", s.guard(lessThan(i, 2), s.load(x, multiply(i, 20)), 0), s.load(x, multiply(i, 20))),
        ),
      ],
      "load from x[i*20]",
    ],
    ["an axis out of scope", [axis("i", 4, "grid", [store(row, one)])], "j is no axis here"],
    [
      "an axis that is larger than its variable",
      [axis("i", 5, "grid", [store(multiply(i, 8), one)])],
      "i is said to be in 0..3",
    ],
    ["two axes of one name", [axis("i", 4, "loop", []), axis("i", 4, "loop", [])], "two axes are named i"],
    ["an odd vector axis", [axis("j", 6, "vector", [])], "no multiple of 4"],
    [
      "a loop in a vector axis",
      [axis("j", 8, "vector", [axis("i", 4, "loop", [])])],
      "lies inside vector axis j",
    ],
    [
      "a race in a grid axis",
      [axis("i", 4, "grid", [axis("j", 8, "loop", [store(j, one)])])],
      "iterations of grid axis i write the same y[j]",
    ],
    [
      "a race in a split axis",
      [axis("j", 8, "grid", [store(modulo(j, 4), one)])],
      "iterations of grid axis j",
    ],
    [
      "an accumulator over a vector axis",
      [declare, axis("j", 8, "vector", [set(index(0), s.load(x, j))])],
      "iterations of vector axis j write the same sum[0]",
    ],
    [
      "a load of what is for writing",
      [store(index(0), s.load(y, index(0)))],
      "load from y, which is write only",
    ],
    [
      "a buffer of another kernel",
      [store(index(0), s.load({ ...x }, index(0)))],
      "not a buffer of this kernel",
    ],
  ])("rejects %s", (_, body, message) => {
    const within = message.includes("x[i*20]") ? [axis("i", 4, "loop", body)] : body;
    expect(() => check(within)).toThrow(InternalError);
    expect(() => check(within)).toThrow(message);
  });

  it("rejects buffers of one name, and parameters after scratch", () => {
    const scratch: Buffer = { ...x, name: "scratch", access: "scratch" };
    expect(() => verify({ name: "k", buffers: [x, { ...x }], body: [] })).toThrow("two buffers are named x");
    expect(() => verify({ name: "k", buffers: [scratch, x], body: [] })).toThrow(
      "parameter x comes after scratch",
    );
  });
});

describe("workgroups", () => {
  const partials: Buffer = { name: "partials", type: "f32", length: 8, access: "workgroup" };
  const lane = variable("l", 8);
  const share: Statement = { kind: "store", buffer: partials, index: lane, value: one };
  const meet: Statement = { kind: "barrier", scope: "workgroup" };
  const total: Statement = { kind: "store", buffer: y, index: i, value: s.load(partials, index(0)) };
  const checkGroup = (body: readonly Statement[], tag: AxisTag = "local") =>
    verify({
      name: "k",
      buffers: [x, ids, y, partials],
      body: [axis("i", 4, "grid", [axis("l", 8, tag, body)])],
    });

  it("may share memory, meet, and leave one to store", () => {
    expect(() =>
      checkGroup([share, meet, { kind: "if", condition: equalTo(lane, 0), body: [total] }]),
    ).not.toThrow();
  });

  it("may not all store the same element", () => {
    expect(() => checkGroup([share, meet, total])).toThrow("iterations of local axis l write the same y[i]");
    const same: Statement = { ...share, index: floorDivide(lane, 2) };
    expect(() => checkGroup([same])).toThrow("iterations of local axis l write the same partials[l / 2]");
    const row: Statement = { ...share, index: add(multiply(floorDivide(lane, 4), 2), modulo(lane, 4)) };
    expect(() => checkGroup([row])).toThrow("iterations of local axis l");
    const inRow = lessThan(modulo(lane, 4), 2);
    expect(() => checkGroup([{ kind: "if", condition: inRow, body: [row] }])).not.toThrow();
  });

  it("may not meet where only some come by, nor where there is no workgroup", () => {
    const some: Statement = { kind: "if", condition: lessThan(lane, 4), body: [meet] };
    expect(() => checkGroup([some])).toThrow("not all invocations share");
    expect(() => checkGroup([meet], "loop")).toThrow("outside of local axes");
    expect(() => checkGroup([{ kind: "barrier", scope: "device" }])).toThrow("elsewhere than at the top");
  });

  it("lie inside grid axes alone", () => {
    const looped = axis("k", 2, "loop", [axis("l", 8, "local", [share])]);
    expect(() => verify({ name: "k", buffers: [partials], body: [looped] })).toThrow(
      "local axis l lies inside loop axis k",
    );
  });
});
