import { InternalError } from "../../graph/errors.ts";
import type { BinaryScalarOp, ScalarType, UnaryScalarOp } from "../kernel/ir.ts";
import type { FunctionBuilder } from "./functionBuilder.ts";

// Element ops on scalars: operands on the stack, result on the stack. bool is 0 or 1, u32 an i32 by its bits. Meanings
// are those of kernel/arithmetic.ts.

/** The type in which a scalar lives. */
export function valueTypeOf(type: ScalarType): "i32" | "f32" {
  return type === "f32" ? "f32" : "i32";
}

export function unsupported(op: string, type: ScalarType): InternalError {
  return new InternalError(`wasm: no instructions for ${op} on ${type}; expand it before printing`);
}

export function scalarUnary(b: FunctionBuilder, op: UnaryScalarOp, type: ScalarType): void {
  if (type === "f32") floatUnary(b, op);
  else if (op === "logicalNot" && type === "bool") b.emit("i32.eqz");
  else integerUnary(b, op, type);
}

function floatUnary(b: FunctionBuilder, op: UnaryScalarOp): void {
  switch (op) {
    case "neg":
    case "abs":
    case "sqrt":
    case "floor":
    case "ceil":
    case "trunc":
      b.emit(`f32.${op}`);
      return;
    case "round":
      b.emit("f32.nearest");
      return;
    case "rsqrt":
    case "reciprocal": {
      const x = b.intoLocal("f32", "x");
      b.emit("f32.const", 1);
      b.emit("local.get", x);
      if (op === "rsqrt") b.emit("f32.sqrt");
      b.emit("f32.div");
      return;
    }
    case "sign": {
      // |x| > 0 ? 1 with the sign of x : x, which is a zero or NaN
      const x = b.intoLocal("f32", "x");
      b.emit("f32.const", 1);
      b.emit("local.get", x);
      b.emit("f32.copysign");
      b.emit("local.get", x);
      b.emit("local.get", x);
      b.emit("f32.abs");
      b.emit("f32.const", 0);
      b.emit("f32.gt");
      b.emit("select");
      return;
    }
    default:
      throw unsupported(op, "f32");
  }
}

function integerUnary(b: FunctionBuilder, op: UnaryScalarOp, type: ScalarType): void {
  if (type === "bool") throw unsupported(op, type);
  switch (op) {
    case "neg":
      negate(b);
      return;
    case "abs": {
      if (type === "u32") return;
      const x = b.intoLocal("i32", "x");
      b.emit("local.get", x);
      negate(b);
      b.emit("local.get", x);
      b.emit("local.get", x);
      b.emit("i32.const", 0);
      b.emit("i32.lt_s");
      b.emit("select");
      return;
    }
    case "sign": {
      // (x != 0) | (x >> 31): 1, 0 or -1
      const x = b.intoLocal("i32", "x");
      b.emit("local.get", x);
      b.emit("i32.const", 0);
      b.emit("i32.ne");
      if (type === "u32") return;
      b.emit("local.get", x);
      b.emit("i32.const", 31);
      b.emit("i32.shr_s");
      b.emit("i32.or");
      return;
    }
    case "bitwiseNot":
      b.emit("i32.const", -1);
      b.emit("i32.xor");
      return;
    default:
      throw unsupported(op, type);
  }
}

function negate(b: FunctionBuilder): void {
  const x = b.intoLocal("i32", "x");
  b.emit("i32.const", 0);
  b.emit("local.get", x);
  b.emit("i32.sub");
}

/** `type` is that of the operands. */
export function scalarBinary(b: FunctionBuilder, op: BinaryScalarOp, type: ScalarType): void {
  if (type === "f32") floatBinary(b, op);
  else if (type === "bool") boolBinary(b, op);
  else integerBinary(b, op, type);
}

function floatBinary(b: FunctionBuilder, op: BinaryScalarOp): void {
  switch (op) {
    case "add":
    case "sub":
    case "mul":
    case "div":
    case "eq":
    case "ne":
    case "lt":
    case "le":
    case "gt":
    case "ge":
      b.emit(`f32.${op}`);
      return;
    case "maximum":
      b.emit("f32.max");
      return;
    case "minimum":
      b.emit("f32.min");
      return;
    default:
      throw unsupported(op, "f32");
  }
}

function boolBinary(b: FunctionBuilder, op: BinaryScalarOp): void {
  switch (op) {
    case "eq":
    case "ne":
      b.emit(`i32.${op}`);
      return;
    case "logicalAnd":
    case "bitwiseAnd":
      b.emit("i32.and");
      return;
    case "logicalOr":
    case "bitwiseOr":
      b.emit("i32.or");
      return;
    case "bitwiseXor":
      b.emit("i32.xor");
      return;
    default:
      throw unsupported(op, "bool");
  }
}

