import { describe, expect, test } from "vitest";
import { and, atLeast, equalTo, inRange, lessThan } from "../../../src/codegen/index/condition.ts";
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
} from "../../../src/codegen/index/expression.ts";
import type {
  Buffer,
  Kernel,
  LocalArray,
  Register,
  Scalar,
  Statement,
} from "../../../src/codegen/kernel/ir.ts";
import * as s from "../../../src/codegen/kernel/scalars.ts";
import { detectFeatures } from "../../../src/codegen/wasm/features.ts";
import { printWasm, sourceText } from "../../../src/codegen/wasm/printer.ts";
import { InternalError } from "../../../src/graph/errors.ts";
import { gemm } from "./gemm.ts";
import { buffer, type Contents, loopOver, runPlain, runWasm } from "./harness.ts";

const plain = { relaxedSimd: false };
const numbers = (count: number, from = 0) => Array.from({ length: count }, (_, at) => from + at);
const store = (to: Buffer, index: Expression, value: Scalar): Statement => ({
  kind: "store",
  buffer: to,
  index,
  value,
});
const kernelOf = (buffers: readonly Buffer[], ...body: readonly Statement[]): Kernel => ({
  name: "test",
  buffers,
  body,
});

/** Expects compiled code to leave the memory that the walked IR leaves. */
function check(kernel: Kernel, contents: Contents): Map<Buffer, number[]> {
  const expected = runPlain(kernel, contents);
  const actual = runWasm([kernel], contents, plain);
  for (const one of kernel.buffers)
    expect([one.name, actual.get(one)]).toEqual([one.name, expected.get(one)]);
  return actual;
}

describe("indices in a vector loop", () => {
  const cases: Record<string, (i: Expression, j: Expression) => Expression> = {
    adjacent: (i, j) => add(multiply(i, 8), j),
    "adjacent after an odd offset": (i, j) => add(multiply(i, 9), j, 3),
    "the same": (i) => multiply(i, 5),
    "every third": (i, j) => add(i, multiply(j, 3)),
    backwards: (i, j) => add(subtract(7, j), i),
    quotients: (i, j) => add(floorDivide(j, 3), multiply(i, 4)),
    remainders: (i, j) => modulo(add(multiply(j, 5), i), 7),
    "a remainder by a power of two": (i, j) => modulo(add(multiply(j, 3), i), 8),
    "quotient that is whole in four lanes": (i, j) => add(floorDivide(j, 4), i),
    "least and greatest": (i, j) => add(minimum(i, j), maximum(multiply(i, 2), j)),
    products: (i, j) => multiply(add(i, 1), add(j, 1)),
  };
  for (const [name, index] of Object.entries(cases)) {
    for (const type of ["f32", "i32", "bool"] as const) {
      test(`load ${type}: ${name}`, () => {
        const x = buffer("x", type, 64);
        const out = buffer("out", type, 32, "write");
        const kernel = kernelOf(
          [x, out],
          loopOver("i", 4, "grid", (i) => [
            loopOver("j", 8, "vector", (j) => [store(out, add(multiply(i, 8), j), s.load(x, index(i, j)))]),
          ]),
        );
        check(kernel, new Map([[x, numbers(64).map((at) => (type === "bool" ? (at % 3) & 1 : at))]]));
      });
    }
    test(`index: ${name}`, () => {
      for (const type of ["i32", "u32", "f32"] as const) {
        const out = buffer("out", type, 32, "write");
        const kernel = kernelOf(
          [out],
          loopOver("i", 4, "loop", (i) => [
            loopOver("j", 8, "vector", (j) => [
              store(out, add(multiply(i, 8), j), s.indexValue(index(i, j), type)),
            ]),
          ]),
        );
        check(kernel, new Map());
      }
    });
  }

  test("stores of every stride", () => {
    for (const [type, value] of [
      ["f32", 0.5],
      ["bool", 0],
    ] as const) {
      for (const at of [
        (i: Expression, j: Expression) => add(multiply(i, 8), j),
        (i: Expression, j: Expression) => add(i, multiply(j, 4)),
        (i: Expression, j: Expression) => add(multiply(i, 8), subtract(7, j)),
        (i: Expression, j: Expression) => add(multiply(i, 8), multiply(modulo(j, 2), 4), floorDivide(j, 2)),
      ]) {
        const x = buffer("x", "f32", 32);
        const out = buffer("out", type, 32, "write");
        const kernel = kernelOf(
          [x, out],
          loopOver("i", 4, "loop", (i) => [
            loopOver("j", 8, "vector", (j) => {
              const loaded = s.load(x, add(multiply(i, 8), j));
              const compared = s.binary("gt", loaded, s.constant("f32", value));
              return [store(out, at(i, j), type === "bool" ? compared : loaded)];
            }),
          ]),
        );
        check(kernel, new Map([[x, numbers(32, -10)]]));
      }
    }
  });

  test("a long vector axis is a loop", () => {
    const x = buffer("x", "f32", 4096);
    const out = buffer("out", "f32", 4096, "write");
    const kernel = kernelOf(
      [x, out],
      loopOver("i", 4096, "vector", (i) => [store(out, i, s.unary("neg", s.load(x, i)))]),
    );
    check(kernel, new Map([[x, numbers(4096)]]));
    const text = sourceText(kernel, plain);
    expect(text.match(/v128\.store/g)).toHaveLength(1);
  });
});

