import fc from "fast-check";
import * as functional from "../../../nn/functional/index.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { distinctTensorOf, real, tensorOf } from "../arbitraries.ts";
import type { HostTensor } from "../spec.ts";
import { type FunctionSampleOptions, type FunctionSpec, int, sampleOf, tensorsOf } from "./spec.ts";

const reduction = fc.constantFrom<functional.Reduction>("mean", "sum", "none");
const all = (...parts: readonly fc.Arbitrary<HostTensor>[]): fc.Arbitrary<HostTensor[]> => fc.tuple(...parts);

/** A loss of two tensors of one shape whose differences are apart from 0, 1 and each other. */
function difference(
  doc: string,
  apply: (x: Tensor, y: Tensor, options: functional.LossOptions) => Tensor,
): FunctionSpec {
  return {
    doc,
    secondOrder: true,
    samples: (options) =>
      fc.tuple(int(1, 3), int(1, 3), reduction).chain(([rows, width, kind]) => {
        // Multiples of a quarter, and an eighth more: neither 0 nor a bend at 0.5, 1 or 2.
        const shape = [rows, width];
        const inputs = fc
          .tuple(distinctTensorOf(shape, options.dtype), distinctTensorOf(shape, options.dtype))
          .map(([x, y]) => [{ ...x, data: x.data.map((n: number) => n + 0.125) } as HostTensor, y]);
        return sampleOf(inputs, { reduction: kind }, ([x, y], given) => apply(x, y, given));
      }),
  };
}

const classTargets = (count: number, classes: number, ignored: number): fc.Arbitrary<HostTensor> =>
  tensorOf(
    [count],
    "i32",
    fc.oneof({ weight: 5, arbitrary: int(0, classes - 1) }, { weight: 1, arbitrary: fc.constant(ignored) }),
  );

/** Logits [N, C, L], targets [N, L] of which the first counts, and weights. */
function classified(options: FunctionSampleOptions, ignored: number) {
  return fc.tuple(int(1, 2), int(2, 4), int(1, 2)).chain(([batch, classes, length]) => {
    const targets = classTargets(batch * length, classes, ignored).map((target): HostTensor => {
      const data = target.data.slice();
      data[0] = classes - 1;
      return { ...target, shape: [batch, length], data };
    });
    return all(
      tensorOf([batch, classes, length], options.dtype, real(-2, 2)),
      targets,
      tensorOf([classes], options.dtype, real(0.5, 2)),
    );
  });
}

const crossEntropy: FunctionSpec["samples"] = (options) =>
  fc
    .record({
      reduction,
      labelSmoothing: fc.constantFrom(0, 0.1, 0.75),
      labelSmoothingForm: fc.constantFrom<"uniform" | "t2t">("uniform", "t2t"),
      weighted: fc.boolean(),
    })
    .chain((form) =>
      sampleOf(
        classified(options, 0),
        { ...form, ignoreIndex: 0 },
        ([x, target, weight], { weighted, ...given }) =>
          functional.crossEntropy(x, target, { ...given, weight: weighted ? weight : undefined }),
      ),
    );

const softCrossEntropy: FunctionSpec["samples"] = (options) =>
  fc
    .tuple(reduction, fc.constantFrom(0, 0.1), int(1, 3), int(2, 4))
    .chain(([kind, labelSmoothing, rows, classes]) =>
      sampleOf(
        tensorsOf(options, [[rows, classes], [rows, classes], [classes]]),
        { reduction: kind, labelSmoothing },
        ([x, target, weight], given) => functional.crossEntropy(x, target.softmax(1), { ...given, weight }),
      ),
    );

/** Two operands of one shape, of which the second holds shares between 0 and 1. */
function withShares(
  options: FunctionSampleOptions,
  apply: (x: Tensor, shares: Tensor, kind: functional.Reduction) => Tensor,
): ReturnType<FunctionSpec["samples"]> {
  return fc.tuple(int(1, 3), int(1, 3), reduction).chain(([rows, width, kind]) => {
    const shape = [rows, width];
    const inputs = all(
      tensorOf(shape, options.dtype, real(-2, 2)),
      tensorOf(shape, options.dtype, real(0.125, 0.875)),
    );
    return sampleOf(inputs, { reduction: kind }, ([x, shares], given) => apply(x, shares, given.reduction));
  });
}

