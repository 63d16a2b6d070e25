import type { BinaryScalarOp, ScalarType, UnaryScalarOp } from "../kernel/ir.ts";
import { floatBits } from "./assembler.ts";
import type { FunctionBuilder } from "./functionBuilder.ts";
import { scalarBinary, unsupported } from "./scalarOps.ts";

// Element ops on vectors of four lanes: operands on the stack, result on the stack. A bool is a mask: a lane of all ones
// is true. What has no instruction goes lane by lane.

export const laneCount = 4;

/** The instructions' prefix for lanes of a type. */
export function lanesOf(type: ScalarType): "i32x4" | "f32x4" {
  return type === "f32" ? "f32x4" : "i32x4";
}

/** The bits of an element in a vector's lane. */
export function laneBits(type: ScalarType, value: number): number {
  if (type === "f32") return floatBits(value);
  return type === "bool" ? (value === 0 ? 0 : -1) : value | 0;
}

/** A vector of four equal elements, kept in a local outside all loops. */
export function vectorConstant(b: FunctionBuilder, type: ScalarType, value: number): void {
  const bits = laneBits(type, value);
  b.cached(`constant ${bits}`, 0, "v128", "constant", () => b.emit("v128.const", bits, bits, bits, bits));
}

/** From a scalar to four equal lanes. */
export function splat(b: FunctionBuilder, type: ScalarType): void {
  scalarToLane(b, type);
  b.emit(`${lanesOf(type)}.splat`);
}

/** From a scalar to what stands for it in a lane. */
export function scalarToLane(b: FunctionBuilder, type: ScalarType): void {
  if (type !== "bool") return;
  b.emit("i32.const", -1);
  b.emit("i32.mul");
}

/** One lane of the vector on the stack as a scalar. */
export function extractLane(b: FunctionBuilder, type: ScalarType, lane: number): void {
  b.emit(`${lanesOf(type)}.extract_lane`, lane);
  if (type !== "bool") return;
  b.emit("i32.const", 1);
  b.emit("i32.and");
}

/** Puts the scalar on the stack into a lane of the vector below it. */
export function replaceLane(b: FunctionBuilder, type: ScalarType, lane: number): void {
  scalarToLane(b, type);
  b.emit(`${lanesOf(type)}.replace_lane`, lane);
}

/** From elements in memory, 0 or 1 for a bool, to lanes. */
export function fromMemory(b: FunctionBuilder, type: ScalarType): void {
  if (type !== "bool") return;
  vectorConstant(b, "i32", 0);
  b.emit("i32x4.ne");
}

/** The reverse. */
export function toMemory(b: FunctionBuilder, type: ScalarType): void {
  if (type !== "bool") return;
  vectorConstant(b, "i32", 1);
  b.emit("v128.and");
}

export function vectorUnary(b: FunctionBuilder, op: UnaryScalarOp, type: ScalarType): void {
  if (op === "logicalNot" && type === "bool") b.emit("v128.not");
  else if (type === "f32") floatUnary(b, op);
  else if (type === "bool") throw unsupported(op, type);
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
      b.emit(`f32x4.${op}`);
      return;
    case "round":
      b.emit("f32x4.nearest");
      return;
    case "rsqrt":
    case "reciprocal": {
      if (op === "rsqrt") b.emit("f32x4.sqrt");
      const x = b.intoLocal("v128", "x");
      vectorConstant(b, "f32", 1);
      b.emit("local.get", x);
      b.emit("f32x4.div");
      return;
    }
    case "sign": {
      // |x| > 0 ? 1 with the sign of x : x, which is a zero or NaN
      const x = b.intoLocal("v128", "x");
      b.emit("local.get", x);
      vectorConstant(b, "f32", -0);
      b.emit("v128.and");
      vectorConstant(b, "f32", 1);
      b.emit("v128.or");
      b.emit("local.get", x);
      b.emit("local.get", x);
      b.emit("f32x4.abs");
      vectorConstant(b, "f32", 0);
      b.emit("f32x4.gt");
      b.emit("v128.bitselect");
      return;
    }
    default:
      throw unsupported(op, "f32");
  }
}

