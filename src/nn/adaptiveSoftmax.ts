import { ArgumentError, ShapeError } from "../graph/errors.ts";
import { formatShape, numel, sameShape } from "../graph/shape.ts";
import type { CreateOptions } from "../tensor/create.ts";
import { checkHostIndex } from "../tensor/hostIndex.ts";
import { Parameter } from "../tensor/parameter.ts";
import { concat, type Tensor, where } from "../tensor/tensor.ts";
import { Embedding } from "./embedding.ts";
import { crossEntropy, linear } from "./functional/index.ts";
import { type Initializer, normal, zeros } from "./init.ts";
import { Module } from "./module.ts";

// Vocabularies sorted by frequency and cut into clusters, of which the rare ones can have narrower vectors. Every cluster is
// computed for every token, since shapes are static: what is saved is parameters.

export interface AdaptiveOptions extends CreateOptions {
  readonly vocabulary: number;
  /** Width of the first cluster's vectors. */
  readonly embeddingWidth: number;
  /** Width of the model. */
  readonly width: number;
  /** The first ids of the second and later clusters, ascending. None: one cluster. */
  readonly cutoffs: readonly number[];
  /** How many times narrower each cluster's vectors are than the last one's, rounded down. Default 1: they share a table. */
  readonly divisor?: number;
  /** Normal with variance 1 by default. */
  readonly weightInit?: Initializer;
  readonly projectionInit?: Initializer;
}

/** Ids from `start` to below `end`, and the width of their vectors. */
interface Cluster {
  readonly start: number;
  readonly end: number;
  readonly width: number;
}

/** @throws ArgumentError unless the cut-offs ascend within the vocabulary, and each cluster has a width. */
function clustersOf({ vocabulary, cutoffs, embeddingWidth, divisor = 1 }: AdaptiveOptions): Cluster[] {
  const bounds = [0, ...cutoffs, vocabulary];
  if (bounds.some((bound, i) => !Number.isInteger(bound) || (i > 0 && bound <= bounds[i - 1]))) {
    throw new ArgumentError(
      `adaptive: cut-offs ${cutoffs.join(", ")} do not ascend between 0 and the vocabulary of ${vocabulary}`,
    );
  }
  return bounds.slice(1).map((end, i) => {
    const width = Math.floor(embeddingWidth / divisor ** i);
    if (!(width >= 1)) {
      throw new ArgumentError(
        `adaptive: width ${embeddingWidth} divided by ${divisor} ${i} times leaves cluster ${i} nothing; lower the divisor`,
      );
    }
    return { start: bounds[i], end, width };
  });
}

function isWithin(ids: Tensor, { start, end }: Cluster): Tensor {
  return ids.ge(start).logicalAnd(ids.lt(end));
}

/**
 * A table for each cluster and a projection from its width to the model's; times the square root of the model's width.
 * Baevski and Auli, Adaptive Input Representations for Neural Language Modeling (2019).
 */
export class AdaptiveEmbedding extends Module {
  /** One a cluster [ids, width]; with divisor 1 one for all. */
  readonly tables: readonly Embedding[];
  /** [model's width, table's width] of each; none where all widths are the same and the divisor is 1. */
  readonly projections: readonly Parameter[];
  readonly #options: AdaptiveOptions;
  readonly #clusters: readonly Cluster[];

  /** @throws ArgumentError unless the cut-offs ascend within the vocabulary, and each cluster has a width. */
  constructor(options: AdaptiveOptions) {
    super();
    const { vocabulary, embeddingWidth, width, divisor = 1, weightInit, projectionInit = normal() } = options;
    const { dtype, device } = options;
    const cut = clustersOf(options);
    this.#options = options;
    this.#clusters = divisor === 1 ? [{ start: 0, end: vocabulary, width: embeddingWidth }] : cut;
    this.tables = this.#clusters.map(
      ({ start, end, width: narrow }) => new Embedding(end - start, narrow, { weightInit, dtype, device }),
    );
    const projected = divisor === 1 && embeddingWidth === width ? [] : this.#clusters;
    this.projections = projected.map(
      ({ width: narrow }) => new Parameter(projectionInit([width, narrow], { dtype, device })),
    );
  }

  /** Ids [...] give [..., width]. @throws IndexOutOfRangeError for an id outside the vocabulary that is known on the host. */
  forward(ids: Tensor): Tensor {
    const { vocabulary, width } = this.#options;
    checkHostIndex("adaptive embedding", ids.usable(), [vocabulary], 0);
    const parts = this.#clusters.map((cluster, i) => {
      const within = isWithin(ids, cluster);
      const found = this.tables[i].forward(where(within, ids.sub(cluster.start), 0));
      const projected = this.projections.length > 0 ? linear(found, this.projections[i]) : found;
      return this.#clusters.length === 1 ? projected : where(within.unsqueeze(-1), projected, 0);
    });
    return parts.reduce((sum, part) => sum.add(part)).mul(Math.sqrt(width));
  }
}

/** The scores of one cluster, or of all: a table and a bias a token. */
class OutputLayer extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter;

  constructor(weight: Parameter, bias: Parameter) {
    super();
    this.weight = weight;
    this.bias = bias;
  }
}

/** What an adaptive softmax can have in common with an embedding; by cluster. */
export interface AdaptiveTies {
  readonly tables?: readonly Parameter[];
  readonly projections?: readonly (Parameter | undefined)[];
}

