import { evaluateBinary, evaluateCast, evaluateUnary } from "../../../src/codegen/kernel/arithmetic.ts";
import type { Register, Scalar, ScalarType } from "../../../src/codegen/kernel/ir.ts";
import { argsOf } from "../../../src/codegen/kernel/scalars.ts";

type Words = Float32Array | Int32Array | Uint32Array;

function allocate(type: ScalarType, length: number): Words {
  return type === "f32"
    ? new Float32Array(length)
    : type === "i32"
      ? new Int32Array(length)
      : new Uint32Array(length);
}

/**
 * A scalar over registers for many values at once: each node of the DAG is evaluated once, for all of them.
 * With `fused`, products are not rounded before they are added to (but for the double rounding of going
 * through float64).
 */
export function evaluateScalar(
  scalar: Scalar,
  registers: ReadonlyMap<Register, Words>,
  fused = false,
): Words {
  const length = [...registers.values()][0]?.length ?? 1;
  const known = new Map<Scalar, Words>();
  const visit = (of: Scalar): Words => {
    const before = known.get(of);
    if (before !== undefined) return before;
    const result = one(of, argsOf(of).map(visit));
    known.set(of, result);
    return result;
  };
  const one = (of: Scalar, [x, y, z]: readonly Words[]): Words => {
    if (of.kind === "register") return registers.get(of.register) as Words;
    if (of.kind === "bitcast") {
      if (of.type === "f32") return new Float32Array(x.buffer);
      return of.type === "i32" ? new Int32Array(x.buffer) : new Uint32Array(x.buffer);
    }
    const out = allocate(of.type, length);
    const fill = (f: (at: number) => number): Words => {
      for (let at = 0; at < length; at++) out[at] = f(at);
      return out;
    };
    switch (of.kind) {
      case "constant":
        return out.fill(of.value);
      case "unary":
        return fill((at) => evaluateUnary(of.op, of.type, x[at]));
      case "binary": {
        const type = of.args[0].type;
        return fill((at) => evaluateBinary(of.op, type, x[at], y[at]));
      }
      case "multiplyAdd":
        return fill((at) => (fused ? x[at] * y[at] : Math.fround(x[at] * y[at])) + z[at]);
      case "select":
        return fill((at) => (x[at] === 0 ? z[at] : y[at]));
      case "cast": {
        const type = of.args[0].type;
        return fill((at) => evaluateCast(type, of.type, x[at]));
      }
      default:
        throw new Error(`no ${of.kind} here`);
    }
  };
  return visit(scalar);
}
