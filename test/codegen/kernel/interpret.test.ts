import { describe, expect, it } from "vitest";
import { inRange, lessThan } from "../../../src/codegen/index/condition.ts";
import {
  add,
  type Expression,
  constant as index,
  multiply,
  opaque,
  subtract,
  variable,
} from "../../../src/codegen/index/expression.ts";
import { type Elements, interpret } from "../../../src/codegen/kernel/interpret.ts";
import type {
  Buffer,
  Kernel,
  LocalArray,
  Register,
  Scalar,
  Statement,
} from "../../../src/codegen/kernel/ir.ts";
import * as s from "../../../src/codegen/kernel/scalars.ts";
import { InternalError } from "../../../src/graph/errors.ts";

const x: Buffer = { name: "x", type: "f32", length: 6, access: "read" };
const ids: Buffer = { name: "ids", type: "i32", length: 2, access: "read" };
const y: Buffer = { name: "y", type: "f32", length: 6, access: "write" };
const scratch: Buffer = { name: "scratch", type: "u32", length: 2, access: "scratch" };
const i = variable("i", 2);
const j = variable("j", 3);
const at = add(multiply(i, 3), j);

function run(body: readonly Statement[], memory: Partial<Record<string, Elements>> = {}): Float32Array {
  const kernel: Kernel = { name: "k", buffers: [x, ids, y, scratch], body };
  const out = new Float32Array(6);
  const parameters = new Map<Buffer, Elements>([
    [x, memory.x ?? Float32Array.of(1, 2, 3, 4, 5, 6)],
    [ids, memory.ids ?? Int32Array.of(5, 0)],
    [y, out],
  ]);
  interpret(kernel, parameters);
  return out;
}

const loop = (name: string, extent: number, body: readonly Statement[]): Statement => {
  return { kind: "for", axis: { name, extent, tag: "loop" }, body };
};
const store = (buffer: Buffer, where: Expression, value: Scalar): Statement => {
  return { kind: "store", buffer, index: where, value };
};
const one = s.constant("f32", 1);

describe("interpret", () => {
  it("sums rows into an array that starts anew each time", () => {
    const sum: LocalArray = { name: "sum", type: "f32", length: 1, initial: 0.5 };
    const total = s.local(sum, index(0));
    const body = [
      loop("i", 2, [
        { kind: "declare", array: sum },
        loop("j", 3, [
          { kind: "set", array: sum, index: index(0), value: s.binary("add", total, s.load(x, at)) },
        ]),
        store(y, i, total),
      ]),
    ] satisfies Statement[];
    expect([...run(body)]).toEqual([6.5, 15.5, 0, 0, 0, 0]);
  });

  it("rounds f32 after each operation and wraps integers", () => {
    const tenth = s.load(x, index(0));
    const seven = s.cast(s.load(ids, index(0)), "i32");
    const out = run(
      [
        store(y, index(0), s.multiplyAdd(tenth, tenth, tenth)),
        store(y, index(1), s.cast(s.binary("mul", seven, seven), "f32")),
        store(y, index(2), s.cast(s.binary("floorDivide", seven, s.constant("i32", -2)), "f32")),
        store(y, index(3), s.cast(s.binary("remainder", seven, s.constant("i32", -2)), "f32")),
        store(y, index(4), s.cast(s.bitcast(tenth, "u32"), "f32")),
      ],
      { x: Float32Array.of(0.1, 0, 0, 0, 0, 0), ids: Int32Array.of(65537, 0) },
    );
    const tenthRounded = Math.fround(0.1);
    expect(out[0]).toBe(Math.fround(Math.fround(tenthRounded * tenthRounded) + tenthRounded));
    expect([...out.slice(1, 4)]).toEqual([131073, -32769, -1]);
    expect(out[4]).toBe(Math.fround(0x3dcccccd));
  });

  it("loads nothing where a guard does not hold, and indexes by registers", () => {
    const before = subtract(at, 1);
    const id: Register = { name: "id", type: "i32", opaqueId: 3 };
    const body: Statement[] = [
      loop("i", 2, [
        { kind: "let", register: id, value: s.load(ids, i) },
        loop("j", 3, [store(y, at, s.guard(inRange(before, 0, 6), s.load(x, before), -1))]),
        { kind: "if", condition: lessThan(i, 1), body: [store(y, index(1), s.load(x, opaque(3, 0, 5)))] },
      ]),
    ];
    expect([...run(body)]).toEqual([-1, 6, 2, 3, 4, 5]);
  });

  const sum: LocalArray = { name: "sum", type: "f32", length: 1, initial: 0 };
  it.each([
    [
      "a load out of bounds",
      [loop("i", 2, [store(y, i, s.load(x, multiply(i, 6)))])],
      "kernel k: load of x[6] (i*6)",
    ],
    ["a store out of bounds", [store(y, index(-1), one)], "store of y[-1]"],
    ["a load of what is for writing", [store(y, index(0), s.load(y, index(0)))], "load from y"],
    ["a store to what is for reading", [store(x, index(0), one)], "store to x"],
    [
      "a read of scratch before it is written",
      [
        store(scratch, index(0), s.constant("u32", 1)),
        store(y, index(0), s.cast(s.load(scratch, index(1)), "f32")),
      ],
      "load of scratch[1] (1) before it is written",
    ],
    [
      "an unset register",
      [store(y, index(0), s.register({ name: "r", type: "f32" }))],
      "register r is read before it is set",
    ],
    [
      "an undeclared array",
      [store(y, index(0), s.local(sum, index(0)))],
      "array sum is used before it is declared",
    ],
    [
      "an index beyond an array",
      [
        { kind: "declare", array: sum },
        { kind: "set", array: sum, index: index(1), value: one },
      ],
      "sum[1]",
    ],
    ["an unknown index", [store(y, i, one)], "kernel k: evaluate: no value for i"],
    ["an unknown buffer", [store({ ...y }, index(0), one)], "y is not a buffer"],
  ] as const satisfies readonly (readonly [string, readonly Statement[], string])[])(
    "reports %s",
    (_, body, message) => {
      expect(() => run(body)).toThrow(InternalError);
      expect(() => run(body)).toThrow(message);
    },
  );

  it("reports parameters of the wrong type or length", () => {
    expect(() => run([], { x: new Float32Array(5) })).toThrow(
      "x is bound to Float32Array of 5, wanted Float32Array of 6",
    );
    expect(() => run([], { ids: new Uint32Array(2) })).toThrow(
      "ids is bound to Uint32Array of 2, wanted Int32Array",
    );
  });
});