/**
 * Log-probabilities over clusters: a softmax over the tokens of the first and one entry for each other cluster, times a
 * softmax within that one. Grave, Joulin, Cissé, Grangier and Jégou, Efficient softmax approximation for GPUs (2017); each
 * cluster with a projection of its own, as in Transformer-XL.
 */
export class AdaptiveLogSoftmax extends Module {
  /** [clusters - 1, embeddingWidth] and [clusters - 1]: the entries of the other clusters. */
  readonly clusterWeight: Parameter | undefined;
  readonly clusterBias: Parameter | undefined;
  /** One a cluster; with divisor 1 one for all. */
  readonly layers: readonly OutputLayer[];
  /** [model's width, cluster's width]; undefined where the widths are the same and the divisor is 1. */
  readonly projections: readonly (Parameter | undefined)[];
  readonly #vocabulary: number;
  readonly #clusters: readonly Cluster[];

  /** @throws ArgumentError unless the cut-offs ascend within the vocabulary, and each cluster has a width. */
  constructor(options: AdaptiveOptions, ties: AdaptiveTies = {}) {
    super();
    const { vocabulary, embeddingWidth, width, divisor = 1, dtype, device } = options;
    const { weightInit = normal(), projectionInit = normal() } = options;
    const create = { dtype, device };
    this.#vocabulary = vocabulary;
    this.#clusters = clustersOf(options);
    const others = this.#clusters.length - 1;
    this.clusterWeight = others > 0 ? new Parameter(weightInit([others, embeddingWidth], create)) : undefined;
    this.clusterBias = others > 0 ? new Parameter(zeros([others], create)) : undefined;
    const tables = divisor === 1 ? [{ start: 0, end: vocabulary, width: embeddingWidth }] : this.#clusters;
    this.layers = tables.map(({ start, end, width: narrow }, i) => {
      const weight = ties.tables?.[i] ?? new Parameter(weightInit([end - start, narrow], create));
      return new OutputLayer(weight, new Parameter(zeros([end - start], create)));
    });
    this.projections = this.#clusters.map((cluster, i) => {
      const narrow = divisor === 1 ? embeddingWidth : cluster.width;
      if (divisor === 1 && narrow === width) return undefined;
      return ties.projections?.[i] ?? new Parameter(projectionInit([width, narrow], create));
    });
  }

  /** hidden [..., width] gives log-probabilities [..., vocabulary]. */
  forward(hidden: Tensor): Tensor {
    const [shortlist] = this.#clusters;
    const head = this.#scores(hidden, 0).logSoftmax(-1);
    const parts = this.#clusters.map((_, i) =>
      i === 0
        ? head.narrow(-1, 0, shortlist.end)
        : this.#scores(hidden, i)
            .logSoftmax(-1)
            .add(head.narrow(-1, shortlist.end + i - 1, 1)),
    );
    return concat(parts, -1);
  }

  /**
   * Negative log-probabilities [...] of targets [...] (i32) for hidden [..., width]; 0 for a target of -100.
   * @throws ShapeError unless they fit; IndexOutOfRangeError for a target outside the vocabulary, known on the host.
   */
  losses(hidden: Tensor, targets: Tensor): Tensor {
    const outer = hidden.shape.slice(0, -1);
    if (!sameShape(outer, targets.shape)) {
      throw new ShapeError(
        `adaptive softmax: hidden ${formatShape(hidden.shape)} and targets ${formatShape(targets.shape)} do not fit`,
      );
    }
    checkHostIndex("adaptive softmax", targets.usable(), [this.#vocabulary], 0, { ignored });
    const rows = hidden.reshape([numel(outer), hidden.size(-1)]);
    const flat = targets.reshape([numel(outer)]);
    const { end: shortlist } = this.#clusters[0];
    // The head's entry behind the shortlist: that of the target's cluster.
    const entry = this.clusterOf(flat).add(shortlist - 1);
    const parts = this.#clusters.map((cluster, i) => {
      const within =
        i === 0
          ? where(flat.lt(shortlist), flat, entry)
          : where(isWithin(flat, cluster), flat.sub(cluster.start), ignored);
      return crossEntropy(this.#scores(rows, i), within, { ignoreIndex: ignored, reduction: "none" });
    });
    return parts.reduce((sum, part) => sum.add(part)).reshape(outer);
  }

  /** The number of each id's cluster. */
  clusterOf(ids: Tensor): Tensor {
    return this.#clusters
      .slice(1)
      .reduce((count, { start }) => count.add(ids.ge(start).to("i32")), ids.mul(0));
  }

  /** Scores of a cluster's tokens [..., tokens]; the first one's with the entries of the others. */
  #scores(hidden: Tensor, index: number): Tensor {
    const { start, end } = this.#clusters[index];
    const projection = this.projections[index];
    const narrow = projection ? hidden.matmul(projection) : hidden;
    const shared = this.layers.length === 1;
    const layer = this.layers[shared ? 0 : index];
    const weight = shared ? layer.weight.narrow(0, start, end - start) : layer.weight;
    const bias = shared ? layer.bias.narrow(0, start, end - start) : layer.bias;
    if (index > 0 || !this.clusterWeight || !this.clusterBias) return linear(narrow, weight, bias);
    return linear(narrow, concat([weight, this.clusterWeight], 0), concat([bias, this.clusterBias], 0));
  }
}

/** The target that counts for nothing. */
const ignored = -100;
