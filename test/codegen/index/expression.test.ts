import { describe, expect, test } from "vitest";
import {
  add,
  coefficientOf,
  delinearize,
  divideModulo,
  type Expression,
  equal,
  evaluate,
  floorDivide,
  format,
  linearize,
  maximum,
  minimum,
  modulo,
  multiply,
  opaque,
  opaquesOf,
  rangedVariable,
  substitute,
  subtract,
  variable,
  variablesOf,
} from "../../../src/codegen/index/expression.ts";
import { InternalError } from "../../../src/graph/errors.ts";

const i = variable("i", 6);
const j = variable("j", 8);
const x = variable("x", 1000);
const signed = rangedVariable("s", -20, 20);

describe("simplification", () => {
  const cases: readonly (readonly [string, Expression])[] = [
    // Sums and factors.
    ["i*2 + j + 3", add(i, 1, j, i, 2)],
    ["0", subtract(i, i)],
    ["5 - i", subtract(5, i)],
    ["j*24 - i*6", multiply(subtract(multiply(j, 4), i), 6)],
    ["0", multiply(i, 0)],
    ["0", variable("one", 1)],
    // Division by interval, whole multiples, common factors.
    ["0", floorDivide(i, 6)],
    ["i", modulo(i, 6)],
    ["-1", floorDivide(subtract(i, 6), 6)],
    ["i", modulo(subtract(i, 6), 6)],
    ["i", floorDivide(add(multiply(i, 8), j), 8)],
    ["j", modulo(add(multiply(i, 8), j), 8)],
    ["i + 2", floorDivide(add(multiply(i, 8), j, 16), 8)],
    ["i*4 + j / 2", floorDivide(add(multiply(i, 8), j), 2)],
    ["(i*8 + j) / 12", floorDivide(add(multiply(i, 8), j), 12)],
    ["(i*2 + j / 4) % 3", floorDivide(modulo(add(multiply(i, 8), j), 12), 4)],
    ["(x % 5)*3 + 1", modulo(add(multiply(x, 3), 1), 15)],
    ["x + x / 12", floorDivide(multiply(x, 13), 12)],
    // Negative values floor.
    ["(s + 20) / 4 - 5", floorDivide(signed, 4)],
    ["(s + 20) % 4", modulo(signed, 4)],
    ["5 - (x / 4)", floorDivide(subtract(23, x), 4)],
    ["3 - (x % 4)", modulo(subtract(23, x), 4)],
    // Nested divisions and remainders.
    ["x / 35", floorDivide(floorDivide(x, 5), 7)],
    ["x % 5", modulo(modulo(x, 35), 5)],
    ["x / 5 % 7", floorDivide(modulo(x, 35), 5)],
    ["x % 24 / 16", floorDivide(modulo(floorDivide(x, 4), 6), 4)],
    ["(x + 1) % 4", modulo(add(modulo(x, 12), 1), 4)],
    ["(i*5 + x) / 35", floorDivide(add(floorDivide(x, 5), i), 7)],
    // Recombination.
    ["x", add(multiply(floorDivide(x, 7), 7), modulo(x, 7))],
    ["x*3 + i", add(multiply(modulo(x, 7), 3), i, multiply(floorDivide(x, 7), 21))],
    ["x % 35", add(multiply(modulo(floorDivide(x, 5), 7), 5), modulo(x, 5))],
    ["x", add(modulo(x, 5), multiply(floorDivide(x, 35), 35), multiply(modulo(floorDivide(x, 5), 7), 5))],
    ["x % 7", subtract(x, multiply(floorDivide(x, 7), 7))],
    ["-x", subtract(multiply(floorDivide(x, 7), -7), modulo(x, 7))],
    ["i*3 + j", add(multiply(floorDivide(add(multiply(i, 3), j), 9), 9), modulo(add(multiply(i, 3), j), 9))],
    // The nearest remainder: the shift of relative positions.
    ["i", floorDivide(add(multiply(i, 15), j, 6), 16)],
    ["6 - i + j", modulo(add(multiply(i, 15), j, 6), 16)],
    // Minimum, maximum, products.
    ["i", minimum(i, 5)],
    ["5", maximum(i, 5)],
    ["min(i, j)", minimum(minimum(j, i), j)],
    ["max(0, min(5, s))", maximum(0, minimum(signed, 5))],
    ["(i*j)*6", multiply(multiply(i, 2), multiply(j, 3))],
    ["((i + 1)*(j - 4))*2", multiply(add(i, 1), subtract(multiply(j, 2), 8))],
    ["0", subtract(multiply(i, j), multiply(j, i))],
    ["i + @4", add(i, opaque(4, 0, 9))],
  ];
  test.each(cases)("%s", (expected, expression) => {
    expect(format(expression)).toBe(expected);
  });

  test("equality is structural, whatever the order of construction", () => {
    expect(equal(add(i, j, multiply(x, 2)), add(x, j, x, i))).toBe(true);
    expect(equal(floorDivide(add(x, i), 7), floorDivide(add(i, x), 7))).toBe(true);
    expect(equal(floorDivide(x, 7), floorDivide(x, 8))).toBe(false);
    expect(equal(opaque(1, 0, 9), opaque(2, 0, 9))).toBe(false);
    expect(equal(i, j)).toBe(false);
  });

  test("a rewrite does not take indices beyond 32 bits", () => {
    const large = variable("n", 2 ** 30);
    const outside = floorDivide(add(floorDivide(large, 8), multiply(variable("m", 7), 2 ** 27)), 3 * 2 ** 26);
    const [, inner] = format(outside).match(/\((.*)\)/) ?? [];
    expect(inner).toBe("m*134217728 + n / 8");
  });

  test("values beyond 2^53 and empty ranges throw", () => {
    expect(() => multiply(variable("n", 2 ** 50), 16)).toThrow(InternalError);
    expect(() => add(variable("n", 2 ** 53), variable("m", 2 ** 53))).toThrow(InternalError);
    expect(() => multiply(variable("n", 2 ** 40), variable("m", 2 ** 40))).toThrow(InternalError);
    expect(() => add(i, 0.5)).toThrow(InternalError);
    expect(() => floorDivide(i, 0)).toThrow(InternalError);
    expect(() => modulo(i, -3)).toThrow(InternalError);
    expect(() => rangedVariable("n", 3, 2)).toThrow(InternalError);
  });

  test("large exact integers divide without rounding", () => {
    const large = rangedVariable("n", 2 ** 53 - 3, 2 ** 53 - 1);
    const { quotient, remainder } = divideModulo(large, 2);
    const environment = new Map([["n", 2 ** 53 - 1]]);
    expect(evaluate(quotient, environment)).toBe(2 ** 52 - 1);
    expect(evaluate(remainder, environment)).toBe(1);
  });
});

