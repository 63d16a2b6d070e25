import { DTypeError, ShapeError } from "../graph/errors.ts";
import { formatShape, sameShape } from "../graph/shape.ts";
import * as b from "./builders.ts";
import { defineOp, type NoAttrs } from "./define.ts";

export const contractions = {
  /** [..., M, K] times [..., K, N] gives [..., M, N]; the leading dims are equal (the builder broadcasts them). */
  matmul: defineOp<NoAttrs>({
    kind: "contract",
    infer: ([x, y]) => {
      const rank = x.shape.length;
      const fits =
        rank >= 2 &&
        y.shape.length === rank &&
        sameShape(x.shape.slice(0, -2), y.shape.slice(0, -2)) &&
        x.shape[rank - 1] === y.shape[rank - 2];
      if (!fits) {
        throw new ShapeError(
          `matmul: ${formatShape(x.shape)} times ${formatShape(y.shape)} needs [..., M, K] and [..., K, N] ` +
            "with equal K; transpose one side or check the order",
        );
      }
      if (x.dtype !== y.dtype || x.dtype === "bool") {
        throw new DTypeError(
          `matmul: ${x.dtype} times ${y.dtype}; cast both to one number dtype with .to(dtype)`,
        );
      }
      return [{ shape: [...x.shape.slice(0, -1), y.shape[rank - 1]], dtype: x.dtype }];
    },
    gradient: ({ inputs: [x, y], cotangent: g }) => [
      b.matmul(g, b.transpose(y, -2, -1)),
      b.matmul(b.transpose(x, -2, -1), g),
    ],
  }),
};