describe("guards", () => {
  const x = buffer("x", "f32", 10);
  const out = buffer("out", "f32", 48, "write");
  const contents = new Map([[x, numbers(10, 1)]]);

  for (const tag of ["loop", "unroll", "vector"] as const) {
    test(`padding on both sides, in a loop tagged ${tag}`, () => {
      const kernel = kernelOf(
        [x, out],
        loopOver("k", 3, "loop", (k) => [
          loopOver("i", 16, tag, (i) => {
            const at = subtract(add(i, k), 4);
            return [store(out, add(multiply(k, 16), i), s.guard(inRange(at, 0, 10), s.load(x, at), -1))];
          }),
        ]),
      );
      const result = check(kernel, contents).get(out);
      expect(result?.slice(0, 16)).toEqual([-1, -1, -1, -1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, -1, -1]);
    });

    test(`a condition that does not depend on the loop tagged ${tag}`, () => {
      const kernel = kernelOf(
        [x, out],
        loopOver("k", 3, "loop", (k) => [
          loopOver("i", 8, tag, (i) => [
            store(out, add(multiply(k, 8), i), s.guard(atLeast(k, 1), s.load(x, add(i, subtract(k, 1))), 7)),
          ]),
        ]),
      );
      check(kernel, contents);
    });

    test(`conditions on quotients and remainders, in a loop tagged ${tag}`, () => {
      const kernel = kernelOf(
        [x, out],
        loopOver("k", 4, "loop", (k) => [
          loopOver("i", 12, tag, (i) => {
            const condition = and(equalTo(modulo(i, 2), 0), lessThan(floorDivide(add(i, k), 2), 5));
            const value = s.guard(condition, s.load(x, floorDivide(add(i, k), 2)), 9);
            return [store(out, add(multiply(k, 12), i), value)];
          }),
        ]),
      );
      check(kernel, contents);
    });

    test(`an if in a loop tagged ${tag}`, () => {
      const twice: Register = { name: "twice", type: "f32" };
      const kernel = kernelOf(
        [x, out],
        loopOver("k", 3, "loop", (k) => [
          loopOver("i", 12, tag, (i) => {
            const value = s.load(x, minimum(i, constant(9)));
            return [
              { kind: "let", register: twice, value: s.binary("add", value, value) },
              {
                kind: "if",
                condition: lessThan(add(i, multiply(k, 3)), 11),
                body: [store(out, add(multiply(k, 12), i), s.register(twice))],
              },
            ];
          }),
        ]),
      );
      check(kernel, contents);
    });
  }

  test("a load does not leave its guard or if, whose loop it does not depend on", () => {
    // Far outside the memory, so that loading it traps.
    const far = (k: Expression) => multiply(k, 100_000_000);
    for (const tag of ["loop", "vector"] as const) {
      const kernel = kernelOf(
        [x, out],
        loopOver("k", 3, "loop", (k) => [
          loopOver("i", 8, tag, (i) => {
            const at = add(multiply(k, 16), multiply(i, 2));
            return [
              store(out, at, s.guard(lessThan(k, 1), s.load(x, far(k)), 5)),
              {
                kind: "if",
                condition: lessThan(k, 1),
                body: [store(out, add(at, 1), s.unary("neg", s.load(x, far(k))))],
              },
            ];
          }),
        ]),
      );
      check(kernel, contents);
    }
  });

  test("what a branch computes does not outlive it", () => {
    const y = buffer("y", "f32", 48, "readwrite");
    const kernel = kernelOf(
      [x, y],
      loopOver("k", 4, "loop", (k) => [
        { kind: "if", condition: lessThan(k, 2), body: [store(y, k, s.load(x, add(k, 2)))] },
        store(y, add(k, 8), s.binary("mul", s.load(x, add(k, 2)), s.load(y, k))),
      ]),
    );
    check(kernel, new Map([...contents, [y, numbers(48)]]));
  });
});

