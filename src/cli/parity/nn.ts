import { FileFormatError } from "../../graph/errors.ts";
import * as functional from "../../nn/functional/index.ts";
import { arange, zeros } from "../../tensor/create.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { Attributes, Named, Operator, Operators, Outputs } from "./operator.ts";

type PerDim = number | readonly number[];

/** What is left out where it is missing, so that the function's own default holds. */
function given<T extends object>(entries: T): { [Key in keyof T]?: Exclude<T[Key], undefined> } {
  return Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== undefined)) as {
    [Key in keyof T]?: Exclude<T[Key], undefined>;
  };
}

const flag = (attrs: Attributes, name: string): boolean | undefined =>
  attrs.has(name) ? attrs.boolean(name) : undefined;

const eps = (attrs: Attributes): number | undefined => (attrs.has("eps") ? attrs.number("eps") : undefined);

/** The padding of a convolution: a number, several, or a word. */
function padding(attrs: Attributes): PerDim | "same" | "valid" | undefined {
  const value = attrs.value("padding");
  if (value === "same" || value === "valid") return value;
  return attrs.dims("padding");
}

const convolution =
  (
    apply: (
      x: Tensor,
      weight: Tensor,
      bias: Tensor | undefined,
      options: functional.ConvolutionOptions,
    ) => Tensor,
  ): Operator =>
  ([x, weight, bias], attrs) =>
    apply(
      x,
      weight,
      bias,
      given({
        stride: attrs.dims("stride"),
        padding: padding(attrs),
        dilation: attrs.dims("dilation"),
        groups: attrs.number("groups", 1),
      }),
    );

const convolutionTranspose =
  (
    apply: (
      x: Tensor,
      weight: Tensor,
      bias: Tensor | undefined,
      options: functional.ConvolutionTransposeOptions,
    ) => Tensor,
  ): Operator =>
  ([x, weight, bias], attrs) =>
    apply(
      x,
      weight,
      bias,
      given({
        stride: attrs.dims("stride"),
        padding: attrs.dims("padding"),
        outputPadding: attrs.dims("output_padding"),
        dilation: attrs.dims("dilation"),
        groups: attrs.number("groups", 1),
      }),
    );

/** A size that every case has. @throws FileFormatError where it is missing. */
function size(attrs: Attributes, ...names: readonly string[]): PerDim {
  const found = names.map((name) => attrs.dims(name)).find((value) => value !== undefined);
  if (found === undefined) throw new FileFormatError(`no attribute ${names.join(" or ")}`);
  return found;
}

const unfoldOptions = (attrs: Attributes): functional.UnfoldOptions =>
  given({
    stride: attrs.dims("stride"),
    padding: attrs.dims("padding"),
    dilation: attrs.dims("dilation"),
  });

const maxPool =
  (dims: 1 | 2 | 3): Operator =>
  ([x], attrs) => {
    const options = given({
      stride: attrs.dims("stride"),
      padding: attrs.dims("padding"),
      dilation: attrs.dims("dilation"),
      ceilMode: flag(attrs, "ceil_mode"),
    });
    const kernel = size(attrs, "kernel_size");
    if (attrs.boolean("return_indices", false)) {
      const { output, indices } = functional.maxPoolWithIndices(x, dims, kernel, options);
      return [output, indices];
    }
    return [functional.maxPool1d, functional.maxPool2d, functional.maxPool3d][dims - 1](x, kernel, options);
  };

const avgPool =
  (dims: 1 | 2 | 3): Operator =>
  ([x], attrs) =>
    [functional.avgPool1d, functional.avgPool2d, functional.avgPool3d][dims - 1](
      x,
      size(attrs, "kernel_size"),
      given({
        stride: attrs.dims("stride"),
        padding: attrs.dims("padding"),
        ceilMode: flag(attrs, "ceil_mode"),
        countIncludePad: flag(attrs, "count_include_pad"),
        divisorOverride: attrs.has("divisor_override") ? attrs.number("divisor_override") : undefined,
      }),
    );

