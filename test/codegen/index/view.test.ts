import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  always,
  and,
  type Condition,
  evaluateCondition,
  formatCondition,
  substituteCondition,
} from "../../../src/codegen/index/condition.ts";
import {
  coefficientOf,
  type Expression,
  equal,
  evaluate,
  format,
  linearize,
  substitute,
  variable,
  variablesOf,
} from "../../../src/codegen/index/expression.ts";
import {
  expandIndex,
  flipIndex,
  type GuardedIndex,
  padIndex,
  permuteIndex,
  reshapeIndex,
  sliceIndex,
  unfoldIndex,
} from "../../../src/codegen/index/view.ts";
import { InternalError } from "../../../src/graph/errors.ts";

const sizeOf = (shape: readonly number[]) => shape.reduce((product, extent) => product * extent, 1);
const axes = (shape: readonly number[]) => shape.map((extent, dim) => variable(`i${dim}`, extent));
const formats = (index: readonly Expression[]) => index.map(format).join(", ");

/** A tensor in memory; padding is -1. */
interface Materialised {
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

/** A tensor of the shape, each element computed from its index. */
function materialise(shape: readonly number[], at: (index: readonly number[]) => number): Materialised {
  const values: number[] = [];
  for (let position = 0; position < sizeOf(shape); position++) values.push(at(unravel(position, shape)));
  return { shape, values };
}

function unravel(position: number, shape: readonly number[]): number[] {
  const index: number[] = [];
  for (const extent of [...shape].reverse()) {
    index.unshift(position % extent);
    position = (position - (position % extent)) / extent;
  }
  return index;
}

function read({ shape, values }: Materialised, index: readonly number[]): number {
  if (index.some((one, dim) => one < 0 || one >= (shape[dim] as number))) return -1;
  return values[index.reduce((position, one, dim) => position * (shape[dim] as number) + one, 0)] as number;
}

/** A movement operation two ways: as a new tensor, and as an index rewrite. */
interface Movement {
  readonly name: string;
  readonly result: Materialised;
  readonly pull: (index: readonly Expression[]) => GuardedIndex;
}

const unguarded = (index: Expression[]): GuardedIndex => ({ index, guard: always });

function movement(input: Materialised, kind: number, seeds: readonly number[]): Movement {
  const { shape } = input;
  const seed = (at: number) => seeds[at % seeds.length] as number;
  switch (kind) {
    case 0:
    case 1: {
      let rest = sizeOf(shape);
      const outShape: number[] = seed(0) % 5 === 0 ? [1] : [];
      for (let at = 1; rest > 1; at++) {
        const divisors = [...Array(rest).keys()].map((n) => n + 1).filter((n) => n > 1 && rest % n === 0);
        const divisor = divisors[seed(at) % divisors.length] as number;
        outShape.push(divisor);
        rest /= divisor;
      }
      const result = { shape: outShape, values: input.values };
      return {
        name: `reshape ${outShape}`,
        result,
        pull: (o) => unguarded(reshapeIndex(o, outShape, shape)),
      };
    }
    case 2: {
      const dims = shape.map((_, dim) => dim).sort((a, b) => seed(a) - seed(b) || a - b);
      const result = materialise(
        dims.map((dim) => shape[dim] as number),
        (index) =>
          read(
            input,
            shape.map((_, dim) => index[dims.indexOf(dim)] as number),
          ),
      );
      return { name: `permute ${dims}`, result, pull: (o) => unguarded(permuteIndex(o, dims)) };
    }
    case 3: {
      const dims = shape.map((_, dim) => dim).filter((dim) => seed(dim) % 2 === 0);
      const result = materialise(shape, (index) =>
        read(
          input,
          index.map((one, dim) => (dims.includes(dim) ? (shape[dim] as number) - 1 - one : one)),
        ),
      );
      return { name: `flip ${dims}`, result, pull: (o) => unguarded(flipIndex(o, dims, shape)) };
    }
    case 4: {
      const steps = shape.map((_, dim) => [1, 2, -1, -2][seed(dim) % 4] as number);
      const starts = shape.map((extent, dim) =>
        (steps[dim] as number) > 0 ? seed(dim + 1) % Math.min(extent, 3) : extent - 1,
      );
      const outShape = shape.map((extent, dim) => {
        const room = (steps[dim] as number) > 0 ? extent - (starts[dim] as number) : extent;
        return Math.ceil(room / Math.abs(steps[dim] as number));
      });
      const result = materialise(outShape, (index) =>
        read(
          input,
          index.map((one, dim) => (starts[dim] as number) + one * (steps[dim] as number)),
        ),
      );
      return {
        name: `slice ${starts} by ${steps}`,
        result,
        pull: (o) => unguarded(sliceIndex(o, starts, steps)),
      };
    }
    case 5: {
      const outShape = [
        ...(seed(0) % 2 === 0 ? [2] : []),
        ...shape.map((extent) => (extent === 1 ? 3 : extent)),
      ];
      const added = outShape.length - shape.length;
      const result = materialise(outShape, (index) =>
        read(
          input,
          shape.map((extent, dim) => (extent === 1 ? 0 : (index[dim + added] as number))),
        ),
      );
      return { name: `expand ${outShape}`, result, pull: (o) => unguarded(expandIndex(o, shape)) };
    }
    case 6: {
      const dim = seed(0) % shape.length;
      const extent = shape[dim] as number;
      const size = 1 + (seed(1) % Math.min(3, extent));
      const dilation = size === 1 ? 2 : 1 + (seed(2) % Math.min(2, Math.floor((extent - 1) / (size - 1))));
      const step = 1 + (seed(3) % 3);
      const windows = Math.floor((extent - (size - 1) * dilation - 1) / step) + 1;
      const outShape = [...shape.map((one, at) => (at === dim ? windows : one)), size];
      const result = materialise(outShape, (index) =>
        read(
          input,
          shape.map((_, at) => {
            const k = index[shape.length] as number;
            return at === dim ? (index[at] as number) * step + k * dilation : (index[at] as number);
          }),
        ),
      );
      return {
        name: `unfold ${dim}: ${size} by ${step}, ${dilation} apart`,
        result,
        pull: (o) => unguarded(unfoldIndex(o, dim, step, dilation)),
      };
    }
    default: {
      const before = shape.map((_, dim) => (seed(dim) % 3) - (seed(dim) % 7 === 6 ? 1 : 0));
      const outShape = shape.map((extent, dim) =>
        Math.max(extent + (before[dim] as number) + (seed(dim + 1) % 2), 1),
      );
      const result = materialise(outShape, (index) =>
        read(
          input,
          index.map((one, dim) => one - (before[dim] as number)),
        ),
      );
      return { name: `pad ${before} to ${outShape}`, result, pull: (o) => padIndex(o, before, shape) };
    }
  }
}

const shapes = fc.constantFrom([24], [4, 6], [2, 3, 4], [1, 6], [3, 1, 2], [2, 2, 2, 3], [5], [6, 8]);
const moves = fc.array(fc.tuple(fc.nat(7), fc.array(fc.nat(20), { minLength: 5, maxLength: 5 })), {
  minLength: 1,
  maxLength: 7,
});

describe("chains of views", () => {
  test("read what materialising every step gives", () => {
    fc.assert(
      fc.property(shapes, moves, (shape, steps) => {
        const source = materialise(shape, (index) =>
          index.reduce((p, one, dim) => p * (shape[dim] as number) + one, 0),
        );
        const chain: Movement[] = [];
        for (const [kind, seeds] of steps) {
          const next = movement(chain.at(-1)?.result ?? source, kind, seeds);
          if (sizeOf(next.result.shape) <= 400) chain.push(next);
        }
        const result = chain.at(-1)?.result ?? source;
        let index = axes(result.shape);
        let guard: Condition = always;
        for (const { pull } of [...chain].reverse()) {
          const pulled = pull(index);
          index = pulled.index;
          guard = and(guard, pulled.guard);
        }
        const position = linearize(index, shape);
        for (let at = 0; at < result.values.length; at++) {
          const environment = new Map(unravel(at, result.shape).map((one, dim) => [`i${dim}`, one]));
          const value = evaluateCondition(guard, environment) ? evaluate(position, environment) : -1;
          if (value !== result.values[at]) {
            throw new Error(
              `${shape}: ${chain.map(({ name }) => name).join("; ")}: ${format(position)} where ` +
                `${formatCondition(guard)} is ${value} at ${[...environment.values()]}, ` +
                `not ${result.values[at]}`,
            );
          }
        }
      }),
      { numRuns: 3_000 },
    );
  });

  test("reshapes that split and merge whole factors stay affine, and undo themselves", () => {
    const factors = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 6 });
    const step = fc.tuple(
      fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }),
      fc.array(fc.nat(9)),
      fc.nat(7),
    );
    fc.assert(
      fc.property(factors, fc.array(step, { minLength: 1, maxLength: 8 }), (atoms, steps) => {
        const start = axes(atoms);
        let index = start;
        // Each dim is a run of factors; a step regroups the runs, permutes and flips them.
        let runs = atoms.map((atom) => [atom]);
        const undo: ((o: Expression[]) => Expression[])[] = [];
        for (const [joins, order, flipped] of steps) {
          const before = runs.map(sizeOf);
          runs = regroup(runs.flat(), joins);
          const after = runs.map(sizeOf);
          index = reshapeIndex(index, before, after);
          const dims = after.map((_, dim) => dim).sort((p, q) => (order[p] ?? 5) - (order[q] ?? 5) || p - q);
          index = permuteIndex(index, dims);
          runs = after.map((_, dim) => runs[dims.indexOf(dim)] as number[]);
          const shape = runs.map(sizeOf);
          index = flipIndex(index, [flipped], shape);
          undo.push((o) => {
            const inverse = dims.map((_, dim) => dims.indexOf(dim));
            return reshapeIndex(permuteIndex(flipIndex(o, [flipped], shape), inverse), after, before);
          });
        }
        for (const one of index) {
          for (const name of variablesOf(one).keys()) expect(coefficientOf(one, name)).toBeDefined();
        }
        for (const back of undo.reverse()) index = back(index);
        expect(formats(index)).toBe(formats(start));
      }),
      { numRuns: 2_000 },
    );
  });

  test("any reshape and permutation undo themselves", () => {
    fc.assert(
      fc.property(shapes, fc.array(fc.nat(20), { minLength: 5, maxLength: 5 }), (shape, seeds) => {
        const start = axes(shape);
        const { shape: other } = movement(
          materialise(shape, () => 0),
          0,
          seeds,
        ).result;
        const dims = other
          .map((_, dim) => dim)
          .sort((p, q) => (seeds[p % 5] as number) - (seeds[q % 5] as number) || p - q);
        const inverse = dims.map((_, dim) => dims.indexOf(dim));
        const there = permuteIndex(reshapeIndex(start, shape, other), dims);
        expect(formats(reshapeIndex(permuteIndex(there, inverse), other, shape))).toBe(formats(start));
      }),
      { numRuns: 1_000 },
    );
  });

  test("substitution of axes into a view keeps it simple", () => {
    const index = reshapeIndex(axes([48, 768]), [48, 768], [4, 12, 12, 64]);
    const split = new Map([
      ["i0", linearize([variable("b", 4), variable("t", 12)], [4, 12])],
      ["i1", linearize([variable("h", 12), variable("d", 64)], [12, 64])],
    ]);
    expect(formats(index.map((one) => substitute(one, split)))).toBe("b, t, h, d");
    const { guard } = padIndex(axes([48]), [2], [44]);
    expect(formatCondition(substituteCondition(guard, split))).toBe("1 < b*12 + t and b*12 + t < 46");
  });
});