describe("local arrays", () => {
  const x = buffer("x", "f32", 64);
  const contents = new Map([[x, numbers(64).map((at) => ((at * 37) % 19) - 9)]]);

  test("accumulators of a reduction, scalar and vector, are reset by each declare", () => {
    for (const tag of ["unroll", "vector"] as const) {
      const acc: LocalArray = { name: "acc", type: "f32", length: 8, initial: -Infinity };
      const out = buffer("out", "f32", 16, "write");
      const kernel = kernelOf(
        [x, out],
        loopOver("i", 2, "loop", (i) => [
          { kind: "declare", array: acc },
          loopOver("k", 4, "loop", (k) => [
            loopOver("j", 8, tag, (j) => {
              const value = s.load(x, add(multiply(i, 32), multiply(k, 8), j));
              return [
                { kind: "set", array: acc, index: j, value: s.binary("maximum", s.local(acc, j), value) },
              ];
            }),
          ]),
          loopOver("jo", 8, tag, (j) => [store(out, add(multiply(i, 8), j), s.local(acc, j))]),
        ]),
      );
      check(kernel, contents);
    }
  });

  test("elements of an array in vector registers, one by one and in runs that are not aligned", () => {
    for (const type of ["f32", "bool"] as const) {
      const array: LocalArray = { name: "array", type, length: 10, initial: 1 };
      const out = buffer("out", type, 12, "write");
      const value = (at: Expression) => {
        const loaded = s.load(x, at);
        return type === "bool" ? s.binary("lt", loaded, s.constant("f32", 0)) : loaded;
      };
      const kernel = kernelOf(
        [x, out],
        { kind: "declare", array },
        loopOver("j", 4, "vector", (j) => [{ kind: "set", array, index: add(j, 4), value: value(j) }]),
        loopOver("u", 2, "unroll", (u) => [
          { kind: "set", array, index: add(multiply(u, 3), 1), value: value(u) },
        ]),
        loopOver("v", 8, "vector", (v) => [store(out, v, s.local(array, add(v, 1)))]),
        loopOver("w", 4, "vector", (w) => [
          { kind: "set", array, index: add(w, 5), value: value(add(w, 20)) },
          store(out, add(w, 8), s.local(array, constant(9))),
        ]),
        loopOver("y", 8, "vector", (y) => [
          { kind: "set", array, index: floorDivide(y, 4), value: value(y) },
        ]),
        store(out, constant(11), s.local(array, constant(1))),
      );
      check(kernel, contents);
    }
  });

  test("a value read before a set is not that after it", () => {
    const array: LocalArray = { name: "array", type: "i32", length: 2, initial: 3 };
    const out = buffer("out", "i32", 6, "write");
    const before: Register = { name: "before", type: "i32" };
    const square = (at: number) =>
      s.binary("mul", s.local(array, constant(at)), s.local(array, constant(at)));
    const kernel = kernelOf(
      [out],
      { kind: "declare", array },
      { kind: "let", register: before, value: s.local(array, constant(0)) },
      store(out, constant(0), square(0)),
      loopOver("i", 3, "loop", (i) => [
        store(out, add(i, 1), square(0)),
        { kind: "set", array, index: constant(0), value: s.binary("add", square(0), s.constant("i32", 1)) },
      ]),
      store(out, constant(4), square(0)),
      store(out, constant(5), s.register(before)),
    );
    const result = check(kernel, new Map()).get(out);
    expect([...(result?.slice(0, 4) ?? []), result?.[5]]).toEqual([9, 9, 100, 10201, 3]);
  });

  test("a set changes what is computed from the array after it", () => {
    const array: LocalArray = { name: "array", type: "f32", length: 8, initial: 2 };
    const out = buffer("out", "f32", 16, "write");
    const square = (at: Expression) => s.binary("mul", s.local(array, at), s.local(array, at));
    const kernel = kernelOf(
      [out],
      { kind: "declare", array },
      loopOver("j", 8, "vector", (j) => [
        store(out, j, square(j)),
        { kind: "set", array, index: j, value: square(j) },
        store(out, add(j, 8), square(j)),
      ]),
      { kind: "set", array, index: constant(3), value: square(constant(3)) },
      store(out, constant(0), square(constant(3))),
    );
    expect(check(kernel, new Map()).get(out)).toEqual([
      256,
      4,
      4,
      4,
      4,
      4,
      4,
      4,
      ...numbers(8).map(() => 16),
    ]);
  });

  test("an array that is declared again starts anew", () => {
    const array: LocalArray = { name: "array", type: "u32", length: 1, initial: 3 };
    const out = buffer("out", "u32", 4, "write");
    const zero = constant(0);
    const square = s.binary("mul", s.local(array, zero), s.local(array, zero));
    const kernel = kernelOf(
      [out],
      loopOver("u", 2, "unroll", (u) => [
        { kind: "declare", array },
        store(out, multiply(u, 2), square),
        { kind: "set", array, index: zero, value: s.constant("u32", 5) },
        store(out, add(multiply(u, 2), 1), square),
      ]),
    );
    expect(check(kernel, new Map()).get(out)).toEqual([9, 25, 9, 25]);
  });

  test("a vector register's lanes, one by one", () => {
    const array: LocalArray = { name: "array", type: "f32", length: 4, initial: 0 };
    const out = buffer("out", "f32", 8, "write");
    const value: Register = { name: "value", type: "f32" };
    const kernel = kernelOf(
      [x, out],
      { kind: "declare", array },
      loopOver("j", 4, "vector", (j) => [
        { kind: "let", register: value, value: s.load(x, j) },
        { kind: "set", array, index: subtract(3, j), value: s.unary("neg", s.register(value)) },
      ]),
      loopOver("k", 4, "unroll", (k) => [store(out, k, s.local(array, k))]),
    );
    check(kernel, contents);
  });

  test("an index that stays variable is refused", () => {
    const array: LocalArray = { name: "array", type: "f32", length: 4, initial: 0 };
    const out = buffer("out", "f32", 4, "write");
    const kernel = kernelOf(
      [out],
      { kind: "declare", array },
      loopOver("i", 4, "loop", (i) => [store(out, i, s.local(array, i))]),
    );
    expect(() => printWasm([kernel], plain)).toThrow(/index of array is not constant.*unroll or vector/);
  });
});