/** `null` for a dim that keeps its size. */
function outputSize(attrs: Attributes): functional.OutputSize {
  const value = attrs.value("output_size");
  if (typeof value === "number") return value;
  if (Array.isArray(value)) {
    const sizes = value.filter((item) => item === null || typeof item === "number");
    if (sizes.length === value.length) return sizes;
  }
  throw new FileFormatError(`attribute output_size is ${JSON.stringify(value)}`);
}

const adaptiveMaxPool =
  (dims: 1 | 2 | 3): Operator =>
  ([x], attrs) => {
    if (!attrs.boolean("return_indices", false))
      return functional.adaptiveMaxPool(x, dims, outputSize(attrs));
    const { output, indices } = functional.adaptiveMaxPoolWithIndices(x, dims, outputSize(attrs));
    return [output, indices];
  };

const adaptiveAvgPool =
  (dims: 1 | 2 | 3): Operator =>
  ([x], attrs) =>
    functional.adaptiveAvgPool(x, dims, outputSize(attrs));

const interpolate: Operator = ([x], attrs) =>
  functional.interpolate(
    x,
    given({
      size: attrs.dims("size"),
      scaleFactor: attrs.dims("scale_factor"),
      mode: attrs.has("mode") ? modeOf(attrs.text("mode")) : undefined,
      alignCorners: flag(attrs, "align_corners"),
      recomputeScaleFactor: flag(attrs, "recompute_scale_factor"),
    }),
  );

function modeOf(name: string): functional.InterpolationMode {
  const mode = functional.interpolationModes.find((known) => known === name);
  if (mode === undefined) throw new FileFormatError(`attribute mode is ${JSON.stringify(name)}`);
  return mode;
}

const affine = (named: Named): functional.ChannelAffine =>
  given({ weight: named.get("w"), bias: named.get("b") });

const statistics = (named: Named) => given({ runningMean: named.get("m"), runningVar: named.get("v") });

/** Attention with its probabilities. */
function attend([q, k, v]: readonly Tensor[], options: functional.ScoreOptions): Outputs {
  return [
    functional.scaledDotProductAttention(q, k, v, options),
    functional.attentionProbabilities(q, k, options),
  ];
}

const cell = ([weightIh, weightHh, biasIh, biasHh]: readonly Tensor[]): functional.CellWeights => ({
  weightIh,
  weightHh,
  biasIh,
  biasHh,
});

/** Inputs of several cells: four tensors each, by layer, then direction. */
function cells(inputs: readonly Tensor[]): functional.CellWeights[] {
  return Array.from({ length: inputs.length / 4 }, (_, i) => cell(inputs.slice(4 * i, 4 * i + 4)));
}

const lstm: Operator = ([x, ...inputs], attrs) => {
  const weights = cells(inputs);
  const { dtype, device } = x;
  const initial = zeros([weights.length, x.shape[0], inputs[1].shape[1]], { dtype, device });
  const state = { hidden: initial, cell: initial };
  const result = functional.lstm(x.transpose(0, 1), state, weights, {
    bidirectional: attrs.boolean("bidirectional", false),
  });
  return [result.output, result.state.hidden, result.state.cell];
};