function integerBinary(b: FunctionBuilder, op: BinaryScalarOp, type: "i32" | "u32"): void {
  const sign = type === "u32" ? "u" : "s";
  switch (op) {
    case "add":
    case "sub":
    case "mul":
    case "eq":
    case "ne":
      b.emit(`i32.${op}`);
      return;
    case "lt":
    case "le":
    case "gt":
    case "ge":
      b.emit(`i32.${op}_${sign}`);
      return;
    case "bitwiseAnd":
      b.emit("i32.and");
      return;
    case "bitwiseOr":
      b.emit("i32.or");
      return;
    case "bitwiseXor":
      b.emit("i32.xor");
      return;
    case "shiftLeft":
      b.emit("i32.shl");
      return;
    case "shiftRight":
      b.emit(`i32.shr_${sign}`);
      return;
    case "maximum":
    case "minimum": {
      const y = b.intoLocal("i32", "y");
      const x = b.intoLocal("i32", "x");
      for (const local of [x, y, x, y]) b.emit("local.get", local);
      b.emit(`i32.${op === "maximum" ? "gt" : "lt"}_${sign}`);
      b.emit("select");
      return;
    }
    case "floorDivide":
    case "remainder":
      if (type === "u32") unsignedDivision(b, op);
      else signedDivision(b, op);
      return;
    default:
      throw unsupported(op, type);
  }
}

/** x / y or x % y, 0 where y is 0: divides by 1 there. */
function unsignedDivision(b: FunctionBuilder, op: "floorDivide" | "remainder"): void {
  const y = b.intoLocal("i32", "y");
  const x = b.intoLocal("i32", "x");
  b.emit("i32.const", 0);
  b.emit("local.get", x);
  b.emit("local.get", y);
  b.emit("local.get", y);
  b.emit("i32.eqz");
  b.emit("i32.or");
  b.emit(op === "floorDivide" ? "i32.div_u" : "i32.rem_u");
  b.emit("local.get", y);
  b.emit("i32.eqz");
  b.emit("select");
}

/**
 * Rounded down, 0 for y = 0. Division traps for y = 0 and for the least integer by -1: for y of 0 and -1 it is by 1
 * instead, and the quotient is x * y.
 */
function signedDivision(b: FunctionBuilder, op: "floorDivide" | "remainder"): void {
  const y = b.intoLocal("i32", "y");
  const x = b.intoLocal("i32", "x");
  b.emit("local.get", y);
  b.emit("i32.const", 1);
  b.emit("i32.add");
  b.emit("i32.const", 1);
  b.emit("i32.gt_u");
  const plain = b.intoLocal("i32", "plain");
  b.emit("local.get", y);
  b.emit("i32.const", 1);
  b.emit("local.get", plain);
  b.emit("select");
  const divisor = b.intoLocal("i32", "divisor");
  b.emit("local.get", x);
  b.emit("local.get", divisor);
  b.emit("i32.rem_s");
  const rest = b.intoLocal("i32", "rest");
  // Truncation went up where the remainder's sign is not the divisor's.
  b.emit("local.get", rest);
  b.emit("local.get", divisor);
  b.emit("i32.xor");
  b.emit("i32.const", 0);
  b.emit("i32.lt_s");
  b.emit("local.get", rest);
  b.emit("i32.const", 0);
  b.emit("i32.ne");
  b.emit("i32.and");
  const roundedUp = b.intoLocal("i32", "roundedUp");
  if (op === "remainder") {
    b.emit("local.get", rest);
    b.emit("local.get", divisor);
    b.emit("i32.const", 0);
    b.emit("local.get", roundedUp);
    b.emit("select");
    b.emit("i32.add");
    return;
  }
  b.emit("local.get", x);
  b.emit("local.get", divisor);
  b.emit("i32.div_s");
  b.emit("local.get", roundedUp);
  b.emit("i32.sub");
  b.emit("local.get", x);
  b.emit("local.get", y);
  b.emit("i32.mul");
  b.emit("local.get", plain);
  b.emit("select");
}

export function scalarCast(b: FunctionBuilder, from: ScalarType, to: ScalarType): void {
  if (from === to) return;
  if (to === "f32") b.emit(from === "i32" ? "f32.convert_i32_s" : "f32.convert_i32_u");
  else if (from === "f32") {
    if (to === "bool") {
      b.emit("f32.const", 0);
      b.emit("f32.ne");
    } else b.emit(to === "i32" ? "i32.trunc_sat_f32_s" : "i32.trunc_sat_f32_u");
  } else if (to === "bool") {
    b.emit("i32.const", 0);
    b.emit("i32.ne");
  }
}

export function scalarBitcast(b: FunctionBuilder, from: ScalarType, to: ScalarType): void {
  if (valueTypeOf(from) === valueTypeOf(to)) return;
  b.emit(to === "f32" ? "f32.reinterpret_i32" : "i32.reinterpret_f32");
}