describe("run-time indices", () => {
  for (const tag of ["loop", "unroll", "vector"] as const) {
    test(`gather and scatter in a loop tagged ${tag}`, () => {
      const indices = buffer("indices", "i32", 8);
      const x = buffer("x", "f32", 40);
      const out = buffer("out", "f32", 40, "write");
      const row: Register = { name: "row", type: "i32", opaqueId: 7 };
      const at = opaque(7, 0, 9);
      const kernel = kernelOf(
        [indices, x, out],
        loopOver("i", 8, tag, (i) => [
          { kind: "let", register: row, value: s.load(indices, i) },
          store(
            out,
            add(multiply(at, 4), 1),
            s.guard(lessThan(at, 8), s.load(x, add(multiply(at, 4), floorDivide(i, 2))), -5),
          ),
        ]),
      );
      check(
        kernel,
        new Map([
          [indices, [3, 9, 0, 1, 8, 7, 2, 5]],
          [x, numbers(40)],
        ]),
      );
    });
  }

  test("one index for a whole row", () => {
    const indices = buffer("indices", "u32", 5);
    const x = buffer("x", "f32", 32);
    const out = buffer("out", "f32", 40, "write");
    const row: Register = { name: "row", type: "u32", opaqueId: 1 };
    const kernel = kernelOf(
      [indices, x, out],
      loopOver("i", 5, "loop", (i) => [
        { kind: "let", register: row, value: s.load(indices, i) },
        loopOver("j", 8, "vector", (j) => [
          store(out, add(multiply(i, 8), j), s.load(x, add(multiply(opaque(1, 0, 3), 8), j))),
        ]),
      ]),
    );
    const contents = new Map([
      [indices, [3, 0, 2, 2, 1]],
      [x, numbers(32)],
    ]);
    expect(check(kernel, contents).get(out)?.slice(0, 9)).toEqual([24, 25, 26, 27, 28, 29, 30, 31, 0]);
    expect(sourceText(kernel, plain)).not.toMatch(/load32_lane/);
  });
});

