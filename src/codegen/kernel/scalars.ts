import { InternalError } from "../../graph/errors.ts";
import type { Condition } from "../index/condition.ts";
import type { Expression } from "../index/expression.ts";
import {
  binaryType,
  evaluateBinary,
  evaluateBitcast,
  evaluateCast,
  evaluateUnary,
  unaryType,
  wrap,
} from "./arithmetic.ts";
import type {
  BinaryScalarOp,
  Buffer,
  LocalArray,
  Register,
  Scalar,
  ScalarType,
  Statement,
  UnaryScalarOp,
} from "./ir.ts";

/**
 * Constructors for scalars. They check types and fold what is exact whatever the operands are: constants, x *
 * 1, a select with a known condition. They never change a float's bits: x + 0 and x * 0 stay.
 */

/** The constant nearest to `value`; integers wrap. */
export function constant(type: ScalarType, value: number): Scalar {
  return { kind: "constant", type, value: wrap(type, value) };
}

/** The element at `index`, which must be in range (or inside a guard that holds only where it is). */
export function load(buffer: Buffer, index: Expression): Scalar {
  return { kind: "load", type: buffer.type, buffer, index };
}

export function local(array: LocalArray, index: Expression): Scalar {
  return { kind: "local", type: array.type, array, index };
}

export function register(of: Register): Scalar {
  return { kind: "register", type: of.type, register: of };
}

/** The value of an index expression as i32, u32 or f32. */
export function indexValue(expression: Expression, type: ScalarType): Scalar {
  if (type === "bool")
    throw new InternalError("indexValue: an index is a number, not bool; compare it instead");
  if (expression.kind === "constant") return constant(type, expression.value);
  return { kind: "index", type, expression };
}

/** @throws InternalError where the op does not take the operand's type. */
export function unary(op: UnaryScalarOp, x: Scalar): Scalar {
  const type = unaryType(op, x.type);
  if (type === undefined) throw new InternalError(`${op}: no such operand as ${x.type}`);
  if (x.kind === "constant") return constant(type, evaluateUnary(op, type, x.value));
  const involution = op === "neg" || op === "logicalNot" || op === "bitwiseNot";
  if (involution && x.kind === "unary" && x.op === op) return x.args[0];
  return { kind: "unary", type, op, args: [x] };
}

/** @throws InternalError where the operands' types differ or the op does not take them. */
export function binary(op: BinaryScalarOp, x: Scalar, y: Scalar): Scalar {
  const type = x.type === y.type ? binaryType(op, x.type) : undefined;
  if (type === undefined) throw new InternalError(`${op}: no such operands as ${x.type} and ${y.type}`);
  if (x.kind === "constant" && y.kind === "constant") {
    return constant(type, evaluateBinary(op, x.type, x.value, y.value));
  }
  return simplified(op, x, y) ?? { kind: "binary", type, op, args: [x, y] };
}

/** What `op` on one constant and one other operand is, where it is the other one or a constant. */
function simplified(op: BinaryScalarOp, x: Scalar, y: Scalar): Scalar | undefined {
  const is = (of: Scalar, value: number): boolean => of.kind === "constant" && Object.is(of.value, value);
  const integer = x.type !== "f32";
  switch (op) {
    case "mul":
      if (is(y, 1)) return x;
      if (is(x, 1)) return y;
      return integer && (is(x, 0) || is(y, 0)) ? constant(x.type, 0) : undefined;
    case "div":
      return is(y, 1) ? x : undefined;
    case "sub":
      return is(y, 0) ? x : undefined; // also for x = -0
    case "add":
    case "bitwiseOr":
    case "bitwiseXor":
      if (integer && is(y, 0)) return x;
      return integer && is(x, 0) ? y : undefined;
    case "shiftLeft":
    case "shiftRight":
      return is(y, 0) ? x : undefined;
    case "logicalAnd":
      if (is(x, 0) || is(y, 0)) return constant("bool", 0);
      return is(x, 1) ? y : is(y, 1) ? x : undefined;
    case "logicalOr":
      if (is(x, 1) || is(y, 1)) return constant("bool", 1);
      return is(x, 0) ? y : is(y, 0) ? x : undefined;
    default:
      return undefined;
  }
}

/** a * b + c of numbers; how often it rounds is up to the target. Use it only where that does not matter. */
export function multiplyAdd(a: Scalar, b: Scalar, c: Scalar): Scalar {
  if (a.type !== b.type || a.type !== c.type || a.type === "bool") {
    throw new InternalError(`multiplyAdd: no such operands as ${a.type}, ${b.type} and ${c.type}`);
  }
  if (a.kind === "constant" && b.kind === "constant") return binary("add", binary("mul", a, b), c);
  return { kind: "multiplyAdd", type: a.type, args: [a, b, c] };
}

