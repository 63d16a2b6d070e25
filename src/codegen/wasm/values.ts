import { InternalError } from "../../graph/errors.ts";
import { and } from "../index/condition.ts";
import type { Expression } from "../index/expression.ts";
import type { LocalArray, Scalar, ScalarType } from "../kernel/ir.ts";
import type { KernelContext } from "./context.ts";
import { bindingOf, describe } from "./describe.ts";
import { emitAddress, emitCondition, emitIndex, sidesOf } from "./indices.ts";
import { scalarBinary, scalarBitcast, scalarCast, scalarUnary, valueTypeOf } from "./scalarOps.ts";
import {
  extractLane,
  fromMemory,
  laneCount,
  lanesOf,
  replaceLane,
  splat,
  vectorBinary,
  vectorCast,
  vectorConstant,
  vectorShift,
  vectorUnary,
} from "./vectorOps.ts";

// Scalars of the IR as code that leaves a value on the stack: of one iteration, or of a vector loop's four.

type Of<Kind extends Scalar["kind"]> = Extract<Scalar, { kind: Kind }>;

/** The scope in which a value is computed: outside of the loops that it does not depend on, but inside its branch. */
function depthFor(context: KernelContext, scalar: Scalar): number {
  return Math.max(describe(context, scalar).depth, context.builder.branchDepth);
}

/** Leaves an i32 or f32 on the stack. In vector code, the scalar must be the same in all lanes. */
export function emitScalar(context: KernelContext, scalar: Scalar): void {
  const { builder } = context;
  switch (scalar.kind) {
    case "constant":
      emitConstant(context, scalar.type, scalar.value);
      return;
    case "register": {
      const { local, vector } = bindingOf(context, scalar);
      builder.emit("local.get", local);
      if (vector) extractLane(builder, scalar.type, laneNumber(context));
      return;
    }
    case "local":
      emitElement(context, scalar.array, context.resolve(scalar.index));
      return;
    case "index":
      emitIndex(context, context.resolve(scalar.expression));
      scalarCast(builder, "i32", scalar.type);
      return;
    default: {
      const { key } = describe(context, scalar);
      const type = valueTypeOf(scalar.type);
      builder.cached(key, depthFor(context, scalar), type, nameOf(scalar), () =>
        produceScalar(context, scalar),
      );
    }
  }
}

function laneNumber({ environment: { lane } }: KernelContext): number {
  if (typeof lane === "number") return lane;
  throw new InternalError("wasm: a vector loop's register is used as a scalar outside of the loop");
}

function nameOf(scalar: Scalar): string {
  return scalar.kind === "load" ? scalar.buffer.name : "op" in scalar ? scalar.op : scalar.kind;
}

function emitConstant({ builder }: KernelContext, type: ScalarType, value: number): void {
  if (type === "f32") builder.emit("f32.const", value);
  else builder.emit("i32.const", value | 0);
}

type Computed = Exclude<Scalar, Of<"constant" | "register" | "local" | "index">>;

function produceScalar(context: KernelContext, scalar: Computed): void {
  const { builder } = context;
  switch (scalar.kind) {
    case "load": {
      const offset = emitAddress(context, scalar.buffer, context.resolve(scalar.index));
      builder.emit(`${valueTypeOf(scalar.type)}.load`, offset);
      return;
    }
    case "unary":
      emitScalar(context, scalar.args[0]);
      scalarUnary(builder, scalar.op, scalar.args[0].type);
      return;
    case "binary":
      for (const arg of scalar.args) emitScalar(context, arg);
      scalarBinary(builder, scalar.op, scalar.args[0].type);
      return;
    case "multiplyAdd":
      emitScalar(context, scalar.args[0]);
      emitScalar(context, scalar.args[1]);
      scalarBinary(builder, "mul", scalar.type);
      emitScalar(context, scalar.args[2]);
      scalarBinary(builder, "add", scalar.type);
      return;
    case "select":
      emitScalar(context, scalar.args[1]);
      emitScalar(context, scalar.args[2]);
      emitScalar(context, scalar.args[0]);
      builder.emit("select");
      return;
    case "cast":
      emitScalar(context, scalar.args[0]);
      scalarCast(builder, scalar.args[0].type, scalar.type);
      return;
    case "bitcast":
      emitScalar(context, scalar.args[0]);
      scalarBitcast(builder, scalar.args[0].type, scalar.type);
      return;
    case "guard": {
      const condition = context.resolveCondition(scalar.condition);
      if (condition.kind === "never") emitConstant(context, scalar.type, scalar.otherwise);
      else if (condition.kind === "always") emitScalar(context, scalar.args[0]);
      else {
        emitCondition(context, condition);
        builder.branch(
          valueTypeOf(scalar.type),
          () => emitScalar(context, scalar.args[0]),
          () => emitConstant(context, scalar.type, scalar.otherwise),
        );
      }
    }
  }
}

