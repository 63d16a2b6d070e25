import { expandAtan2 } from "./arctangent.ts";
import { expandFloorDivide, expandFmod, expandRemainder } from "./division.ts";
import { expandErf, expandErfc, expandErfinv } from "./errorFunctions.ts";
import { expandExp, expandExpm1, expandLog, expandLog1p, expandTanh } from "./exponential.ts";
import { expandLgamma } from "./gamma.ts";
import type { BinaryScalarOp, Scalar, Statement, UnaryScalarOp } from "./ir.ts";
import { expandLog2, expandLog10, expandPow } from "./power.ts";
import { mapScalar, mapStatements } from "./scalars.ts";
import { expandCos, expandSin } from "./trigonometry.ts";

export { threefry2x32 } from "./threefry.ts";

/**
 * Math functions from arithmetic that every target has four wide: + - * /, floor and round, select, bitcast
 * and integer ops; no branches. Errors are measured against float64 over all floats (exp) or every 61st, with
 * products fused into sums and not. Polynomials are minimax fits (Lawson's algorithm), their coefficients
 * rounded one by one from the lowest up and the rest fitted again.
 */

const unaryExpansions: Readonly<Partial<Record<UnaryScalarOp, (x: Scalar) => Scalar>>> = {
  exp: expandExp,
  expm1: expandExpm1,
  log: expandLog,
  log1p: expandLog1p,
  log2: expandLog2,
  log10: expandLog10,
  sin: expandSin,
  cos: expandCos,
  tanh: expandTanh,
  erf: expandErf,
  erfc: expandErfc,
  erfinv: expandErfinv,
  lgamma: expandLgamma,
};

const binaryExpansions: Readonly<Partial<Record<BinaryScalarOp, (x: Scalar, y: Scalar) => Scalar>>> = {
  pow: expandPow,
  atan2: expandAtan2,
  fmod: expandFmod,
  remainder: expandRemainder,
  floorDivide: expandFloorDivide,
};

/**
 * The scalar without those functions of floats that `intrinsics` does not name, and without fmod of integers. Shared
 * operands stay shared.
 */
export function expandMath(scalar: Scalar, intrinsics: ReadonlySet<string>): Scalar {
  return mapScalar(scalar, (of) => expandOne(of, intrinsics));
}

/** The statements with all their scalars so expanded. */
export function expandMathIn(body: readonly Statement[], intrinsics: ReadonlySet<string>): Statement[] {
  return mapStatements(body, (of) => expandOne(of, intrinsics));
}

/** One function, whose operands are expanded already: what it becomes contains no other. */
function expandOne(of: Scalar, intrinsics: ReadonlySet<string>): Scalar {
  if (of.kind === "unary" && of.type === "f32" && !intrinsics.has(of.op)) {
    return unaryExpansions[of.op]?.(of.args[0]) ?? of;
  }
  if (of.kind === "binary" && (of.type === "f32" || of.op === "fmod") && !intrinsics.has(of.op)) {
    return binaryExpansions[of.op]?.(of.args[0], of.args[1]) ?? of;
  }
  return of;
}