describe("loops", () => {
  test("of no iterations, of one, and nested ones of every tag", () => {
    const out = buffer("out", "i32", 64, "readwrite");
    const kernel = kernelOf(
      [out],
      loopOver("never", 0, "loop", () => [store(out, constant(63), s.constant("i32", 9))]),
      loopOver("once", 1, "grid", (once) => [
        loopOver("i", 2, "grid", (i) => [
          loopOver("u", 3, "unroll", (u) => [
            loopOver("k", 2, "loop", (k) => [
              loopOver("j", 4, "vector", (j) => {
                const index = add(multiply(i, 24), multiply(u, 8), multiply(k, 4), j, once);
                return [store(out, index, s.binary("add", s.load(out, index), s.indexValue(index, "i32")))];
              }),
            ]),
          ]),
        ]),
      ]),
    );
    check(kernel, new Map([[out, numbers(64, 100)]]));
  });

  test("vector axes that are no multiple of 4, or that contain loops, are refused", () => {
    const out = buffer("out", "f32", 16, "write");
    const value = s.constant("f32", 1);
    const odd = kernelOf(
      [out],
      loopOver("i", 6, "vector", (i) => [store(out, i, value)]),
    );
    expect(() => printWasm([odd], plain)).toThrow(/vector axis i has extent 6; make it a multiple of 4/);
    for (const tag of ["loop", "vector"] as const) {
      const nested = kernelOf(
        [out],
        loopOver("i", 4, "vector", (i) => [
          loopOver("j", 4, tag, (j) => [store(out, add(multiply(i, 4), j), value)]),
        ]),
      );
      expect(() => printWasm([nested], plain)).toThrow(InternalError);
    }
  });

  test("several kernels in one module share their memory", () => {
    const x = buffer("x", "f32", 8);
    const between = buffer("between", "f32", 8, "readwrite");
    const out = buffer("out", "f32", 8, "write");
    const map = (from: Buffer, to: Buffer, f: (v: Scalar) => Scalar) =>
      kernelOf(
        [from, to],
        loopOver("i", 8, "vector", (i) => [store(to, i, f(s.load(from, i)))]),
      );
    const kernels = [
      map(x, between, (v) => s.binary("mul", v, v)),
      map(between, out, (v) => s.binary("add", v, s.constant("f32", 1))),
    ];
    expect(printWasm(kernels, plain).exports).toEqual(["k0", "k1"]);
    expect(runWasm(kernels, new Map([[x, numbers(8)]])).get(out)).toEqual([1, 2, 5, 10, 17, 26, 37, 50]);
  });
});

describe("matrix product", () => {
  for (const [M, N, K] of [
    [6, 8, 4],
    [12, 16, 24],
    [13, 19, 7],
    [5, 3, 2],
    [7, 8, 9],
    [1, 33, 1],
  ] as const) {
    test(`[${M}, ${K}] by [${K}, ${N}]`, () => {
      const kernel = gemm(M, N, K);
      const [a, b, c] = kernel.buffers as readonly [Buffer, Buffer, Buffer];
      const contents = new Map([
        [a, numbers(M * K).map((at) => ((at * 31) % 17) - 8)],
        [b, numbers(K * N).map((at) => ((at * 13) % 23) - 11)],
      ]);
      const expected = numbers(M * N).map((at) => {
        const [row, column] = [Math.floor(at / N), at % N];
        return numbers(K).reduce(
          (sum, k) => sum + (contents.get(a)?.[row * K + k] ?? 0) * (contents.get(b)?.[k * N + column] ?? 0),
          0,
        );
      });
      for (const relaxedSimd of detectFeatures().relaxedSimd ? [false, true] : [false]) {
        expect(runWasm([kernel], contents, { relaxedSimd }).get(c)).toEqual(expected);
      }
    });
  }

  test("the inner loop loads each operand once and keeps two addresses", () => {
    const text = sourceText(gemm(48, 48, 48), { relaxedSimd: true });
    const loops = text.split(/\n\s*loop\n/);
    const inner = loops.at(-1)?.split(/\n\s*end\n/)[0] ?? "";
    const count = (what: RegExp) => inner.match(what)?.length ?? 0;
    expect(count(/relaxed_madd/g)).toBe(48);
    expect(count(/v128\.load /g) + count(/v128\.load\)/g)).toBe(8);
    expect(count(/v128\.load32_splat/g)).toBe(24);
    expect(count(/i32\.add/g)).toBe(3);
    expect(count(/i32\.(mul|shl)/g)).toBe(0);
    expect(count(/br_if/g)).toBe(1);
  });
});
