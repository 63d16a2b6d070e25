import { binaryCrossEntropyWithLogits, crossEntropy } from "../nn/functional/index.ts";
import { LayerNorm } from "../nn/layerNorm.ts";
import type { Linear } from "../nn/linear.ts";
import { Module } from "../nn/module.ts";
import type { CreateOptions } from "../tensor/create.ts";
import { concat, type Tensor } from "../tensor/tensor.ts";
import type { Names } from "./encoder.ts";
import { type XLNetOutput, xlnetLinear } from "./xlnet.ts";
import type { XLNetConfig } from "./xlnetConfig.ts";
import { XLNetHeadModel, type XLNetSpanInputs } from "./xlnetTasks.ts";

// Question answering as XLNet does it: an answer's end depends on its start, and there may be none.

export interface XLNetAnswerInputs extends XLNetSpanInputs {
  /** [B]: 1 where the question has no answer; counts with `clsIndex` only. */
  readonly isImpossible?: Tensor;
  /** [B]: the token that tells whether there is an answer; the last by default. */
  readonly clsIndex?: Tensor;
  /** [B, T]: 1 where no answer begins or ends (question, padding, special tokens). */
  readonly pMask?: Tensor;
}

export interface XLNetAnswerOutput extends XLNetOutput {
  /** The mean cross-entropy of start and end, and half that of `isImpossible`; undefined unless both positions were given. */
  readonly loss: Tensor | undefined;
  /** The `start_n_top` likeliest starts [B, S]; probabilities, whatever the name says. Undefined with positions. */
  readonly startTopLogProbs: Tensor | undefined;
  readonly startTopIndex: Tensor | undefined;
  /** The `end_n_top` likeliest ends of each [B, E S]: first the likeliest of every start, then the second. */
  readonly endTopLogProbs: Tensor | undefined;
  readonly endTopIndex: Tensor | undefined;
  /** [B]: above 0 where there seems to be no answer. */
  readonly clsLogits: Tensor | undefined;
}

/** Logits [B, T, ...] far below any other where the mask [B, T] is 1. */
function masked(logits: Tensor, pMask: Tensor | undefined): Tensor {
  if (pMask === undefined) return logits;
  const mask = pMask.to(logits.dtype).reshape([...pMask.shape, ...logits.shape.slice(2).map(() => 1)]);
  return logits.mul(mask.neg().add(1)).sub(mask.mul(1e30));
}

class StartLogits extends Module {
  readonly dense: Linear;

  constructor(config: XLNetConfig, options: CreateOptions) {
    super();
    this.dense = xlnetLinear(config.d_model, 1, config, options);
  }

  /** [B, T, d_model] gives [B, T]. */
  forward(hidden: Tensor, pMask: Tensor | undefined): Tensor {
    return masked(this.dense.forward(hidden).squeeze(-1), pMask);
  }
}

class EndLogits extends Module {
  readonly up: Linear;
  readonly norm: LayerNorm;
  readonly down: Linear;

  protected override get names(): Names {
    return { up: "dense_0", norm: "LayerNorm", down: "dense_1" };
  }

  constructor(config: XLNetConfig, options: CreateOptions) {
    super();
    const { d_model } = config;
    this.up = xlnetLinear(2 * d_model, d_model, config, options);
    this.norm = new LayerNorm(d_model, { eps: config.layer_norm_eps, ...options });
    this.down = xlnetLinear(d_model, 1, config, options);
  }

  /** States [B, T, d_model] and those of S starts [B, S, d_model] give [B, T, S]. */
  forward(hidden: Tensor, starts: Tensor, pMask: Tensor | undefined): Tensor {
    const [batch, length, width] = hidden.shape;
    const shape = [batch, length, starts.shape[1], width];
    const pairs = concat([hidden.unsqueeze(2).expand(shape), starts.unsqueeze(1).expand(shape)], -1);
    const inner = this.norm.forward(this.up.forward(pairs).tanh());
    return masked(this.down.forward(inner).squeeze(-1), pMask);
  }
}

class AnswerClass extends Module {
  readonly up: Linear;
  readonly down: Linear;

  protected override get names(): Names {
    return { up: "dense_0", down: "dense_1" };
  }

  constructor(config: XLNetConfig, options: CreateOptions) {
    super();
    this.up = xlnetLinear(2 * config.d_model, config.d_model, config, options);
    this.down = xlnetLinear(config.d_model, 1, config, { ...options, bias: false });
  }