/** Leaves four lanes on the stack. */
export function emitVector(context: KernelContext, scalar: Scalar): void {
  const { builder } = context;
  if (scalar.kind === "constant") {
    vectorConstant(builder, scalar.type, scalar.value);
    return;
  }
  const { key, uniform, depth } = describe(context, scalar);
  if (!uniform && scalar.kind === "register") {
    builder.emit("local.get", bindingOf(context, scalar).local);
    return;
  }
  if (!uniform && scalar.kind === "local") {
    emitElements(context, scalar);
    return;
  }
  const inBranch = scalar.kind === "register" || scalar.kind === "index" ? depth : depthFor(context, scalar);
  builder.cached(
    context.numbering.pair(context.numbering.text("vector"), key),
    inBranch,
    "v128",
    nameOf(scalar),
    () => {
      if (scalar.kind === "load") produceLoad(context, scalar);
      else if (uniform) {
        emitScalar(context, scalar);
        splat(builder, scalar.type);
      } else produceVector(context, scalar);
    },
  );
}

function produceVector(context: KernelContext, scalar: Scalar): void {
  const { builder } = context;
  switch (scalar.kind) {
    case "index":
      produceIndices(context, scalar);
      return;
    case "unary":
      emitVector(context, scalar.args[0]);
      vectorUnary(builder, scalar.op, scalar.args[0].type);
      return;
    case "binary":
      produceBinary(context, scalar);
      return;
    case "multiplyAdd":
      produceMultiplyAdd(context, scalar);
      return;
    case "select":
      emitVector(context, scalar.args[1]);
      emitVector(context, scalar.args[2]);
      emitVector(context, scalar.args[0]);
      builder.emit("v128.bitselect");
      return;
    case "cast":
      emitVector(context, scalar.args[0]);
      vectorCast(builder, scalar.args[0].type, scalar.type);
      return;
    case "bitcast":
      emitVector(context, scalar.args[0]);
      return;
    case "guard":
      produceGuard(context, scalar);
      return;
    default:
      throw new InternalError(`wasm: a ${scalar.kind} has no vector code`);
  }
}

/** Whether a resolved expression is `lane * coefficient + something that is the same in all lanes`. */
function laneCoefficient(context: KernelContext, index: Expression): number | undefined {
  const { opaques, laneCoefficient: coefficient } = context.factsOf(index);
  return opaques.some((id) => context.opaque(id).vector) ? undefined : coefficient;
}

/** Whether four iterations' elements are adjacent. */
export function isRun(context: KernelContext, index: Expression): boolean {
  return context.environment.lane === "all" && laneCoefficient(context, index) === 1;
}

function produceLoad(context: KernelContext, scalar: Of<"load">): void {
  const { builder } = context;
  const index = context.resolve(scalar.index);
  const varies = context.variesByLane(index);
  if (!varies || isRun(context, index)) {
    const offset = emitAddress(context, scalar.buffer, context.atLane(index, 0));
    builder.emit(varies ? "v128.load" : "v128.load32_splat", offset);
  } else {
    for (let lane = 0; lane < laneCount; lane++) {
      const rest = lane === 0 ? -1 : builder.intoLocal("v128", scalar.buffer.name);
      let offset = 0;
      context.inLane(lane, () => {
        offset = emitAddress(context, scalar.buffer, context.resolve(scalar.index));
      });
      if (lane === 0) builder.emit("v128.load32_zero", offset);
      else {
        builder.emit("local.get", rest);
        builder.emit("v128.load32_lane", offset, lane);
      }
    }
  }
  fromMemory(builder, scalar.type);
}

function produceIndices(context: KernelContext, scalar: Of<"index">): void {
  const { builder } = context;
  const index = context.resolve(scalar.expression);
  const coefficient = laneCoefficient(context, index);
  if (coefficient === undefined) {
    produceByLane(context, scalar);
    return;
  }
  emitIndex(context, context.atLane(index, 0));
  builder.emit("i32x4.splat");
  const steps = [0, 1, 2, 3].map((lane) => (lane * coefficient) | 0);
  builder.cached(`steps ${coefficient}`, 0, "v128", "steps", () => builder.emit("v128.const", ...steps));
  builder.emit("i32x4.add");
  vectorCast(builder, "i32", scalar.type);
}