/** Neighbouring factors joined into runs where `joins` says so. */
function regroup(factors: readonly number[], joins: readonly boolean[]): number[][] {
  const runs: number[][] = [];
  for (const [at, factor] of factors.entries()) {
    const last = runs.at(-1);
    if (last !== undefined && joins[at] === true) last.push(factor);
    else runs.push([factor]);
  }
  return runs;
}

describe("attention's views are affine", () => {
  const [B, T, H, D] = [2, 16, 12, 64];

  test("split heads: [B*T, H*D] as [B, H, T, D]", () => {
    const heads = permuteIndex(axes([B, H, T, D]), [0, 2, 1, 3]);
    const index = reshapeIndex(heads, [B, T, H, D], [B * T, H * D]);
    expect(formats(index)).toBe("i0*16 + i2, i1*64 + i3");
    const position = linearize(index, [B * T, H * D]);
    expect(format(position)).toBe("i0*12288 + i2*768 + i1*64 + i3");
    for (const name of variablesOf(position).keys()) expect(coefficientOf(position, name)).toBeGreaterThan(0);
  });

  test("one of three in a joint projection, heads merged for a batched product", () => {
    // [B*T, 3*H*D] -> [B, T, 3, H, D] -> the second -> [B, H, T, D] -> [B*H, T, D]
    const o = axes([B * H, T, D]);
    const split = reshapeIndex(o, [B * H, T, D], [B, H, T, D]);
    const [b, t, h, d] = permuteIndex(split, [0, 2, 1, 3]) as [
      Expression,
      Expression,
      Expression,
      Expression,
    ];
    const joint = reshapeIndex([b, t, variable("one", 1), h, d], [B, T, 1, H, D], [B, T, 1, H, D]);
    const taken = sliceIndex(joint, [0, 0, 1, 0, 0], [1, 1, 1, 1, 1]);
    const index = reshapeIndex(taken, [B, T, 3, H, D], [B * T, 3 * H * D]);
    expect(formats(index)).toBe("(i0 / 12)*16 + i1, (i0 % 12)*64 + i2 + 768");
  });

  test("merge heads: back to [B*T, H*D]", () => {
    const split = reshapeIndex(axes([B * T, H * D]), [B * T, H * D], [B, T, H, D]);
    const swapped = permuteIndex(permuteIndex(split, [0, 2, 1, 3]), [0, 2, 1, 3]);
    expect(formats(reshapeIndex(swapped, [B, T, H, D], [B * T, H * D]))).toBe("i0, i1");
  });

  test("the shift of relative positions", () => {
    // [T, W] -> [W, T] -> without its first row -> [T, W - 1] -> the first K columns
    const [K, W] = [10, 26];
    const columns = axes([T, K]);
    const rows = reshapeIndex(columns, [T, W - 1], [W - 1, T]);
    const index = reshapeIndex(sliceIndex(rows, [1, 0], [1, 1]), [W, T], [T, W]);
    expect(formats(index)).toBe("i0, 16 - i0 + i1");
  });

  test("a roll by slices reads through one remainder at most", () => {
    const index = reshapeIndex(sliceIndex(axes([12]), [4], [1]), [24], [2, 12]);
    expect(formats(index)).toBe("(i0 + 4) / 12, (i0 + 4) % 12");
    expect(equal(linearize(index, [2, 12]), sliceIndex(axes([12]), [4], [1])[0] as Expression)).toBe(true);
  });
});

