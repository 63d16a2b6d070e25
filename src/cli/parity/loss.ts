import { FileFormatError } from "../../graph/errors.ts";
import * as functional from "../../nn/functional/index.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { Attributes, Named, Operator, Operators } from "./operator.ts";

const reductions = ["mean", "sum", "none"] as const;

function reduction(attrs: Attributes): functional.Reduction {
  const name = attrs.text("reduction", "mean");
  const found = reductions.find((known) => known === name);
  if (found === undefined) throw new FileFormatError(`attribute reduction is ${JSON.stringify(name)}`);
  return found;
}

/** The operand that an attribute names, if there is one. */
const operand = (attrs: Attributes, named: Named, attribute: string): Tensor | undefined =>
  attrs.has(attribute) ? named.get(attrs.text(attribute)) : undefined;

const crossEntropy: Operator = ([x, target], attrs, named) => {
  const options = {
    reduction: reduction(attrs),
    labelSmoothing: attrs.number("label_smoothing", 0),
    weight: operand(attrs, named, "weight"),
  };
  // Recorded with softmax(t) as probabilities.
  if (target.dtype === "f32") return functional.crossEntropy(x, target.softmax(1), options);
  return functional.crossEntropy(x, target, { ...options, ignoreIndex: attrs.number("ignore_index", -100) });
};

/** Recorded with log_softmax(x / T), and softmax(y / T) or its logarithm, times T². */
const klDiv: Operator = ([x, y], attrs) => {
  const name = attrs.text("reduction", "mean");
  const temperature = attrs.number("temperature", 1);
  const logTarget = attrs.boolean("log_target", false);
  const logs = x.div(temperature).logSoftmax(-1);
  const scaled = y.div(temperature);
  const target = logTarget ? scaled.logSoftmax(-1) : scaled.softmax(-1);
  const loss = functional.klDiv(logs, target, {
    reduction: name === "batchmean" ? name : reduction(attrs),
    logTarget,
  });
  return loss.mul(temperature ** 2);
};

const margin = (attrs: Attributes): { readonly margin?: number } =>
  attrs.has("margin") ? { margin: attrs.number("margin") } : {};

/** Operators of the group `loss`. */
export const loss: Operators = {
  "F.cross_entropy": crossEntropy,
  "F.nll_loss": ([x, target], attrs, named) =>
    functional.nllLoss(x.logSoftmax(1), target, {
      reduction: reduction(attrs),
      ignoreIndex: attrs.number("ignore_index", -100),
      weight: operand(attrs, named, "weight"),
    }),
  "F.binary_cross_entropy_with_logits": ([x, y], attrs, named) =>
    functional.binaryCrossEntropyWithLogits(x, y, {
      reduction: reduction(attrs),
      weight: named.get("w"),
      posWeight: named.get("pw"),
    }),
  // Recorded with sigmoid(x) as probabilities.
  "F.binary_cross_entropy": ([x, y], attrs, named) =>
    functional.binaryCrossEntropy(x.sigmoid(), y, { reduction: reduction(attrs), weight: named.get("w") }),
  mse: ([a, b], attrs) => functional.mseLoss(a, b, { reduction: reduction(attrs) }),
  l1: ([a, b], attrs) => functional.l1Loss(a, b, { reduction: reduction(attrs) }),
  smooth_l1: ([a, b], attrs) =>
    functional.smoothL1Loss(a, b, { reduction: reduction(attrs), beta: attrs.number("beta_or_delta", 1) }),
  huber: ([a, b], attrs) =>
    functional.huberLoss(a, b, { reduction: reduction(attrs), delta: attrs.number("beta_or_delta", 1) }),
  "F.kl_div": klDiv,
  "F.cosine_embedding_loss": ([a, b, y], attrs) =>
    functional.cosineEmbeddingLoss(a, b, y, { reduction: reduction(attrs), ...margin(attrs) }),
  "F.triplet_margin_loss": ([anchor, positive, negative], attrs) =>
    functional.tripletMarginLoss(anchor, positive, negative, {
      reduction: reduction(attrs),
      ...margin(attrs),
      p: attrs.number("p", 2),
      swap: attrs.boolean("swap", false),
    }),
  "F.margin_ranking_loss": ([a, b, y], attrs) =>
    functional.marginRankingLoss(a, b, y, { reduction: reduction(attrs), ...margin(attrs) }),
  "F.hinge_embedding_loss": ([x, y], attrs) =>
    functional.hingeEmbeddingLoss(x, y, { reduction: reduction(attrs), ...margin(attrs) }),
};
