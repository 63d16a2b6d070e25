import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { inRange, lessThan } from "../../../src/codegen/index/condition.ts";
import {
  add,
  constant as index,
  multiply,
  opaque,
  subtract,
  variable,
} from "../../../src/codegen/index/expression.ts";
import { formatKernel } from "../../../src/codegen/kernel/format.ts";
import { interpret } from "../../../src/codegen/kernel/interpret.ts";
import type {
  Axis,
  Buffer,
  Kernel,
  LocalArray,
  Register,
  Scalar,
  Statement,
} from "../../../src/codegen/kernel/ir.ts";
import { expandMath, threefry2x32 } from "../../../src/codegen/kernel/math.ts";
import { placeLets } from "../../../src/codegen/kernel/placeLets.ts";
import * as s from "../../../src/codegen/kernel/scalars.ts";
import { verify } from "../../../src/codegen/kernel/verify.ts";
import { randomKernel, randomMemory } from "./randomKernel.ts";

const x: Buffer = { name: "x", type: "f32", length: 64, access: "read" };
const b: Buffer = { name: "b", type: "f32", length: 8, access: "read" };
const y: Buffer = { name: "y", type: "f32", length: 64, access: "readwrite" };
const ids: Buffer = { name: "ids", type: "i32", length: 8, access: "read" };
const i = variable("i", 8);
const j = variable("j", 8);
const row = add(multiply(i, 8), j);

const loop = (name: string, body: readonly Statement[], tag: Axis["tag"] = "loop"): Statement => {
  return { kind: "for", axis: { name, extent: 8, tag }, body };
};
const store = (at: Parameters<typeof s.load>[1], value: Scalar): Statement => {
  return { kind: "store", buffer: y, index: at, value };
};

/** The body after placing lets, as text. */
function placed(...body: Statement[]): string {
  const kernel: Kernel = { name: "k", buffers: [x, b, ids, y], body: placeLets(body) };
  verify(kernel);
  return `\n${formatKernel(kernel).split("\n").slice(1, -1).join("\n")}\n`;
}