/** `condition ? x : y`. Both are evaluated, so neither may load out of range. */
export function select(condition: Scalar, x: Scalar, y: Scalar): Scalar {
  if (condition.type !== "bool" || x.type !== y.type) {
    throw new InternalError(`select: no such operands as ${condition.type}, ${x.type} and ${y.type}`);
  }
  if (condition.kind === "constant") return condition.value === 0 ? y : x;
  return x === y ? x : { kind: "select", type: x.type, args: [condition, x, y] };
}

export function cast(x: Scalar, type: ScalarType): Scalar {
  if (x.type === type) return x;
  if (x.kind === "constant") return constant(type, evaluateCast(x.type, type, x.value));
  return { kind: "cast", type, args: [x] };
}

/** @throws InternalError for bool, which has no bits of its own. */
export function bitcast(x: Scalar, type: ScalarType): Scalar {
  if (x.type === "bool" || type === "bool")
    throw new InternalError(`bitcast: ${x.type} to ${type}; both need 32 bits`);
  if (x.type === type) return x;
  if (x.kind === "constant") return constant(type, evaluateBitcast(x.type, type, x.value));
  return { kind: "bitcast", type, args: [x] };
}

/** `x` where the condition holds, else `otherwise`; nothing of `x` is loaded where it does not hold. */
export function guard(condition: Condition, x: Scalar, otherwise: number): Scalar {
  if (condition.kind === "always") return x;
  if (condition.kind === "never") return constant(x.type, otherwise);
  return { kind: "guard", type: x.type, condition, otherwise: wrap(x.type, otherwise), args: [x] };
}

const noScalars: readonly Scalar[] = [];

/** The operands of a scalar, in order. */
export function argsOf(scalar: Scalar): readonly Scalar[] {
  return "args" in scalar ? scalar.args : noScalars;
}

/** The same operation on other operands (as many, of the same types), simplified again. */
export function withArgs(scalar: Scalar, args: readonly Scalar[]): Scalar {
  if (argsOf(scalar).every((arg, at) => arg === args[at])) return scalar;
  const [x, y, z] = args as readonly [Scalar, Scalar, Scalar]; // as many as the kind has
  switch (scalar.kind) {
    case "unary":
      return unary(scalar.op, x);
    case "binary":
      return binary(scalar.op, x, y);
    case "multiplyAdd":
      return multiplyAdd(x, y, z);
    case "select":
      return select(x, y, z);
    case "cast":
      return cast(x, scalar.type);
    case "bitcast":
      return bitcast(x, scalar.type);
    case "guard":
      return guard(scalar.condition, x, scalar.otherwise);
    default:
      return scalar;
  }
}

/**
 * The scalar with `f` applied to it and to everything in it, operands first. A shared operand is visited once
 * and stays shared; pass one `memo` for scalars that share operands among them.
 */
export function mapScalar(
  scalar: Scalar,
  f: (scalar: Scalar) => Scalar,
  memo: Map<Scalar, Scalar> = new Map(),
): Scalar {
  const known = memo.get(scalar);
  if (known !== undefined) return known;
  const args = argsOf(scalar).map((arg) => mapScalar(arg, f, memo));
  const result = f(withArgs(scalar, args));
  memo.set(scalar, result);
  return result;
}

/** The statements with `f` applied to every scalar, as `mapScalar` does. */
export function mapStatements(
  statements: readonly Statement[],
  f: (scalar: Scalar) => Scalar,
  memo: Map<Scalar, Scalar> = new Map(),
): Statement[] {
  const one = (statement: Statement): Statement => {
    switch (statement.kind) {
      case "for":
      case "if":
        return { ...statement, body: mapStatements(statement.body, f, memo) };
      case "let":
      case "set":
      case "store":
        return { ...statement, value: mapScalar(statement.value, f, memo) };
      case "declare":
      case "barrier":
        return statement;
    }
  };
  return statements.map(one);
}

/** Calls `visit` for every scalar in the statements, operands first, each object once. */
export function walkScalars(statements: readonly Statement[], visit: (scalar: Scalar) => void): void {
  const seen = new Set<Scalar>();
  const walk = (scalar: Scalar): void => {
    if (seen.has(scalar)) return;
    seen.add(scalar);
    argsOf(scalar).forEach(walk);
    visit(scalar);
  };
  const walkBody = (body: readonly Statement[]): void => {
    for (const statement of body) {
      if (statement.kind === "for" || statement.kind === "if") walkBody(statement.body);
      else if (statement.kind !== "declare" && statement.kind !== "barrier") walk(statement.value);
    }
  };
  walkBody(statements);
}
