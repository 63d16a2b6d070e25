import { IndexOutOfRangeError } from "../graph/errors.ts";
import { type AttendOptions, mergeHeads, splitHeads } from "../nn/attention.ts";
import { type AttentionResult, dropout, maskedSoftmax } from "../nn/functional/index.ts";
import { type Initializer, zeros } from "../nn/init.ts";
import { Linear } from "../nn/linear.ts";
import { allOf } from "../nn/masks.ts";
import { Module } from "../nn/module.ts";
import type { CreateOptions } from "../tensor/create.ts";
import { Buffer, Parameter } from "../tensor/parameter.ts";
import { Tensor } from "../tensor/tensor.ts";

// Tay, Bahri, Metzler, Juan, Zhao and Zheng, Synthesizer: Rethinking Self-Attention for Transformer Models (2020): scores
// that are not products of tokens. Comments give the paper's names; its N is `maxLength` here.

/** What scores can be made of; several are mixed. */
export const synthesizerComponents = [
  "vanilla",
  "dense",
  "random",
  "factorized_dense",
  "factorized_random",
] as const;

export type SynthesizerComponent = (typeof synthesizerComponents)[number];

export interface SynthesizerOptions extends CreateOptions {
  readonly width: number;
  readonly heads: number;
  readonly components: readonly SynthesizerComponent[];
  /** N: the longest sequence, for which scores are made; they are cut to the sequence's length. */
  readonly maxLength: number;
  /** Whether random scores are trained. */
  readonly trainable: boolean;
  /** [a, b] with a b = N, of factorised dense scores. */
  readonly factorDims: readonly [a: number, b: number];
  /** k of factorised random scores R1 R2ᵀ. */
  readonly factorRank: number;
  /** Dropout on the attention probabilities. */
  readonly dropout: number;
  readonly weightInit: Initializer;
}

/** One kind of scores. */
interface Scores extends Module {
  /** x [B, T, width] gives [B or 1, heads, T, T]. */
  forward(x: Tensor): Tensor;
}

/** The Transformer's own: S = Q Kᵀ / √d. */
class VanillaScores extends Module implements Scores {
  readonly query: Linear;
  readonly key: Linear;
  readonly #heads: number;

  constructor({ width, heads, ...options }: SynthesizerOptions) {
    super();
    this.query = linear(width, options);
    this.key = linear(width, options);
    this.#heads = heads;
  }