/** Rows of a few numbers, and a sign for each. */
function paired(
  options: FunctionSampleOptions,
  count: number,
  apply: (rows: readonly Tensor[], signs: Tensor, kind: functional.Reduction) => Tensor,
): ReturnType<FunctionSpec["samples"]> {
  return fc.tuple(int(1, 3), int(2, 4), reduction).chain(([rows, width, kind]) => {
    const tensors = Array.from({ length: count }, () => distinctTensorOf([rows, width], options.dtype));
    const inputs = all(...tensors, tensorOf([rows], "i32", fc.constantFrom(1, -1)));
    return sampleOf(inputs, { reduction: kind }, (given, { reduction: form }) =>
      apply(given.slice(0, count), given[count], form),
    );
  });
}

const wide = (signs: Tensor, like: Tensor): Tensor => signs.unsqueeze(1).to(like.dtype).expand(like.shape);

export const lossSpecs = {
  crossEntropy: { doc: "Cross-entropy against classes.", secondOrder: true, samples: crossEntropy },
  softCrossEntropy: {
    doc: "Cross-entropy against probabilities.",
    secondOrder: true,
    samples: softCrossEntropy,
  },
  nllLoss: {
    doc: "The negative of the target's log-probability.",
    secondOrder: true,
    samples: (options) =>
      reduction.chain((kind) =>
        sampleOf(classified(options, 0), { reduction: kind, ignoreIndex: 0 }, ([x, target, weight], given) =>
          functional.nllLoss(x, target, { ...given, weight }),
        ),
      ),
  },
  mseLoss: difference("Squared differences.", functional.mseLoss),
  l1Loss: difference("Absolute differences.", functional.l1Loss),
  smoothL1Loss: difference("Squares near 0, lines from beta on.", (x, y, options) =>
    functional.smoothL1Loss(x, y, { ...options, beta: 0.5 }),
  ),
  huberLoss: difference("Squares near 0, lines from delta on.", (x, y, options) =>
    functional.huberLoss(x, y, { ...options, delta: 2 }),
  ),
  binaryCrossEntropy: {
    doc: "Cross-entropy of probabilities against shares.",
    secondOrder: true,
    samples: (options) =>
      withShares(options, (x, shares, kind) =>
        functional.binaryCrossEntropy(shares, x.sigmoid(), { reduction: kind, weight: x }),
      ),
  },
  binaryCrossEntropyWithLogits: {
    doc: "Cross-entropy of logits against shares.",
    secondOrder: true,
    samples: (options) =>
      withShares(options, (x, shares, kind) =>
        functional.binaryCrossEntropyWithLogits(x.add(3), shares, { reduction: kind, posWeight: x.square() }),
      ),
  },
  klDiv: {
    doc: "How far one distribution is from another.",
    secondOrder: true,
    samples: (options) =>
      fc.boolean().chain((logTarget) =>
        withShares(options, (x, shares, kind) =>
          functional.klDiv(x, logTarget ? shares.log() : shares, {
            reduction: kind === "none" ? "batchmean" : kind,
            logTarget,
          }),
        ),
      ),
  },
  cosineEmbeddingLoss: {
    doc: "Angles small for pairs, large for others.",
    secondOrder: true,
    samples: (options) =>
      paired(options, 2, ([x, y], signs, kind) =>
        // A margin below every cosine: no bend is near.
        functional.cosineEmbeddingLoss(x, y, signs, { margin: -1.5, reduction: kind }),
      ),
  },
  tripletMarginLoss: {
    doc: "Anchors nearer to one than to another.",
    secondOrder: true,
    samples: (options) =>
      fc.constantFrom(2, 3, 1).chain((p) =>
        paired(options, 3, ([anchor, positive, negative], _, kind) =>
          functional.tripletMarginLoss(anchor, positive.add(0.125), negative.sub(0.0625), {
            margin: 40,
            p,
            reduction: kind,
          }),
        ),
      ),
  },
  marginRankingLoss: {
    doc: "One score above another.",
    secondOrder: true,
    samples: (options) =>
      paired(options, 2, ([x, y], signs, kind) =>
        functional.marginRankingLoss(x, y, wide(signs, x), { margin: 0.125, reduction: kind }),
      ),
  },
  hingeEmbeddingLoss: {
    doc: "Distances small for pairs, above a margin for others.",
    secondOrder: true,
    samples: (options) =>
      paired(options, 1, ([x], signs, kind) =>
        functional.hingeEmbeddingLoss(x, wide(signs, x), { margin: 0.1, reduction: kind }),
      ),
  },
} satisfies Record<string, FunctionSpec>;