describe("single views", () => {
  test("pad guards only the sides that exist", () => {
    const { index, guard } = padIndex(axes([6, 10]), [2, 0], [4, 7]);
    expect(formats(index)).toBe("i0 - 2, i1");
    expect(formatCondition(guard)).toBe("1 < i0 and i1 < 7");
    expect(padIndex(axes([6]), [0], [6]).guard).toEqual(always);
  });

  test("reshape with dims of extent 1 and without elements", () => {
    expect(formats(reshapeIndex(axes([6]), [6], [1, 6, 1]))).toBe("0, i0, 0");
    expect(formats(reshapeIndex(axes([1, 6, 1]), [1, 6, 1], [6]))).toBe("i1");
    expect(formats(reshapeIndex([], [], [1, 1]))).toBe("0, 0");
    expect(reshapeIndex(axes([1, 1]), [1, 1], [])).toEqual([]);
    expect(formats(reshapeIndex(axes([0, 3]), [0, 3], [5, 0]))).toBe("0, 0");
  });

  test("arguments that do not fit throw", () => {
    expect(() => reshapeIndex(axes([6]), [6], [5])).toThrow(InternalError);
    expect(() => reshapeIndex(axes([6]), [2, 3], [6])).toThrow(InternalError);
    expect(() => permuteIndex(axes([2, 3]), [0, 0])).toThrow(InternalError);
    expect(() => expandIndex(axes([2]), [2, 3])).toThrow(InternalError);
    expect(() => sliceIndex(axes([2]), [0, 0], [1, 1])).toThrow(InternalError);
    expect(() => padIndex(axes([2]), [0, 0], [2])).toThrow(InternalError);
  });
});
