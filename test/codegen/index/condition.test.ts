import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  always,
  and,
  atLeast,
  type Condition,
  equalConditions,
  equalTo,
  evaluateCondition,
  formatCondition,
  inRange,
  lessThan,
  never,
  substituteCondition,
  variablesOfCondition,
} from "../../../src/codegen/index/condition.ts";
import {
  add,
  constant,
  evaluate,
  floorDivide,
  modulo,
  multiply,
  subtract,
  variable,
} from "../../../src/codegen/index/expression.ts";

const i = variable("i", 6);
const j = variable("j", 8);

describe("conditions", () => {
  const cases: readonly (readonly [string, Condition])[] = [
    ["always", lessThan(i, 6)],
    ["never", lessThan(i, 0)],
    ["i < 5", lessThan(i, 5)],
    ["1 < i", atLeast(i, 2)],
    ["always", atLeast(i, 0)],
    ["i < j + 1", atLeast(j, i)],
    ["i < 3", lessThan(multiply(i, 4), 11)],
    ["2 < i", atLeast(multiply(i, 4), 11)],
    ["i = 3", equalTo(multiply(i, 4), 12)],
    ["never", equalTo(multiply(i, 4), 13)],
    ["i = 3", equalTo(3, i)],
    ["always", equalTo(i, i)],
    ["1 < i and i < 5", inRange(i, 2, 5)],
    ["1 < i", inRange(i, 2, 9)],
    ["i < 3", and(lessThan(i, 4), always, lessThan(i, 3))],
    ["i = 2", and(lessThan(i, 4), equalTo(i, 2), atLeast(i, 1))],
    ["never", and(lessThan(i, 3), atLeast(i, 3))],
    ["never", and(equalTo(i, 2), equalTo(i, 3))],
    ["never", and(equalTo(i, 2), lessThan(i, 2))],
    ["never", and(lessThan(i, 3), never)],
    ["always", and()],
  ];
  test.each(cases)("%s", (expected, condition) => {
    expect(formatCondition(condition)).toBe(expected);
  });

  test("structure, substitution, variables", () => {
    const one = and(lessThan(i, 3), atLeast(j, 2));
    expect(equalConditions(one, and(atLeast(j, 2), lessThan(i, 3)))).toBe(true);
    expect(equalConditions(one, lessThan(i, 3))).toBe(false);
    expect([...variablesOfCondition(one).keys()].sort()).toEqual(["i", "j"]);
    expect(
      substituteCondition(
        one,
        new Map([
          ["i", constant(1)],
          ["j", constant(7)],
        ]),
      ),
    ).toEqual(always);
    expect(formatCondition(substituteCondition(one, new Map([["j", add(i, 1)]])))).toBe("0 < i and i < 3");
    expect(formatCondition(substituteCondition(equalTo(i, j), new Map([["j", add(i, 1)]])))).toBe("never");
  });

  test("random conjunctions hold exactly where their parts do", () => {
    const operand = fc
      .tuple(
        fc.integer({ min: -3, max: 3 }),
        fc.integer({ min: -3, max: 3 }),
        fc.integer({ min: -9, max: 9 }),
        fc.nat(3),
      )
      .map(([a, b, c, form]) => {
        const sum = add(multiply(i, a), multiply(j, b), c);
        return form === 0 ? floorDivide(sum, 3) : form === 1 ? modulo(sum, 4) : sum;
      });
    const part = fc.tuple(fc.constantFrom("less", "atLeast", "equal"), operand, operand);
    fc.assert(
      fc.property(fc.array(part, { maxLength: 4 }), (parts) => {
        const built = and(
          ...parts.map(([kind, a, b]) =>
            kind === "less" ? lessThan(a, b) : kind === "equal" ? equalTo(a, b) : atLeast(a, b),
          ),
        );
        let holds = 0;
        for (let iv = 0; iv < 6; iv++) {
          for (let jv = 0; jv < 8; jv++) {
            const environment = new Map([
              ["i", iv],
              ["j", jv],
            ]);
            const wanted = parts.every(([kind, a, b]) => {
              const difference = evaluate(subtract(a, b), environment);
              return kind === "less" ? difference < 0 : kind === "equal" ? difference === 0 : difference >= 0;
            });
            expect(evaluateCondition(built, environment)).toBe(wanted);
            if (wanted) holds++;
          }
        }
        if (built.kind === "always") expect(holds).toBe(48);
        if (built.kind === "never") expect(holds).toBe(0);
      }),
      { numRuns: 1_500 },
    );
  });
});
