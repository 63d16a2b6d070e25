import { ShapeError } from "../graph/errors.ts";
import { formatShape, sameShape } from "../graph/shape.ts";
import {
  type AttentionResult,
  attentionProbabilities,
  scaledDotProductAttention,
} from "../nn/functional/index.ts";
import { arange, tensor } from "../tensor/create.ts";
import { concat, type Tensor, where } from "../tensor/tensor.ts";

// Attention over a memory of earlier segments, with scores that depend on distances: what Transformer-XL has, and XLNet
// takes from it. Dai, Yang, Yang, Carbonell, Le and Salakhutdinov, Transformer-XL: Attentive Language Models beyond a
// Fixed-Length Context (2019), sections 3.2 and 3.3.

/** Distances i - j between queries and keys, in the order in which `relativeShift` reads them. */
export interface DistanceRange {
  /** k: the keys, those of the memory included. The first distance is k. */
  readonly keys: number;
  /** The last distance: 0 where no query sees behind itself, 1 - q where q queries see everything. */
  readonly last: number;
  /** Greater distances, to either side, count as this one; none does by default. */
  readonly clamp?: number;
}

/** Distances [R] from k down to `last`. */
export function distances({ keys, last, clamp }: DistanceRange, { device }: Pick<Tensor, "device">): Tensor {
  const descending = arange(keys, last - 1, -1, { dtype: "f32", device });
  return clamp === undefined ? descending : descending.clamp({ min: -clamp, max: clamp });
}

/** The paper's R: [R] distances give [R, width], first all sines and then all cosines. */
export function sinusoids(distance: Tensor, width: number): Tensor {
  const frequencies = Float32Array.from({ length: width / 2 }, (_, i) => 10000 ** ((-2 * i) / width));
  const angles = distance.unsqueeze(1).mul(tensor(frequencies, { device: distance.device }));
  return concat([angles.sin(), angles.cos()], 1);
}

/**
 * From products of each query with every distance to those of each query with every key; appendix B. Column r of
 * x [..., q, R] belongs to the distance k - r; the result [..., q, k] holds at [i, j] the one of distance k - q + i - j.
 * Where that is below the last distance it holds something else, and has to be masked.
 */
export function relativeShift(x: Tensor, keys: number): Tensor {
  const [queries, columns] = x.shape.slice(-2);
  const outer = x.shape.slice(0, -2);
  // Without its first q elements, and with rows that are one shorter, each row starts one column earlier than the last.
  const flat = x.reshape([...outer, queries * columns]).narrow(-1, queries, queries * (columns - 1));
  return flat.reshape([...outer, queries, columns - 1]).narrow(-1, 0, keys);
}

/** What a query that may attend nothing gets: zeros, or an even mixture of everything, whether it may be seen or not. */
export const emptyRows = ["zero", "uniform"] as const;

export type EmptyRow = (typeof emptyRows)[number];

export interface RelativeAttentionInputs {
  /** [B, H, q, d] */
  readonly query: Tensor;
  /** [B, H, k, d] */
  readonly key: Tensor;
  readonly value: Tensor;
  /** The projected R: [H, R, d], or [B, H, R, d] where sequences differ in what their distances mean. */
  readonly position: Tensor;
  /** The paper's u: [H, d], added to the query where it meets keys. */
  readonly contentBias: Tensor;
  /** The paper's v: [H, d], added to the query where it meets distances. */
  readonly positionBias: Tensor;
  /** More terms of the score before scaling, broadcast against [B, H, q, k]. */
  readonly otherScores?: Tensor;
  /** Which keys may be attended: bool, broadcast against [B, H, q, k]. Everything by default. */
  readonly allowed?: Tensor;
  readonly emptyRow: EmptyRow;
  readonly dropout: number;
  readonly training: boolean;
}

const lowest = -3.4028234663852886e38;

/** softmax(((Q + u) Kᵀ + shift((Q + v) Rᵀ)) / √d) V: the four terms of section 3.3, (a) with (c) and (b) with (d). */
export function relativeAttention(inputs: RelativeAttentionInputs): AttentionResult {
  const { query, key, value, position, allowed, emptyRow } = inputs;
  const scale = 1 / Math.sqrt(query.size(-1));
  const byDistance = query.add(inputs.positionBias.unsqueeze(1)).matmul(position.transpose(-1, -2));
  const shifted = relativeShift(byDistance, key.shape[2]);
  const relative = (inputs.otherScores ? shifted.add(inputs.otherScores) : shifted).mul(scale);
  // The lowest f32 swallows any score, so that an empty row's are all the same.
  const even = allowed !== undefined && emptyRow === "uniform";
  const content = query.add(inputs.contentBias.unsqueeze(1));
  const scores = {
    scoreBias: even ? where(allowed, relative, lowest) : relative,
    mask: even ? undefined : allowed,
  };
  const { dropout, training } = inputs;
  return {
    output: scaledDotProductAttention(content, key, value, { ...scores, dropout, training }),
    probabilities: attentionProbabilities(content, key, scores),
  };
}

/** [B, T, H d] to [B, H, T, d]. */
export function splitHeads(x: Tensor, heads: number): Tensor {
  const [batch, length, width] = x.shape;
  return x.reshape([batch, length, heads, width / heads]).transpose(1, 2);
}

/** [B, H, T, d] to [B, T, H d]. */
export function mergeHeads(x: Tensor): Tensor {
  const [batch, heads, length, width] = x.shape;
  return x.transpose(1, 2).reshape([batch, length, heads * width]);
}

/** Which keys [q, k] are no later than each query, when the keys end with the queries. */
export function notLater(queries: number, keys: number, { device }: Pick<Tensor, "device">): Tensor {
  const query = arange(keys - queries, keys, 1, { device }).unsqueeze(1);
  return arange(0, keys, 1, { device }).unsqueeze(0).le(query);
}

/**
 * Checks a memory: for each layer its input at earlier positions [m, B, width], the same m in all.
 * @returns m. @throws ShapeError unless it fits.
 */
export function memoryLength(
  model: string,
  mems: readonly Tensor[] | undefined,
  wanted: { readonly layers: number; readonly batch: number; readonly width: number },
): number {
  if (mems === undefined) return 0;
  const { layers, batch, width } = wanted;
  const length = mems[0]?.shape[0] ?? 0;
  const shape = [length, batch, width];
  const bad = mems.find((memory) => !sameShape(memory.shape, shape));
  if (mems.length !== layers || bad) {
    const found = bad ? formatShape(bad.shape) : `${mems.length} tensors`;
    throw new ShapeError(
      `${model}: the memory has ${found}, wanted ${layers} of shape [m, ${batch}, ${width}]; pass the mems of the last call`,
    );
  }
  return length;
}

/**
 * The memory after a segment: the last `length` positions of the old one [m, B, width] and a layer's input [B, T, width],
 * all of them by default. Gradients end here.
 */
export function remember(old: Tensor | undefined, hidden: Tensor, length?: number): Tensor {
  const recent = hidden.transpose(0, 1);
  const all = old ? concat([old, recent], 0) : recent;
  const [total] = all.shape;
  const kept = Math.min(total, length ?? total);
  return all.narrow(0, total - kept, kept).detach();
}
