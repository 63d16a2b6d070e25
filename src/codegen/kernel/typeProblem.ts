import { binaryType, unaryType } from "./arithmetic.ts";
import type { Scalar } from "./ir.ts";

/** What is wrong with a scalar's type, given those of its operands; undefined if nothing is. */
export function typeProblem(scalar: Scalar): string | undefined {
  const { type } = scalar;
  switch (scalar.kind) {
    case "constant": {
      const inRange = isOfType(scalar.value, type);
      return inRange ? undefined : `the constant ${scalar.value} is no ${type}`;
    }
    case "register":
      return mismatch(`register ${scalar.register.name}`, scalar.register.type, type);
    case "local":
      return mismatch(scalar.array.name, scalar.array.type, type);
    case "load":
      return mismatch(scalar.buffer.name, scalar.buffer.type, type);
    case "index":
      return type === "bool" ? "an index is used as bool" : undefined;
    case "unary": {
      const [x] = scalar.args;
      const result = unaryType(scalar.op, x.type);
      return result === undefined ? `${scalar.op} of ${x.type}` : mismatch(scalar.op, result, type);
    }
    case "binary": {
      const [x, y] = scalar.args;
      const result = x.type === y.type ? binaryType(scalar.op, x.type) : undefined;
      return result === undefined
        ? `${scalar.op} of ${x.type} and ${y.type}`
        : mismatch(scalar.op, result, type);
    }
    case "multiplyAdd": {
      const [x, y, z] = scalar.args;
      const same = x.type === type && y.type === type && z.type === type && type !== "bool";
      return same ? undefined : `multiplyAdd of ${x.type}, ${y.type} and ${z.type} as ${type}`;
    }
    case "select": {
      const [condition, x, y] = scalar.args;
      const right = condition.type === "bool" && x.type === type && y.type === type;
      return right ? undefined : `select of ${condition.type}, ${x.type} and ${y.type} as ${type}`;
    }
    case "cast":
      return undefined;
    case "bitcast":
      return type === "bool" || scalar.args[0].type === "bool" ? "bitcast of or to bool" : undefined;
    case "guard":
      return mismatch("guard", scalar.args[0].type, type);
  }
}

function mismatch(what: string, actual: Scalar["type"], claimed: Scalar["type"]): string | undefined {
  return actual === claimed ? undefined : `${what} is ${actual}, not ${claimed}`;
}

function isOfType(value: number, type: Scalar["type"]): boolean {
  switch (type) {
    case "f32":
      return Object.is(Math.fround(value), value);
    case "i32":
      return value === (value | 0);
    case "u32":
      return value === value >>> 0;
    case "bool":
      return value === 0 || value === 1;
  }
}