describe("workgroups", () => {
  const shared: Buffer = { name: "shared", type: "f32", length: 4, access: "workgroup" };
  const out: Buffer = { name: "out", type: "f32", length: 8, access: "write" };
  const group = variable("g", 2);
  const lane = variable("l", 4);
  const meet: Statement = { kind: "barrier", scope: "workgroup" };
  const share: Statement = {
    kind: "store",
    buffer: shared,
    index: lane,
    value: s.indexValue(add(multiply(group, 10), lane), "f32"),
  };
  const put = (value: Scalar): Statement => ({
    kind: "store",
    buffer: out,
    index: add(multiply(group, 4), lane),
    value,
  });
  const mirrored = s.load(shared, subtract(3, lane));

  function runGroups(body: readonly Statement[]): number[] {
    const local: Statement = { kind: "for", axis: { name: "l", extent: 4, tag: "local" }, body };
    const grid: Statement = { kind: "for", axis: { name: "g", extent: 2, tag: "grid" }, body: [local] };
    const found = new Float32Array(8);
    interpret({ name: "k", buffers: [out, shared], body: [grid] }, new Map([[out, found]]));
    return [...found];
  }

  it("see after a barrier what others stored before it, each group its own", () => {
    expect(runGroups([share, meet, put(mirrored)])).toEqual([3, 2, 1, 0, 13, 12, 11, 10]);
  });

  it("keep registers and arrays of their own across barriers", () => {
    const mine: LocalArray = { name: "mine", type: "f32", length: 1, initial: 0 };
    const kept = s.local(mine, index(0));
    const add1 = s.binary("add", kept, s.indexValue(lane, "f32"));
    const set: Statement = { kind: "set", array: mine, index: index(0), value: add1 };
    expect(runGroups([{ kind: "declare", array: mine }, set, meet, set, put(kept)])).toEqual([
      0, 2, 4, 6, 0, 2, 4, 6,
    ]);
  });

  it("may not race", () => {
    expect(() => runGroups([share, put(mirrored)])).toThrow(InternalError);
    const first: Statement = { ...share, index: index(0) };
    expect(() => runGroups([first])).toThrow("store to shared[0], which another invocation has touched");
    const late = [share, meet, put(mirrored), share];
    expect(() => runGroups(late)).toThrow("load of shared[1], which another invocation has stored");
  });

  it("start with memory that nobody has written", () => {
    expect(() => runGroups([put(mirrored)])).toThrow("before it is written");
  });

  it("must all come by the same barrier", () => {
    const some: Statement = { kind: "if", condition: lessThan(lane, 2), body: [meet] };
    expect(() => runGroups([some])).toThrow("invocations 0 and 2 of l do not meet at the same barrier");
  });
});
