import { IndexOutOfRangeError } from "../graph/errors.ts";
import {
  type AttendOptions,
  MultiHeadAttention,
  type MultiHeadAttentionOptions,
  splitHeads,
} from "../nn/attention.ts";
import { Embedding } from "../nn/embedding.ts";
import type { AttentionResult } from "../nn/functional/index.ts";
import { arange } from "../tensor/create.ts";
import type { Tensor } from "../tensor/tensor.ts";

export interface RelativeAttentionOptions extends MultiHeadAttentionOptions {
  /** Distances are below this, to either side. */
  readonly maxPositions: number;
  /** Whether keys meet the distances' vectors too, and not queries alone. */
  readonly keys: boolean;
}

/**
 * Self-attention that knows how far apart query and key are: each distance i - j has a vector, whose product with the
 * query (and the key) is added to the score. Shaw, Uszkoreit and Vaswani, Self-Attention with Relative Position
 * Representations (2018); with keys, Huang, Liang, Xu and Xiang, Improve Transformer Models with Better Relative Position
 * Embeddings (2020), method 4.
 */
export class RelativeAttention extends MultiHeadAttention {
  /** [2 maxPositions - 1, width of a head]: of distance i - j in row i - j + maxPositions - 1. */
  readonly distance: Embedding;
  readonly #maxPositions: number;
  readonly #keys: boolean;

  constructor(width: number, heads: number, options: RelativeAttentionOptions) {
    const { maxPositions, keys, ...attention } = options;
    super(width, heads, attention);
    const { weightInit, dtype, device } = options;
    this.distance = new Embedding(2 * maxPositions - 1, width / heads, { weightInit, dtype, device });
    this.#maxPositions = maxPositions;
    this.#keys = keys;
  }

  /** x [B, T, width] gives the output [B, T, width] and the probabilities [B, heads, T, T], before dropout. */
  override forward(x: Tensor, { scoreBias, ...score }: AttendOptions = {}): AttentionResult {
    const [, , width] = x.shape;
    const query = splitHeads(this.query.forward(x), this.heads);
    const key = splitHeads(this.key.forward(x), this.heads);
    const value = splitHeads(this.value.forward(x), this.heads);
    const distances = this.#distances(x);
    const ofQueries = againstRows(query, distances);
    const relative = this.#keys
      ? ofQueries.add(againstRows(key, distances.transpose(0, 1)).transpose(2, 3))
      : ofQueries;
    const scaled = relative.div(Math.sqrt(width / this.heads));
    return this.attend(query, key, value, {
      ...score,
      scoreBias: scoreBias ? scaled.add(scoreBias) : scaled,
    });
  }

  /** [T, T, d]: the vector of the distance i - j at [i, j]. */
  #distances(x: Tensor): Tensor {
    const [, length] = x.shape;
    if (length > this.#maxPositions) {
      throw new IndexOutOfRangeError(
        `attention: ${length} tokens, but max_position_embeddings is ${this.#maxPositions}; cut the sequence`,
      );
    }
    const at = arange(0, length, 1, { device: x.device });
    const distance = at.unsqueeze(1).sub(at.unsqueeze(0));
    return this.distance.forward(distance.add(this.#maxPositions - 1));
  }
}

/** [B, H, i, j]: the products of x [B, H, i, d] at i with rows [i, j, d] at i. */
function againstRows(x: Tensor, rows: Tensor): Tensor {
  const [batch, heads, length, width] = x.shape;
  const byPosition = x.permute([2, 0, 1, 3]).reshape([length, batch * heads, width]);
  const products = byPosition.matmul(rows.transpose(1, 2));
  return products.reshape([length, batch, heads, length]).permute([1, 2, 0, 3]);
}