describe("positions", () => {
  test("delinearize undoes linearize", () => {
    const indices = [i, j, variable("k", 5)];
    expect(delinearize(linearize(indices, [6, 8, 5]), [6, 8, 5])).toEqual(indices);
  });

  test("linearize undoes delinearize", () => {
    for (const shape of [[10, 10, 10], [1, 1000], [1000, 1], [8, 125], [2, 5, 1, 100], [1000]]) {
      expect(linearize(delinearize(x, shape), shape)).toEqual(x);
    }
  });

  test("no dims, dims of extent 1 and shapes without elements", () => {
    expect(format(linearize([], []))).toBe("0");
    expect(delinearize(variable("o", 1), [])).toEqual([]);
    expect(delinearize(x, [1, 1000, 1]).map(format)).toEqual(["0", "x", "0"]);
    expect(delinearize(variable("o", 0), [3, 0]).map(format)).toEqual(["0", "0"]);
    expect(() => linearize([i], [6, 1])).toThrow(InternalError);
  });
});

describe("reading", () => {
  test("coefficients", () => {
    const expression = add(multiply(i, -3), floorDivide(x, 7), 5);
    expect(coefficientOf(expression, "i")).toBe(-3);
    expect(coefficientOf(expression, "j")).toBe(0);
    expect(coefficientOf(expression, "x")).toBeUndefined();
    expect(coefficientOf(add(x, modulo(x, 7)), "x")).toBeUndefined();
    expect(coefficientOf(minimum(i, signed), "i")).toBeUndefined();
  });

  test("variables and run-time indices", () => {
    const expression = add(multiply(i, opaque(3, 0, 9)), maximum(floorDivide(x, 7), modulo(j, 3)));
    expect([...variablesOf(expression).keys()].sort()).toEqual(["i", "j", "x"]);
    expect(variablesOf(expression).get("x")).toEqual(x);
    expect([...opaquesOf(expression).keys()]).toEqual([3]);
  });

  test("substitution simplifies", () => {
    const expression = add(multiply(floorDivide(x, 8), 3), modulo(x, 8), opaque(1, 0, 3));
    const replaced = substitute(
      expression,
      new Map<string | number, Expression>([
        ["x", add(multiply(i, 8), j)],
        [1, subtract(4, j)],
      ]),
    );
    expect(format(replaced)).toBe("i*3 + 4");
    expect(substitute(expression, new Map())).toEqual(expression);
  });

  test("evaluation needs every value", () => {
    expect(() => evaluate(add(i, j), new Map([["i", 1]]))).toThrow(InternalError);
    expect(
      evaluate(
        add(i, opaque(2, 0, 5)),
        new Map<string | number, number>([
          ["i", 1],
          [2, 4],
        ]),
      ),
    ).toBe(5);
  });
});