  /** The start's and the classifier token's state [B, d_model] give [B]. */
  forward(start: Tensor, classifier: Tensor): Tensor {
    return this.down.forward(this.up.forward(concat([start, classifier], -1)).tanh()).squeeze(-1);
  }
}

/** Rows [B, N, width] of x [B, T, width] at [B, N]. */
function rowsAt(x: Tensor, index: Tensor): Tensor {
  return x.gather(1, index.unsqueeze(2).expand([...index.shape, x.shape[2]]));
}

/** Answers from several candidates, and whether there is one. */
export class XLNetForQuestionAnswering extends XLNetHeadModel {
  readonly start: StartLogits;
  readonly end: EndLogits;
  readonly answer: AnswerClass;

  protected override get names(): Names {
    return { start: "start_logits", end: "end_logits", answer: "answer_class" };
  }

  constructor(config: XLNetConfig, options: CreateOptions = {}) {
    super(config, options);
    this.start = new StartLogits(config, options);
    this.end = new EndLogits(config, options);
    this.answer = new AnswerClass(config, options);
  }

  /**
   * With both positions, the loss, where the end is predicted from the true start; without, candidates.
   * @throws ArgumentError for more candidates than tokens.
   */
  forward(inputIds: Tensor, inputs: XLNetAnswerInputs = {}): XLNetAnswerOutput {
    const output = this.transformer.forward(inputIds, inputs);
    const { lastHiddenState: hidden } = output;
    const startLogits = this.start.forward(hidden, inputs.pMask);
    const { startPositions, endPositions } = inputs;
    return {
      ...output,
      ...(startPositions && endPositions
        ? { ...none, loss: this.#loss(hidden, startLogits, startPositions, endPositions, inputs) }
        : { loss: undefined, ...this.#candidates(hidden, startLogits, inputs) }),
    };
  }

  #loss(
    hidden: Tensor,
    startLogits: Tensor,
    startPositions: Tensor,
    endPositions: Tensor,
    { pMask, clsIndex, isImpossible }: XLNetAnswerInputs,
  ): Tensor {
    const [batch] = hidden.shape;
    const first = startPositions.reshape([batch]);
    const start = rowsAt(hidden, first.unsqueeze(1));
    const endLogits = this.end.forward(hidden, start, pMask).squeeze(2);
    const spans = crossEntropy(startLogits, first)
      .add(crossEntropy(endLogits, endPositions.reshape([batch])))
      .div(2);
    if (!clsIndex || !isImpossible) return spans;
    const logits = this.answer.forward(start.squeeze(1), this.#classifier(hidden, clsIndex));
    const target = isImpossible.reshape([batch]).to(logits.dtype);
    return spans.add(binaryCrossEntropyWithLogits(logits, target).mul(0.5));
  }

  #candidates(hidden: Tensor, startLogits: Tensor, { pMask, clsIndex }: XLNetAnswerInputs) {
    const { start_n_top, end_n_top } = this.config;
    const [batch] = hidden.shape;
    const startProbabilities = startLogits.softmax(-1);
    const starts = startProbabilities.topk(start_n_top);
    const endLogits = this.end.forward(hidden, rowsAt(hidden, starts.indices), pMask);
    const ends = endLogits.softmax(1).topk(end_n_top, { dim: 1 });
    const flat = (x: Tensor): Tensor => x.reshape([batch, start_n_top * end_n_top]);
    const expected = startProbabilities.unsqueeze(1).matmul(hidden).squeeze(1);
    return {
      startTopLogProbs: starts.values,
      startTopIndex: starts.indices,
      endTopLogProbs: flat(ends.values),
      endTopIndex: flat(ends.indices),
      clsLogits: this.answer.forward(expected, this.#classifier(hidden, clsIndex)),
    };
  }

  #classifier(hidden: Tensor, clsIndex: Tensor | undefined): Tensor {
    const [batch] = hidden.shape;
    return clsIndex ? rowsAt(hidden, clsIndex.reshape([batch, 1])).squeeze(1) : hidden.select(1, -1);
  }
}

const none = {
  startTopLogProbs: undefined,
  startTopIndex: undefined,
  endTopLogProbs: undefined,
  endTopIndex: undefined,
  clsLogits: undefined,
};