describe("placeLets", () => {
  it("names what is used twice, equal or shared, and moves what a loop does not change out of it", () => {
    const bias = () => s.unary("sqrt", s.load(b, i));
    const value = s.binary("add", s.binary("mul", s.load(x, row), bias()), bias());
    expect(
      placed(loop("i", [loop("j", [store(row, s.binary("mul", value, value))], "vector")], "grid")),
    ).toMatchInlineSnapshot(`
      "
        for i in 0..8 grid {
          let t0 = sqrt(b[i])
          for j in 0..8 vector {
            let t1 = (x[i*8 + j] * t0) + t0
            y[i*8 + j] = t1 * t1
          }
        }
      "
    `);
  });

  it("leaves what is used once, and leaves, where they are", () => {
    const value = s.multiplyAdd(s.load(x, row), s.constant("f32", 2), s.indexValue(j, "f32"));
    expect(placed(loop("i", [loop("j", [store(row, value)])]))).toMatchInlineSnapshot(`
      "
        for i in 0..8 {
          for j in 0..8 {
            y[i*8 + j] = multiplyAdd(x[i*8 + j], 2.0, f32{j})
          }
        }
      "
    `);
  });

  it("reads arrays and buffers again after they were written", () => {
    const sum: LocalArray = { name: "sum", type: "f32", length: 1, initial: 0 };
    const total = s.local(sum, index(0));
    const mean = s.binary("mul", total, s.constant("f32", 0.125));
    expect(
      placed(
        loop("i", [
          { kind: "declare", array: sum },
          loop("j", [
            { kind: "set", array: sum, index: index(0), value: s.binary("add", total, s.load(x, row)) },
          ]),
          loop("j2", [
            store(add(multiply(i, 8), variable("j2", 8)), s.binary("sub", s.load(y, multiply(i, 8)), mean)),
          ]),
          store(multiply(i, 8), s.binary("mul", s.load(y, multiply(i, 8)), mean)),
        ]),
      ),
    ).toMatchInlineSnapshot(`
      "
        for i in 0..8 {
          var sum: f32[1] = 0
          for j in 0..8 {
            sum[0] = sum[0] + x[i*8 + j]
          }
          let t0 = sum[0] * 0.125
          for j2 in 0..8 {
            y[i*8 + j2] = y[i*8] - t0
          }
          y[i*8] = y[i*8] * t0
        }
      "
    `);
  });

  it("keeps the value of an existing let although its source changes later", () => {
    const old: Register = { name: "old", type: "f32" };
    const unused: Register = { name: "unused", type: "f32" };
    expect(
      placed(
        { kind: "let", register: old, value: s.load(y, index(0)) },
        { kind: "let", register: unused, value: s.load(y, index(1)) },
        store(index(0), s.constant("f32", 1)),
        store(index(1), s.register(old)),
      ),
    ).toMatchInlineSnapshot(`
      "
        let old = y[0]
        y[0] = 1.0
        y[1] = old
      "
    `);
  });

  it("moves nothing out of an if, but uses in it what is named before it", () => {
    const value = s.unary("exp", s.load(x, index(3)));
    const other = s.unary("log", s.load(x, index(4)));
    expect(
      placed(
        loop("i", [
          store(i, value),
          {
            kind: "if",
            condition: lessThan(i, 4),
            body: [loop("j", [store(row, s.binary("add", value, other))])],
          },
        ]),
      ),
    ).toMatchInlineSnapshot(`
      "
        let t0 = exp(x[3])
        for i in 0..8 {
          y[i] = t0
          if i < 4 {
            let t1 = t0 + log(x[4])
            for j in 0..8 {
              y[i*8 + j] = t1
            }
          }
        }
      "
    `);
  });

  it("names anew after an if what only the if named before", () => {
    const value = s.unary("exp", s.load(x, i));
    const twice = store(i, s.binary("mul", value, value));
    expect(
      placed(loop("i", [{ kind: "if", condition: lessThan(i, 4), body: [twice] }, twice])),
    ).toMatchInlineSnapshot(`
      "
        for i in 0..8 {
          if i < 4 {
            let t0 = exp(x[i])
            y[i] = t0 * t0
          }
          let t1 = exp(x[i])
          y[i] = t1 * t1
        }
      "
    `);
  });

  it("keeps the value of a let in an if that was read before it", () => {
    const a: LocalArray = { name: "a", type: "f32", length: 1, initial: 2 };
    const r: Register = { name: "r", type: "f32" };
    const body: Statement[] = [
      { kind: "declare", array: a },
      store(i, s.local(a, index(0))),
      {
        kind: "if",
        condition: lessThan(i, 4),
        body: [
          { kind: "let", register: r, value: s.local(a, index(0)) },
          { kind: "set", array: a, index: index(0), value: s.constant("f32", 1) },
          store(i, s.register(r)),
        ],
      },
    ];
    expect(placed(loop("i", body))).toMatchInlineSnapshot(`
      "
        for i in 0..8 {
          var a: f32[1] = 2
          let r = a[0]
          y[i] = r
          if i < 4 {
            a[0] = 1.0
            y[i] = r
          }
        }
      "
    `);
  });

  it("keeps loads inside their guard, and gives each a guard where they are shared", () => {
    const before = subtract(row, 1);
    const once = s.guard(inRange(before, 0, 64), s.unary("exp", s.load(x, before)), 0);
    const load = s.load(x, before);
    const twice = s.guard(inRange(before, 0, 64), s.binary("mul", load, s.unary("exp", load)), 0);
    expect(placed(loop("i", [loop("j", [store(row, once), store(row, twice)])]))).toMatchInlineSnapshot(`
      "
        for i in 0..8 {
          for j in 0..8 {
            y[i*8 + j] = (exp(x[i*8 + j - 1]) where 0 < i*8 + j else 0.0)
            let t0 = (x[i*8 + j - 1] where 0 < i*8 + j else 0.0)
            y[i*8 + j] = (t0 * exp(t0) where 0 < i*8 + j else 0.0)
          }
        }
      "
    `);
  });

  it("moves registers that indices read along with what depends on them", () => {
    const id: Register = { name: "id", type: "i32", opaqueId: 7 };
    const gathered = s.load(b, opaque(7, 0, 7));
    expect(
      placed(
        loop("i", [
          loop("j", [
            { kind: "let", register: id, value: s.load(ids, i) },
            store(row, s.binary("mul", s.load(x, row), gathered)),
          ]),
        ]),
      ),
    ).toMatchInlineSnapshot(`
      "
        for i in 0..8 {
          let id as @7 = ids[i]
          let t0 = b[@7]
          for j in 0..8 {
            y[i*8 + j] = x[i*8 + j] * t0
          }
        }
      "
    `);
  });

  it("takes linear time on graphs that are exponential trees", () => {
    let value: Scalar = s.load(x, j);
    for (let depth = 0; depth < 500; depth++) value = s.binary("add", value, value);
    let guarded: Scalar = s.load(x, subtract(j, 1));
    for (let depth = 0; depth < 200; depth++) guarded = s.binary("add", guarded, guarded);
    guarded = s.guard(lessThan(0, j), guarded, 0);
    const words = threefry2x32(
      s.constant("u32", 1),
      s.constant("u32", 2),
      s.indexValue(j, "u32"),
      s.constant("u32", 0),
    );
    const uniform = s.cast(s.binary("bitwiseXor", ...words), "f32");
    const body = placeLets([loop("j", [store(j, value), store(j, guarded), store(j, uniform)])]);
    const inner = body[0].kind === "for" ? body[0].body : [];
    expect(inner.length).toBeGreaterThan(700);
    expect(inner.length).toBeLessThan(900);
  });

  it("gives the same bits, in kernels that verify", () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const kernel = randomKernel(seed);
        const after: Kernel = { ...kernel, body: placeLets(kernel.body) };
        verify(kernel);
        verify(after);
        const [expected, actual] = [randomMemory(kernel), randomMemory(after)];
        interpret(kernel, expected);
        interpret(after, actual);
        expect([...actual.values()]).toEqual([...expected.values()]);
      }),
      { numRuns: 1500 },
    );
  });

  it("places the lets of expanded functions", () => {
    const value = expandMath(s.unary("exp", s.load(x, i)), new Set());
    expect(placed(loop("i", [store(i, value)]))).toMatchInlineSnapshot(`
      "
        for i in 0..8 {
          let t0 = x[i]
          let t1 = select(t0 < -88.0, -88.0, t0)
          let t2 = select(88.8 < t1, 88.8, t1)
          let t3 = floor(t2 * 1.442695)
          let t4 = multiplyAdd(t3, 0.00021219444, multiplyAdd(t3, -0.6933594, t2))
          y[i] = (multiplyAdd(multiplyAdd(multiplyAdd(multiplyAdd(multiplyAdd(0.0019120505, t4, 0.007869288), t4, 0.041854367), t4, 0.1666321), t4, 0.50000226) * t4, t4, t4) + 1.0) * bitcast<f32>(bitcast<i32>(t3 + 12583039.0) << 23)
        }
      "
    `);
  });
});
