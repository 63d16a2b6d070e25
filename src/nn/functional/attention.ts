import { promote } from "../../graph/dtype.ts";
import { ArgumentError, ShapeError } from "../../graph/errors.ts";
import type { Value } from "../../graph/node.ts";
import { broadcastShapes, formatShape, type Shape, sameShape } from "../../graph/shape.ts";
import * as b from "../../ops/builders.ts";
import type { Device } from "../../runtime/device.ts";
import { arange, bernoulli } from "../../tensor/create.ts";
import { Tensor, where } from "../../tensor/tensor.ts";
import { allOf, causalMask } from "../masks.ts";
import { checkProbability } from "./basic.ts";

/** The lowest finite f32: exp of it minus anything is 0, and unlike -infinity it leaves no NaN in an empty row. */
const lowest = -3.4028234663852886e38;

/**
 * Softmax along the last dim over what the mask allows; elsewhere 0. A row without anything allowed is 0 throughout, and
 * so is its gradient.
 */
export function maskedSoftmax(scores: Tensor, allowed?: Tensor): Tensor {
  if (allowed === undefined) return scores.softmax(-1);
  return where(allowed, where(allowed, scores, lowest).softmax(-1), 0);
}

/** Where a score stands, each i32 and of a shape that broadcasts against [B, H, Tq, Tk]. */
export interface ScorePosition {
  readonly batch: Tensor;
  readonly head: Tensor;
  readonly query: Tensor;
  readonly key: Tensor;
}

/**
 * A score from q kᵀ scale [B, H, Tq, Tk]: elementwise in it, with anything else that broadcasts against it. It is traced,
 * and may be traced again for the probabilities, so it must be pure. Dong et al., Flex Attention (2024).
 */
export type ScoreFunction = (score: Tensor, position: ScorePosition) => Tensor;

export interface ScoreOptions {
  /** Allow-masks (bool, true = may attend), combined by AND; each broadcasts against [B, H, Tq, Tk]. */
  readonly mask?: Tensor | readonly (Tensor | undefined)[];
  /** Whether a query sees the keys up to its own only; with more keys than queries they are aligned at the end. */
  readonly isCausal?: boolean;
  /** Added to the scores before masking (relative positions), broadcast. */
  readonly scoreBias?: Tensor;
  /** Applied to the scores before the bias. */
  readonly scoreFunction?: ScoreFunction;
  /** What q k is multiplied by; 1 / sqrt(width of a head) by default. */
  readonly scale?: number;
  /**
   * What a query gives whose scores are all -infinity: zeros, without a gradient, as is the default where there is a mask;
   * or NaN, as softmax does.
   */
  readonly emptyRow?: "zero" | "nan";
}

export interface ScaledDotProductOptions extends ScoreOptions {
  /** Dropout on the probabilities; only with `training`. */
  readonly dropout?: number;
  readonly training?: boolean;
}

/** What an attention layer gives: its output, and the probabilities [..., Tq, Tk] before dropout. */
export interface AttentionResult {
  readonly output: Tensor;
  /** Computed only if they are read: the output does not need them. */
  readonly probabilities: Tensor;
}

/**
 * softmax(score(q kᵀ scale) + scoreBias, masked) v, for q [..., Tq, dk], k [..., Tk, dk] and v [..., Tk, dv], whose leading
 * dims broadcast; [..., Tq, dv]. It is one kernel, which never holds all scores, and so is its gradient. A query that may
 * attend nothing gives zeros and gets no gradient. Keys that the mask hides from whole blocks of queries are not looked at:
 * a NaN among their values does not spread.
 * Vaswani et al., Attention Is All You Need (2017); Dao et al., FlashAttention (2022).
 * @throws ShapeError or DTypeError for operands that do not fit; ArgumentError for a score function that is not elementwise.
 */
export function scaledDotProductAttention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: ScaledDotProductOptions = {},
): Tensor {
  const { dropout = 0, training = false } = options;
  checkProbability("scaledDotProductAttention", dropout);
  const scoring = new Scoring(query, key, options, value.shape.slice(0, -2));
  const { device } = query;
  const drops = training && dropout > 0 && dropout < 1;
  const kept = drops ? bernoulli(scoring.shape, 1 - dropout, { device }) : undefined;
  const [result] = b.attention(scoring.operands(value), {
    scale: scoring.scale,
    score: (product) => scoring.scores(new Tensor(product, device)).usable(),
    dropout: kept && { kept: kept.usable(), probability: dropout },
    emptyRow: scoring.emptyRow,
  });
  const output = new Tensor(result, device);
  return training && dropout === 1 ? output.mul(0) : output;
}