function integerUnary(b: FunctionBuilder, op: UnaryScalarOp, type: "i32" | "u32"): void {
  switch (op) {
    case "neg":
      b.emit("i32x4.neg");
      return;
    case "abs":
      if (type === "i32") b.emit("i32x4.abs");
      return;
    case "sign": {
      // (x != 0 ? 1 : 0) | (x >> 31): 1, 0 or -1
      const x = b.intoLocal("v128", "x");
      b.emit("local.get", x);
      vectorConstant(b, "i32", 0);
      b.emit("i32x4.ne");
      vectorConstant(b, "i32", 1);
      b.emit("v128.and");
      if (type === "u32") return;
      b.emit("local.get", x);
      b.emit("i32.const", 31);
      b.emit("i32x4.shr_s");
      b.emit("v128.or");
      return;
    }
    case "bitwiseNot":
      b.emit("v128.not");
      return;
    default:
      throw unsupported(op, type);
  }
}

/** `type` is that of the operands. */
export function vectorBinary(b: FunctionBuilder, op: BinaryScalarOp, type: ScalarType): void {
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
      b.emit(`f32x4.${op}`);
      return;
    case "maximum":
      b.emit("f32x4.max");
      return;
    case "minimum":
      b.emit("f32x4.min");
      return;
    default:
      throw unsupported(op, "f32");
  }
}

function boolBinary(b: FunctionBuilder, op: BinaryScalarOp): void {
  switch (op) {
    case "eq":
    case "ne":
      b.emit(`i32x4.${op}`);
      return;
    case "logicalAnd":
    case "bitwiseAnd":
      b.emit("v128.and");
      return;
    case "logicalOr":
    case "bitwiseOr":
      b.emit("v128.or");
      return;
    case "bitwiseXor":
      b.emit("v128.xor");
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
      b.emit(`i32x4.${op}`);
      return;
    case "lt":
    case "le":
    case "gt":
    case "ge":
      b.emit(`i32x4.${op}_${sign}`);
      return;
    case "maximum":
      b.emit(`i32x4.max_${sign}`);
      return;
    case "minimum":
      b.emit(`i32x4.min_${sign}`);
      return;
    case "bitwiseAnd":
      b.emit("v128.and");
      return;
    case "bitwiseOr":
      b.emit("v128.or");
      return;
    case "bitwiseXor":
      b.emit("v128.xor");
      return;
    case "shiftLeft":
    case "shiftRight":
    case "floorDivide":
    case "remainder":
      lanewiseBinary(b, op, type);
      return;
    default:
      throw unsupported(op, type);
  }
}

/** Shifts each lane of the vector below by the one amount on the stack. */
export function vectorShift(b: FunctionBuilder, op: "shiftLeft" | "shiftRight", type: ScalarType): void {
  if (op === "shiftLeft") b.emit("i32x4.shl");
  else b.emit(type === "u32" ? "i32x4.shr_u" : "i32x4.shr_s");
}

function lanewiseBinary(b: FunctionBuilder, op: BinaryScalarOp, type: ScalarType): void {
  const y = b.intoLocal("v128", "y");
  const x = b.intoLocal("v128", "x");
  for (let lane = 0; lane < laneCount; lane++) {
    for (const operand of [x, y]) {
      b.emit("local.get", operand);
      extractLane(b, type, lane);
    }
    scalarBinary(b, op, type);
    if (lane === 0) splat(b, type);
    else replaceLane(b, type, lane);
  }
}

export function vectorCast(b: FunctionBuilder, from: ScalarType, to: ScalarType): void {
  if (from === to) return;
  if (from === "bool") {
    vectorConstant(b, to, 1);
    b.emit("v128.and");
  } else if (to === "bool") {
    vectorConstant(b, from, 0);
    b.emit(`${lanesOf(from)}.ne`);
  } else if (to === "f32") {
    b.emit(from === "i32" ? "f32x4.convert_i32x4_s" : "f32x4.convert_i32x4_u");
  } else if (from === "f32") {
    b.emit(to === "i32" ? "i32x4.trunc_sat_f32x4_s" : "i32x4.trunc_sat_f32x4_u");
  }
}
