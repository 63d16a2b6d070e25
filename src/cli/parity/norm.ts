import { FileFormatError } from "../../graph/errors.ts";
import * as functional from "../../nn/functional/index.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { Attributes, Named, Operator, Operators } from "./operator.ts";

/** An operand that a formula cannot do without. */
function required(named: Named, name: string): Tensor {
  const found = named.get(name);
  if (found === undefined) throw new FileFormatError(`no input ${name}`);
  return found;
}

const rmsNorm =
  (epsPlace: "inside" | "outside"): Operator =>
  ([x], attrs, named) =>
    functional.rmsNorm(x, [x.size(-1)], {
      weight: named.get("weight"),
      bias: named.get("bias"),
      eps: attrs.number("eps"),
      epsPlace,
      partial: attrs.number("p", 1),
    });

function gateOf(attrs: Attributes): functional.GateName {
  const name = attrs.text("activation");
  if (!Object.hasOwn(functional.gates, name)) {
    throw new FileFormatError(`attribute activation is ${JSON.stringify(name)}`);
  }
  // hasOwn has just checked it.
  return name as functional.GateName;
}

const feedForward: Operator = ([x], attrs, named) =>
  functional.gatedFeedForward(x, gateOf(attrs), {
    gate: required(named, "W"),
    gateBias: named.get("b"),
    value: required(named, "V"),
    valueBias: named.get("c"),
    output: required(named, "W2"),
    outputBias: named.get("b2"),
  });

/** The form that the case's formula states: with the entropy taken off, it is that of tensor2tensor. */
const labelSmoothing: Operator = ([z, y], attrs) =>
  functional.crossEntropy(z, y, {
    labelSmoothing: attrs.number("epsilon"),
    labelSmoothingForm: attrs.text("form").includes("entropy") ? "t2t" : "uniform",
    ignoreIndex: attrs.number("ignore_index", -100),
  });

const maskedAttention: Operator = ([q, k, v], attrs, named) => {
  const allow = required(named, "allow");
  const emptyRow = attrs.text("empty_row") === "zero" ? ("zero" as const) : ("nan" as const);
  const options = { mask: allow.unsqueeze(1), emptyRow };
  return [
    functional.scaledDotProductAttention(q, k, v, options),
    functional.attentionProbabilities(q, k, options),
  ];
};

/** Operators of the group `norm`: their names and attributes state formulas. */
export const norm: Operators = {
  "rms_norm, eps inside the root": rmsNorm("inside"),
  "rms_norm without weight": rmsNorm("inside"),
  "rms_norm, a zero row and a tiny row": rmsNorm("inside"),
  "RMSNorm as released: eps outside the root": rmsNorm("outside"),
  "RMSNorm as released with bias": rmsNorm("outside"),
  "partial RMSNorm: statistics of the first floor(p*d) features": rmsNorm("outside"),
  ScaleNorm: ([x, g], attrs) => functional.scaleNorm(x, g, attrs.number("eps")),
  "ScaleNorm, a zero row and a row shorter than eps": ([x, g], attrs) =>
    functional.scaleNorm(x, g, attrs.number("eps")),
  "FixNorm, input side": ([weight, ids], attrs) =>
    functional.fixNorm(functional.embedding(ids, weight), attrs.number("eps")),
  "FixNorm, output side: unit rows, bias": ([x, weight, bias], attrs) =>
    functional.linear(x, functional.unitLength(weight, attrs.number("eps")), bias),
  layer_norm: ([x, weight, bias], attrs) =>
    functional.layerNorm(x, [x.size(-1)], weight, bias, attrs.number("eps")),
  "FFN(x) = (act(x W^T) * (x V^T)) W2^T": feedForward,
  "FFN(x) = W2(gelu(W x + b) * (V x + c)) + b2": feedForward,
  "label smoothing": labelSmoothing,
  "elu(x) + 1": ([x]) => functional.eluPlusOne(x),
  "linear attention, phi = elu + 1": ([q, k, v], attrs, named) =>
    functional.linearAttention(q, k, v, {
      keyMask: named.get("key_mask"),
      isCausal: attrs.boolean("causal"),
      eps: attrs.number("eps"),
    }),
  "attention(q,k,v,allow) -> (context, probabilities); a row without any allowed key is exactly 0 in both":
    maskedAttention,
  "the same with T-TA's mask: never the own position, never padding": maskedAttention,
};