/**
 * The probabilities [..., Tq, Tk] with which `scaledDotProductAttention` mixes the values, before dropout: for looking at, or
 * for training on them.
 */
export function attentionProbabilities(query: Tensor, key: Tensor, options: ScoreOptions = {}): Tensor {
  const scoring = new Scoring(query, key, options);
  const [q, k] = scoring.operands();
  const product = b.matmul(b.mul(q, b.scalarLike(q, scoring.scale)), b.transpose(k, -2, -1));
  const scores = scoring.scores(new Tensor(product, query.device));
  if (scoring.emptyRow === "nan") return scores.softmax(-1);
  return maskedSoftmax(scores, scores.ne(Number.NEGATIVE_INFINITY));
}

/** The scores of one call: their shape, and how they come from the product of query and key. */
class Scoring {
  /** [..., Tq, Tk] */
  readonly shape: Shape;
  readonly scale: number;
  readonly emptyRow: "zero" | "nan";
  readonly #query: Tensor;
  readonly #key: Tensor;
  readonly #options: ScoreOptions;
  readonly #allowed: Tensor | undefined;

  constructor(query: Tensor, key: Tensor, options: ScoreOptions, valueBatch: Shape = []) {
    const op = "scaledDotProductAttention";
    const { mask, isCausal = false, scoreBias } = options;
    if (query.ndim < 2 || key.ndim < 2 || query.size(-1) !== key.size(-1)) {
      throw new ShapeError(
        `${op}: query ${formatShape(query.shape)} and key ${formatShape(key.shape)}; wanted [..., Tq, d] and [..., Tk, d]`,
      );
    }
    const [queries, keys] = [query.size(-2), key.size(-2)];
    const causal = isCausal
      ? causalMask(queries, keys, { device: query.device }).reshape([queries, keys])
      : undefined;
    const masks = mask === undefined || mask instanceof Tensor ? [mask] : mask;
    this.#allowed = allOf([...masks, causal]);
    const batch = [query.shape.slice(0, -2), key.shape.slice(0, -2), valueBatch].reduce((x, y) =>
      broadcastShapes(op, x, y),
    );
    this.shape = [scoreBias, this.#allowed].reduce(
      (shape: Shape, part) => (part ? broadcastShapes(op, shape, part.shape) : shape),
      [...batch, queries, keys],
    );
    if (!sameShape(this.shape.slice(-2), [queries, keys])) {
      throw new ShapeError(
        `${op}: a mask or bias does not fit ${queries} queries and ${keys} keys; with them scores are ${formatShape(this.shape)}`,
      );
    }
    this.scale = options.scale ?? 1 / Math.sqrt(query.size(-1));
    this.emptyRow = options.emptyRow ?? (this.#allowed ? "zero" : "nan");
    this.#query = query;
    this.#key = key;
    this.#options = options;
  }

  /** Query, key and value with equal leading dims and of one dtype; the key twice where there is no value. */
  operands(value: Tensor = this.#key): [Value, Value, Value] {
    const batch = this.shape.slice(0, -2);
    const [q, k, v] = [this.#query, this.#key, value].map((tensor) => tensor.usable());
    const dtype = [k, v].reduce(
      (meet, { dtype }) => promote("scaledDotProductAttention", meet, dtype),
      q.dtype,
    );
    const whole = (x: Value): Value => b.expand(b.cast(x, dtype), [...batch, ...x.shape.slice(-2)]);
    return [whole(q), whole(k), whole(v)];
  }

  scores(product: Tensor): Tensor {
    const { scoreFunction, scoreBias } = this.#options;
    let scores = scoreFunction ? scoreFunction(product, this.#position(product.device)) : product;
    if (!sameShape(scores.shape, product.shape)) {
      throw new ShapeError(
        `scaledDotProductAttention: the score function makes ${formatShape(scores.shape)} of ${formatShape(product.shape)}; ` +
          "its result must have the shape of the scores",
      );
    }
    if (scoreBias) scores = scores.add(scoreBias);
    if (this.#allowed) scores = where(this.#allowed, scores, Number.NEGATIVE_INFINITY);
    return scores.to(product.dtype);
  }

  #position(device: Device): ScorePosition {
    if (this.shape.length !== 4) {
      throw new ArgumentError(
        `scaledDotProductAttention: a score function needs scores [B, H, Tq, Tk], these are ${formatShape(this.shape)}; ` +
          "reshape query, key and value to four dims",
      );
    }
    const at = (dim: number): Tensor =>
      arange(0, this.shape[dim], 1, { device }).reshape(this.shape.map((size, i) => (i === dim ? size : 1)));
    return { batch: at(0), head: at(1), query: at(2), key: at(3) };
  }
}