/** Operators of the group `nn`. */
export const nn: Operators = {
  "F.layer_norm": ([x, weight, bias], attrs) =>
    functional.layerNorm(x, attrs.numbers("normalized_shape"), weight, bias, eps(attrs)),
  "F.group_norm": ([x], attrs, named) =>
    functional.groupNorm(x, attrs.number("num_groups"), { ...affine(named), ...given({ eps: eps(attrs) }) }),
  "F.batch_norm": ([x], attrs, named) =>
    functional.batchNorm(x, {
      ...affine(named),
      ...statistics(named),
      ...given({ eps: eps(attrs), training: flag(attrs, "training") }),
    }),
  "F.instance_norm": ([x], attrs, named) =>
    functional.instanceNorm(x, {
      ...affine(named),
      ...statistics(named),
      ...given({ eps: eps(attrs), useInputStats: flag(attrs, "use_input_stats") }),
    }),
  "x*rsqrt(mean(x^2)+eps)*w": ([x, weight], attrs) =>
    functional.rmsNorm(x, [x.size(-1)], { weight, ...given({ eps: eps(attrs) }) }),

  "softmax(qk^T/sqrt(d))v -> (out, probs)": (inputs) => attend(inputs, {}),
  "sdpa with additive mask": (inputs) => attend(inputs, { scoreBias: inputs[3], emptyRow: "nan" }),
  "sdpa causal (tril, -inf)": (inputs) => {
    // The lower triangle from the first key on, whatever the lengths.
    const [queries, keys] = [inputs[0].size(-2), inputs[1].size(-2)];
    const { device } = inputs[0];
    const mask = arange(0, queries, 1, { device })
      .unsqueeze(1)
      .ge(arange(0, keys, 1, { device }));
    return attend(inputs, { mask });
  },
  "F.multi_head_attention_forward self-attention; x [B,S,E]; out.0 is [S,B,E]; out.1 mean weights": (
    [x],
    attrs,
    named,
  ) => {
    const outProjWeight = named.get("wo");
    if (outProjWeight === undefined) throw new FileFormatError("no input wo");
    const sequence = x.transpose(0, 1);
    const { output, weights } = functional.multiHeadAttentionForward(
      sequence,
      sequence,
      sequence,
      {
        outProjWeight,
        ...given({
          inProjWeight: named.get("wi"),
          inProjBias: named.get("bi"),
          outProjBias: named.get("bo"),
        }),
      },
      { numHeads: attrs.number("heads"), ...given({ keyPaddingMask: named.get("m") }) },
    );
    return [output, weights];
  },

  "F.conv1d": convolution(functional.conv1d),
  "F.conv2d": convolution(functional.conv2d),
  "F.conv3d": convolution(functional.conv3d),
  "F.conv_transpose1d": convolutionTranspose(functional.convTranspose1d),
  "F.conv_transpose2d": convolutionTranspose(functional.convTranspose2d),
  "F.conv_transpose3d": convolutionTranspose(functional.convTranspose3d),
  "F.unfold": ([x], attrs) =>
    functional.unfold(x, size(attrs, "kernel", "kernel_size"), unfoldOptions(attrs)),
  "F.fold": ([x], attrs) =>
    functional.fold(
      x,
      size(attrs, "output", "output_size"),
      size(attrs, "kernel", "kernel_size"),
      unfoldOptions(attrs),
    ),

  "F.max_pool1d": maxPool(1),
  "F.max_pool2d": maxPool(2),
  "F.max_pool3d": maxPool(3),
  "F.avg_pool1d": avgPool(1),
  "F.avg_pool2d": avgPool(2),
  "F.avg_pool3d": avgPool(3),
  "F.adaptive_avg_pool1d": adaptiveAvgPool(1),
  "F.adaptive_avg_pool2d": adaptiveAvgPool(2),
  "F.adaptive_avg_pool3d": adaptiveAvgPool(3),
  "F.adaptive_max_pool1d": adaptiveMaxPool(1),
  "F.adaptive_max_pool2d": adaptiveMaxPool(2),
  "F.adaptive_max_pool3d": adaptiveMaxPool(3),
  "F.interpolate": interpolate,
  "F.pixel_shuffle": ([x], attrs) => functional.pixelShuffle(x, attrs.number("upscale")),
  "F.pixel_unshuffle": ([x], attrs) => functional.pixelUnshuffle(x, attrs.number("downscale")),

  "LSTMCell -> (h, c)": ([x, hidden, state, ...weights]) => {
    const next = functional.lstmCell(x, { hidden, cell: state }, cell(weights));
    return [next.hidden, next.cell];
  },
  GRUCell: ([x, hidden, ...weights]) => functional.gruCell(x, hidden, cell(weights)),
  "RNNCell tanh": ([x, hidden, ...weights]) => functional.rnnCell(x, hidden, cell(weights)),
  "RNNCell relu": ([x, hidden, ...weights]) => functional.rnnCell(x, hidden, cell(weights), "relu"),
  "nn.LSTM 1 layer, bidirectional, x [B,T,I] -> (output [T,B,2H], h [2,B,H], c); zero initial state; weights forward then reverse":
    lstm,
};
