import { IndexOutOfRangeError, ShapeError } from "../graph/errors.ts";
import { formatShape } from "../graph/shape.ts";
import { xavierUniform } from "../nn/init.ts";
import { Linear } from "../nn/linear.ts";
import { Module } from "../nn/module.ts";
import type { CreateOptions } from "../tensor/create.ts";
import { Parameter } from "../tensor/parameter.ts";
import { concat, type Tensor } from "../tensor/tensor.ts";
import type { CheckpointRules } from "./checkpoint.ts";
import { ConfigReader } from "./config.ts";
import type { Names } from "./encoder.ts";

// The attention modules of the most used unofficial Synthesizer (github.com/leaderj1001/Synthesizer): one head, and scores
// that are not divided by the square root of the width. They differ from the paper, which `synthesizer.ts` follows; they are here so that
// weights trained with them can be used.

export const unofficialSynthesizerCheckpoint: CheckpointRules = {};

export interface UnofficialSynthesizerConfig {
  /** Width of the input and the output. */
  readonly in_dims: number;
  /** The length of all sequences, where scores are made for one length. */
  readonly sentence_length: number;
}

export const UnofficialSynthesizerConfig = {
  /** @throws ArgumentError naming the field that is wrong. */
  from(json: unknown): UnofficialSynthesizerConfig {
    const reader = new ConfigReader("UnofficialSynthesizerConfig", json);
    return {
      in_dims: reader.integer("in_dims", 512),
      sentence_length: reader.integer("sentence_length", 128),
    };
  },
};

/** The mixed values and what they were mixed with; a tuple in the original. */
export interface UnofficialOutput {
  /** [B, T, in_dims] */
  readonly output0: Tensor;
  /** The weights [B, T, T], or [1, T, T] where they are the same for every input. */
  readonly output1: Tensor;
}

abstract class UnofficialAttention extends Module {
  readonly config: UnofficialSynthesizerConfig;
  readonly value: Linear;

  protected override get names(): Names {
    return { value: "value_fc", query: "query_fc", key: "key_fc" };
  }

  constructor(config: UnofficialSynthesizerConfig, options: CreateOptions) {
    super();
    this.config = config;
    this.value = new Linear(config.in_dims, config.in_dims, options);
  }

  /** The weights, [B or 1, T, T]. */
  protected abstract weights(x: Tensor): Tensor;

  /** x [B, T, in_dims]; T is `sentence_length` where scores are made for one length. @throws ShapeError for another rank. */
  forward(x: Tensor): UnofficialOutput {
    if (x.ndim !== 3)
      throw new ShapeError(`synthesizer: input ${formatShape(x.shape)}, wanted [B, T, width]`);
    const weights = this.weights(x);
    return { output0: weights.matmul(this.value.forward(x)), output1: weights };
  }

  /** @throws IndexOutOfRangeError unless the sequences have the one length that scores are made for. */
  protected checkLength(x: Tensor): void {
    const { sentence_length } = this.config;
    if (x.size(1) === sentence_length) return;
    throw new IndexOutOfRangeError(
      `synthesizer: ${x.size(1)} tokens, but scores are made for sentence_length ${sentence_length}; pad or cut the sequence`,
    );
  }
}

/** Products of queries and keys, as they are. */
abstract class ProductAttention extends UnofficialAttention {
  readonly query: Linear;
  readonly key: Linear;

  constructor(config: UnofficialSynthesizerConfig, options: CreateOptions, width: number) {
    super(config, options);
    this.query = new Linear(config.in_dims, width, options);
    this.key = new Linear(config.in_dims, width, options);
  }

  /** [B, T, T] */
  protected scores(x: Tensor): Tensor {
    return this.query.forward(x).matmul(this.key.forward(x).transpose(1, 2));
  }
}

/** Ordinary attention with one head; the only one of these whose scores are divided by the square root of the width. */
export class UnofficialTransformer extends ProductAttention {
  constructor(config: UnofficialSynthesizerConfig, options: CreateOptions = {}) {
    super(config, options, config.in_dims);
  }

  protected override weights(x: Tensor): Tensor {
    return this.scores(x).div(Math.sqrt(this.config.in_dims)).softmax(-1);
  }
}

/** Called random there, but really attention with queries and keys of width 8. */
export class UnofficialFactorizedRandom extends ProductAttention {
  constructor(config: UnofficialSynthesizerConfig, options: CreateOptions = {}) {
    super(config, options, 8);
  }

  protected override weights(x: Tensor): Tensor {
    return this.scores(x).softmax(-1);
  }
}

/** Trained scores, the same for every input, added to those of queries and keys. */
export class UnofficialMixture extends ProductAttention {
  readonly attention: Parameter;

  constructor(config: UnofficialSynthesizerConfig, options: CreateOptions = {}) {
    super(config, options, config.in_dims);
    this.attention = fixedScores(config, options);
  }

  protected override weights(x: Tensor): Tensor {
    this.checkLength(x);
    return this.scores(x).add(this.attention).softmax(-1);
  }
}

/** Trained weights, the same for every input, without a softmax. */
export class UnofficialRandom extends UnofficialAttention {
  readonly attention: Parameter;

  constructor(config: UnofficialSynthesizerConfig, options: CreateOptions = {}) {
    super(config, options);
    this.attention = fixedScores(config, options);
  }

  protected override weights(x: Tensor): Tensor {
    this.checkLength(x);
    return this.attention;
  }
}

/** A row of scores from each token, by two layers. */
export class UnofficialDense extends UnofficialAttention {
  readonly hidden: Linear;
  readonly out: Linear;

  protected override get names(): Names {
    return { ...super.names, hidden: "dense.0", out: "dense.2" };
  }

  constructor(config: UnofficialSynthesizerConfig, options: CreateOptions = {}) {
    super(config, options);
    const { in_dims, sentence_length } = config;
    this.hidden = new Linear(in_dims, sentence_length, options);
    this.out = new Linear(sentence_length, sentence_length, options);
  }

  protected override weights(x: Tensor): Tensor {
    this.checkLength(x);
    return this.out.forward(this.hidden.forward(x).relu()).softmax(-1);
  }
}

/** A row of scores from 4 + T / 4 numbers; both are repeated as they stand, so that pairs can occur twice. */
export class UnofficialFactorizedDense extends UnofficialAttention {
  readonly a: Linear;
  readonly b: Linear;

  protected override get names(): Names {
    return { ...super.names, a: "a_proj", b: "b_proj" };
  }

  constructor(config: UnofficialSynthesizerConfig, options: CreateOptions = {}) {
    super(config, options);
    const { in_dims, sentence_length } = config;
    this.a = new Linear(in_dims, 4, options);
    this.b = new Linear(in_dims, Math.floor(sentence_length / 4), options);
  }

  protected override weights(x: Tensor): Tensor {
    this.checkLength(x);
    const [a, b] = [this.a.forward(x), this.b.forward(x)];
    const scores = concat(Array(b.size(2)).fill(a), 2).mul(concat(Array(a.size(2)).fill(b), 2));
    return scores.softmax(-1);
  }
}

function fixedScores({ sentence_length }: UnofficialSynthesizerConfig, options: CreateOptions): Parameter {
  const shape = [1, sentence_length, sentence_length];
  return new Parameter(xavierUniform()(shape, options), { name: "attention" });
}
