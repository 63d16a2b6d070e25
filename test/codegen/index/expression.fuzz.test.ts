import fc from "fast-check";
import { expect, test } from "vitest";
import {
  add,
  type Expression,
  evaluate,
  floorDivide,
  format,
  maximum,
  minimum,
  modulo,
  multiply,
  opaque,
  rangedVariable,
  subtract,
  termsOf,
} from "../../../src/codegen/index/expression.ts";

/** An expression with its value in each environment, computed by plain arithmetic next to it. */
interface Pair {
  readonly expression: Expression;
  readonly values: readonly number[];
}

const floorOf = (a: number, b: number) => Math.floor(a / b);

type Step = readonly [operation: number, a: number, b: number, n: number];

function apply([operation, a, b, n]: Step, pool: readonly Pair[]): Pair {
  const x = pool[a % pool.length] as Pair;
  const y = pool[b % pool.length] as Pair;
  const small = (pair: Pair) => pair.values.every((value) => Math.abs(value) < 2000);
  const unary = (expression: Expression, f: (v: number) => number) => ({
    expression,
    values: x.values.map(f),
  });
  const binary = (expression: Expression, f: (v: number, w: number) => number) => ({
    expression,
    values: x.values.map((value, at) => f(value, y.values[at] as number)),
  });
  const divisor = Math.abs(n) + 1;
  switch (operation) {
    case 0:
      return binary(add(x.expression, y.expression), (v, w) => v + w);
    case 1:
      return binary(subtract(x.expression, y.expression), (v, w) => v - w);
    case 2:
      return unary(small(x) ? multiply(x.expression, n) : x.expression, (v) => (small(x) ? v * n : v));
    case 3:
    case 4:
      return unary(floorDivide(x.expression, divisor), (v) => floorOf(v, divisor));
    case 5:
    case 6:
      return unary(modulo(x.expression, divisor), (v) => v - divisor * floorOf(v, divisor));
    case 7:
      return unary(add(x.expression, n), (v) => v + n);
    case 8:
      return binary(minimum(x.expression, y.expression), Math.min);
    case 9:
      return binary(maximum(x.expression, y.expression), Math.max);
    case 10: // x + n*y, as positions are made
      return small(y)
        ? binary(add(x.expression, multiply(y.expression, n)), (v, w) => v + n * w)
        : binary(add(x.expression, y.expression), (v, w) => v + w);
    default:
      return small(x) && small(y)
        ? binary(multiply(x.expression, y.expression), (v, w) => v * w)
        : unary(x.expression, (v) => v);
  }
}

/** What every expression promises about its form. */
function checkForm(expression: Expression): void {
  for (const { of } of termsOf(expression)) {
    if (of.kind === "floorDivide" || of.kind === "modulo") {
      if (of.of.min < 0) throw new Error(`a negative dividend in ${format(expression)}`);
      checkForm(of.of);
    }
  }
}

const step = fc.tuple(fc.nat(11), fc.nat(20), fc.nat(20), fc.integer({ min: -13, max: 13 }));
const ranges = fc.array(fc.tuple(fc.integer({ min: -5, max: 3 }), fc.nat(7)), { minLength: 3, maxLength: 3 });

let built = 0;

test("random expressions keep their value in every environment and stay in their interval", () => {
  fc.assert(
    fc.property(
      ranges,
      fc.boolean(),
      fc.array(step, { minLength: 8, maxLength: 14 }),
      (bounds, indexed, steps) => {
        const [first, second, third] = bounds.map(([min, size]) => ({ min: indexed ? 0 : min, size }));
        if (first === undefined || second === undefined || third === undefined)
          throw new Error("three ranges");
        const environments: Map<string | number, number>[] = [];
        for (let i = 0; i <= first.size; i++) {
          for (let j = 0; j <= second.size; j++) {
            for (let k = 0; k <= third.size; k++) {
              environments.push(
                new Map<string | number, number>([
                  ["i", first.min + i],
                  ["j", second.min + j],
                  [7, third.min + k],
                ]),
              );
            }
          }
        }
        const column = (key: string | number) =>
          environments.map((environment) => environment.get(key) as number);
        const pool: Pair[] = [
          { expression: rangedVariable("i", first.min, first.min + first.size), values: column("i") },
          { expression: rangedVariable("j", second.min, second.min + second.size), values: column("j") },
          { expression: opaque(7, third.min, third.min + third.size), values: column(7) },
        ];
        for (const one of steps) {
          const pair = apply(one, pool);
          pool.push(pair);
          built++;
          checkForm(pair.expression);
          // Every environment of the last few, a dense sample of the others.
          const stride = environments.length > 64 ? 5 : 1;
          for (let at = 0; at < environments.length; at += stride) {
            const environment = environments[at] as Map<string | number, number>;
            const value = evaluate(pair.expression, environment);
            const wanted = pair.values[at] as number;
            if (value !== wanted || wanted < pair.expression.min || wanted > pair.expression.max) {
              throw new Error(
                `${format(pair.expression)} in ${pair.expression.min}..${pair.expression.max} is ${value}, ` +
                  `expected ${wanted} for ${JSON.stringify([...environment])}`,
              );
            }
          }
        }
      },
    ),
    { numRuns: 9_500, seed: 20, endOnFailure: false },
  );
  expect(built).toBeGreaterThan(100_000);
});