  forward(x: Tensor): Tensor {
    const query = splitHeads(this.query.forward(x), this.#heads);
    const key = splitHeads(this.key.forward(x), this.#heads);
    return query.matmul(key.transpose(-1, -2)).mul(1 / Math.sqrt(query.size(-1)));
  }
}

/** Section 3.1: S_t = W2 relu(W1 x_t + b1) + b2, one row of N scores a token and head. */
class DenseScores extends Module implements Scores {
  readonly hidden: Linear;
  readonly out: RowsOfScores;
  readonly #heads: number;

  constructor(options: SynthesizerOptions) {
    super();
    const { width, heads, maxLength } = options;
    this.hidden = linear(width, options);
    this.out = new RowsOfScores(maxLength, options);
    this.#heads = heads;
  }

  forward(x: Tensor): Tensor {
    const length = x.size(1);
    return this.out.forward(splitHeads(this.hidden.forward(x).relu(), this.#heads)).narrow(3, 0, length);
  }
}

/** A linear layer of each head's own: [B, H, T, d] to [B, H, T, columns]. */
class RowsOfScores extends Module {
  /** [H, d, columns] */
  readonly weight: Parameter;
  /** [H, columns] */
  readonly bias: Parameter;

  constructor(columns: number, { width, heads, weightInit, dtype, device }: SynthesizerOptions) {
    super();
    const create = { dtype, device };
    this.weight = new Parameter(weightInit([heads, width / heads, columns], create), { name: "weight" });
    this.bias = new Parameter(zeros([heads, columns], create), { name: "bias" });
  }

  forward(x: Tensor): Tensor {
    return x.matmul(this.weight).add(this.bias.unsqueeze(1));
  }
}

/** Section 3.2: S = R, the same for every input; trained, or as they were drawn. */
class RandomScores extends Module implements Scores {
  /** [H, N, N] */
  readonly scores: Buffer;

  constructor({ heads, maxLength, ...options }: SynthesizerOptions) {
    super();
    this.scores = drawn([heads, maxLength, maxLength], options);
  }

  forward(x: Tensor): Tensor {
    const length = x.size(1);
    return this.scores.narrow(1, 0, length).narrow(2, 0, length).unsqueeze(0);
  }
}

/**
 * Section 3.3: a row's N = a b scores from a + b numbers, both read from one hidden layer: column n is A[n div b] B[n mod b],
 * so that each pair occurs once.
 */
class FactorizedDenseScores extends Module implements Scores {
  readonly hidden: Linear;
  readonly a: RowsOfScores;
  readonly b: RowsOfScores;
  readonly #heads: number;

  constructor(options: SynthesizerOptions) {
    super();
    const { width, heads, factorDims } = options;
    this.hidden = linear(width, options);
    this.a = new RowsOfScores(factorDims[0], options);
    this.b = new RowsOfScores(factorDims[1], options);
    this.#heads = heads;
  }

  forward(x: Tensor): Tensor {
    const hidden = splitHeads(this.hidden.forward(x).relu(), this.#heads);
    const pairs = this.a.forward(hidden).unsqueeze(4).mul(this.b.forward(hidden).unsqueeze(3));
    const [batch, heads, length, a, b] = pairs.shape;
    return pairs.reshape([batch, heads, length, a * b]).narrow(3, 0, length);
  }
}

/** Section 3.3: S = R1 R2ᵀ. */
class FactorizedRandomScores extends Module implements Scores {
  /** R1 and R2, [H, N, k] */
  readonly left: Buffer;
  readonly right: Buffer;

  constructor({ heads, maxLength, factorRank, ...options }: SynthesizerOptions) {
    super();
    this.left = drawn([heads, maxLength, factorRank], options);
    this.right = drawn([heads, maxLength, factorRank], options);
  }

  forward(x: Tensor): Tensor {
    const length = x.size(1);
    const cut = (factor: Tensor): Tensor => factor.narrow(1, 0, length);
    return cut(this.left).matmul(cut(this.right).transpose(1, 2)).unsqueeze(0);
  }
}

function linear(
  width: number,
  { weightInit, dtype, device }: Pick<SynthesizerOptions, "weightInit" | "dtype" | "device">,
): Linear {
  return new Linear(width, width, { weightInit, biasInit: zeros, dtype, device });
}

function drawn(
  shape: readonly number[],
  {
    weightInit,
    trainable,
    dtype,
    device,
  }: Pick<SynthesizerOptions, "weightInit" | "trainable" | keyof CreateOptions>,
): Buffer {
  const initial = weightInit(shape, { dtype, device });
  return trainable ? new Parameter(initial) : new Buffer(initial);
}

/**
 * Y = softmax(S) G(X), with S a mixture of what `components` names, weighted by the softmax of one trained number each.
 * Only the vanilla part is divided by √d. Random scores know nothing of padding: the mask is as needed as ever.
 */
export class SynthesizerAttention extends Module {
  /** The components that there are. */
  readonly vanilla: VanillaScores | undefined;
  readonly dense: DenseScores | undefined;
  readonly random: RandomScores | undefined;
  readonly factorizedDense: FactorizedDenseScores | undefined;
  readonly factorizedRandom: FactorizedRandomScores | undefined;
  /** α before the softmax, in the order of `components`; section 3.4. */
  readonly mixture: Parameter | undefined;
  /** G */
  readonly value: Linear;
  readonly output: Linear;
  readonly #options: SynthesizerOptions;

  constructor(options: SynthesizerOptions) {
    super();
    const { width, components, dtype, device } = options;
    const has = (component: SynthesizerComponent): boolean => components.includes(component);
    this.vanilla = has("vanilla") ? new VanillaScores(options) : undefined;
    this.dense = has("dense") ? new DenseScores(options) : undefined;
    this.random = has("random") ? new RandomScores(options) : undefined;
    this.factorizedDense = has("factorized_dense") ? new FactorizedDenseScores(options) : undefined;
    this.factorizedRandom = has("factorized_random") ? new FactorizedRandomScores(options) : undefined;
    this.mixture =
      components.length > 1 ? new Parameter(zeros([components.length], { dtype, device })) : undefined;
    this.value = linear(width, options);
    this.output = linear(width, options);
    this.#options = options;
  }

  /**
   * x [B, T, width] gives the output [B, T, width] and the probabilities [B, heads, T, T], before dropout.
   * @throws IndexOutOfRangeError for a sequence longer than N.
   */
  forward(x: Tensor, { mask, scoreBias }: AttendOptions = {}): AttentionResult {
    const { heads, maxLength, dropout: rate } = this.#options;
    const [batch, length] = x.shape;
    if (length > maxLength) {
      throw new IndexOutOfRangeError(
        `synthesizer: ${length} tokens, but synthesizer_max_length is ${maxLength}; cut the sequence`,
      );
    }
    const mixed = this.scores(x);
    const scores = scoreBias ? mixed.add(scoreBias) : mixed;
    const allowed = allOf(mask === undefined || mask instanceof Tensor ? [mask] : mask);
    const probabilities = maskedSoftmax(scores, allowed).expand([batch, heads, length, length]);
    const values = splitHeads(this.value.forward(x), heads);
    const context = dropout(probabilities, rate, this.training).matmul(values);
    return { output: this.output.forward(mergeHeads(context)), probabilities };
  }

  /** S before mask and softmax, [B, heads, T, T], or [1, heads, T, T] where no part of it depends on x [B, T, width]. */
  scores(x: Tensor): Tensor {
    const { components } = this.#options;
    const parts = components.map((component) => this.#component(component).forward(x));
    const weights = this.mixture?.softmax(0);
    if (weights === undefined) return parts[0];
    return parts.map((part, i) => part.mul(weights.select(0, i))).reduce((sum, part) => sum.add(part));
  }

  #component(component: SynthesizerComponent): Scores {
    const parts = {
      vanilla: this.vanilla,
      dense: this.dense,
      random: this.random,
      factorized_dense: this.factorizedDense,
      factorized_random: this.factorizedRandom,
    } satisfies Record<SynthesizerComponent, Scores | undefined>;
    return parts[component] as Scores; // made above for all that are named
  }
}