function produceBinary(context: KernelContext, { op, args }: Of<"binary">): void {
  const { builder } = context;
  emitVector(context, args[0]);
  if ((op === "shiftLeft" || op === "shiftRight") && describe(context, args[1]).uniform) {
    emitScalar(context, args[1]);
    vectorShift(builder, op, args[0].type);
    return;
  }
  emitVector(context, args[1]);
  vectorBinary(builder, op, args[0].type);
}

function produceMultiplyAdd(context: KernelContext, { type, args }: Of<"multiplyAdd">): void {
  const { builder } = context;
  const fused = type === "f32" && context.relaxedSimd;
  emitVector(context, args[0]);
  emitVector(context, args[1]);
  if (!fused) builder.emit(`${lanesOf(type)}.mul`);
  emitVector(context, args[2]);
  builder.emit(fused ? "f32x4.relaxed_madd" : `${lanesOf(type)}.add`);
}

function produceGuard(context: KernelContext, scalar: Of<"guard">): void {
  const { builder } = context;
  const condition = context.resolveCondition(scalar.condition);
  if (condition.kind === "never") {
    vectorConstant(builder, scalar.type, scalar.otherwise);
    return;
  }
  if (condition.kind === "always") {
    emitVector(context, scalar.args[0]);
    return;
  }
  const forAll = holdsForAllLanes(context, scalar.condition);
  if (forAll === undefined || forAll.kind === "never") {
    produceByLane(context, scalar);
    return;
  }
  emitCondition(context, forAll);
  const otherwise = context.variesByLane(...sidesOf(condition))
    ? () => produceByLane(context, scalar)
    : () => vectorConstant(builder, scalar.type, scalar.otherwise);
  builder.branch("v128", () => emitVector(context, scalar.args[0]), otherwise);
}

/**
 * In vector code, whether a condition holds in all lanes, as a condition that is the same in all lanes; undefined if
 * none says so. What is affine in the lane holds in between if it holds at both ends.
 */
export function holdsForAllLanes(context: KernelContext, condition: Of<"guard">["condition"]) {
  const resolved = context.resolveCondition(condition);
  const sides = sidesOf(resolved);
  if (!context.variesByLane(...sides)) return resolved;
  if (sides.some((side) => laneCoefficient(context, side) === undefined)) return undefined;
  return and(...[0, laneCount - 1].map((lane) => conditionAtLane(context, condition, lane)));
}

function conditionAtLane(context: KernelContext, condition: Of<"guard">["condition"], lane: number) {
  let resolved = condition;
  context.inLane(lane, () => {
    resolved = context.resolveCondition(condition);
  });
  return resolved;
}

/** Puts a vector together from the scalar's values in each lane. */
function produceByLane(context: KernelContext, scalar: Scalar): void {
  const { builder } = context;
  for (let lane = 0; lane < laneCount; lane++) {
    context.inLane(lane, () => emitScalar(context, scalar));
    if (lane === 0) splat(builder, scalar.type);
    else replaceLane(builder, scalar.type, lane);
  }
}

/** The number of the element at a resolved index. */
export function elementNumber(array: LocalArray, index: Expression): number {
  if (index.kind === "constant" && index.value >= 0 && index.value < array.length) return index.value;
  throw new InternalError(
    index.kind === "constant"
      ? `wasm: ${array.name} has ${array.length} elements, none at ${index.value}`
      : `wasm: the index of ${array.name} is not constant once loops are written out; tag its axes unroll or vector`,
  );
}

function emitElement(context: KernelContext, array: LocalArray, index: Expression): void {
  const { builder } = context;
  const { locals, vector } = context.array(array);
  const at = elementNumber(array, index);
  builder.emit("local.get", locals[vector ? Math.floor(at / laneCount) : at] ?? -1);
  if (vector) extractLane(builder, array.type, at % laneCount);
}

/** The number of the local that holds the four elements at a resolved index, if one does. */
export function localOfRun(context: KernelContext, array: LocalArray, index: Expression): number | undefined {
  const { locals, vector } = context.array(array);
  if (!vector || !isRun(context, index)) return undefined;
  const at = elementNumber(array, context.atLane(index, 0));
  return at % laneCount === 0 ? locals[at / laneCount] : undefined;
}

function emitElements(context: KernelContext, scalar: Of<"local">): void {
  const local = localOfRun(context, scalar.array, context.resolve(scalar.index));
  if (local === undefined) produceByLane(context, scalar);
  else context.builder.emit("local.get", local);
}
