import { ArgumentError, ShapeError } from "../../graph/errors.ts";
import { formatShape } from "../../graph/shape.ts";
import { zeros } from "../../tensor/create.ts";
import { concat, type Tensor, where } from "../../tensor/tensor.ts";
import { dropout, linear } from "./basic.ts";

/** Weights under PyTorch's names. Projections come in one matrix [3 E, E], or in three where widths differ. */
export interface MultiHeadWeights {
  readonly inProjWeight?: Tensor;
  readonly qProjWeight?: Tensor;
  readonly kProjWeight?: Tensor;
  readonly vProjWeight?: Tensor;
  /** [3 E] */
  readonly inProjBias?: Tensor;
  /** Learned key and value added behind the others, [1, 1, E] each. */
  readonly biasK?: Tensor;
  readonly biasV?: Tensor;
  readonly outProjWeight: Tensor;
  readonly outProjBias?: Tensor;
}

export interface MultiHeadOptions {
  readonly numHeads: number;
  /** [N, S]: keys that nobody may attend to (bool, true), or what is added to their scores. */
  readonly keyPaddingMask?: Tensor;
  /** [L, S] or [N numHeads, L, S]: where nobody may attend (bool, true), or what is added to the scores. */
  readonly attnMask?: Tensor;
  /** Whether a key and value of zeros are added behind the others. Default false. */
  readonly addZeroAttn?: boolean;
  /** Dropout on the probabilities; only with `training`. Default 0. */
  readonly dropout?: number;
  readonly training?: boolean;
  /** Whether probabilities are averaged over the heads. Default true. */
  readonly averageAttnWeights?: boolean;
}

/** The output [L, N, E], and the probabilities [N, L, S], or [N, numHeads, L, S] where they are not averaged. */
export interface MultiHeadResult {
  readonly output: Tensor;
  readonly weights: Tensor;
}

/**
 * PyTorch's `multi_head_attention_forward` for query [L, N, E], key [S, N, Ek] and value [S, N, Ev]. As there, masks say
 * where not to attend, and a query that may attend nothing gives NaN. `nn.MultiHeadAttention` is this project's own form.
 * @throws ArgumentError unless the heads divide E, or projections are missing; ShapeError where weights or masks do not fit.
 */
export function multiHeadAttentionForward(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  weights: MultiHeadWeights,
  options: MultiHeadOptions,
): MultiHeadResult {
  const { numHeads, addZeroAttn = false, averageAttnWeights = true } = options;
  const [length, batch, width] = query.shape;
  if (query.ndim !== 3 || key.ndim !== 3 || value.ndim !== 3) {
    throw new ShapeError(
      `multiHeadAttentionForward: query ${formatShape(query.shape)}, key ${formatShape(key.shape)} and value ` +
        `${formatShape(value.shape)}; wanted [length, N, width] each`,
    );
  }
  if (!Number.isInteger(numHeads) || numHeads < 1 || width % numHeads !== 0) {
    throw new ArgumentError(`multiHeadAttentionForward: ${numHeads} heads do not divide width ${width}`);
  }
  const [q, ...projected] = project(query, key, value, weights);
  const added = [weights.biasK, weights.biasV].map((bias) => bias?.expand([1, batch, width]));
  const [k, v] = projected.map((x, i) => {
    const zero = addZeroAttn ? zeros([1, batch, width], { dtype: x.dtype, device: x.device }) : undefined;
    return concat([x, added[i], zero].filter((part) => part !== undefined));
  });
  // [length, N, E] becomes [N, heads, length, E / heads].
  const split = (x: Tensor): Tensor =>
    x.reshape([x.shape[0], batch, numHeads, width / numHeads]).permute([1, 2, 0, 3]);
  const products = split(q).matmul(split(k).transpose(-1, -2));
  const scores = products.mul(Math.sqrt(numHeads / width));
  const extra = k.shape[0] - key.shape[0];
  const probabilities = masked(scores, batch, extra, options).softmax(-1);
  const kept = dropout(probabilities, options.dropout ?? 0, options.training ?? false);
  const merged = kept.matmul(split(v)).permute([2, 0, 1, 3]).reshape([length, batch, width]);
  return {
    output: linear(merged, weights.outProjWeight, weights.outProjBias),
    weights: averageAttnWeights ? probabilities.mean({ dim: 1 }) : probabilities,
  };
}

function project(query: Tensor, key: Tensor, value: Tensor, weights: MultiHeadWeights): Tensor[] {
  const width = query.size(-1);
  const { inProjWeight, qProjWeight, kProjWeight, vProjWeight, inProjBias } = weights;
  const part = (of: Tensor, i: number): Tensor => of.narrow(0, i * width, width);
  const matrices = inProjWeight
    ? [0, 1, 2].map((i) => part(inProjWeight, i))
    : [qProjWeight, kProjWeight, vProjWeight];
  return [query, key, value].map((x, i) => {
    const matrix = matrices[i];
    if (matrix === undefined) {
      throw new ArgumentError(
        "multiHeadAttentionForward: give inProjWeight, or qProjWeight, kProjWeight and vProjWeight",
      );
    }
    return linear(x, matrix, inProjBias && part(inProjBias, i));
  });
}

/** Scores [N, heads, L, S] under both masks, which do not reach the `extra` keys added at the end. */
function masked(
  scores: Tensor,
  batch: number,
  extra: number,
  { keyPaddingMask, attnMask, numHeads }: MultiHeadOptions,
): Tensor {
  const apply = (x: Tensor, mask: Tensor): Tensor => {
    const whole = extra > 0 ? mask.pad([0, extra]) : mask;
    return whole.dtype === "bool" ? where(whole, Number.NEGATIVE_INFINITY, x) : x.add(whole);
  };
  let result = scores;
  if (attnMask) {
    const [length, keys] = attnMask.shape.slice(-2);
    result = apply(
      result,
      attnMask.ndim === 3 ? attnMask.reshape([batch, numHeads, length, keys]) : attnMask,
    );
  }
  if (keyPaddingMask) result = apply(result, keyPaddingMask.unsqueeze(1).unsqueeze(1));
  return result;
}
