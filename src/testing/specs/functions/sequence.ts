import fc from "fast-check";
import * as functional from "../../../nn/functional/index.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { tensorOf } from "../arbitraries.ts";
import { type FunctionSpec, int, sampleOf, tensorsOf } from "./spec.ts";

const sizes = fc.record({
  steps: int(1, 3),
  batch: int(1, 2),
  width: int(1, 2),
  hidden: int(1, 3),
  layers: int(1, 2),
  bidirectional: fc.boolean(),
  bias: fc.boolean(),
  projection: int(0, 1),
});

/** Calls a stack of layers with x, states and the weights of each layer and direction. */
type Stack = (
  x: Tensor,
  states: readonly [hidden: Tensor, cell: Tensor],
  weights: readonly functional.LstmWeights[],
  options: functional.RecurrentOptions,
) => readonly Tensor[];

function recurrent(doc: string, gates: number, apply: Stack): FunctionSpec {
  return {
    doc,
    secondOrder: true,
    samples: (options) =>
      sizes.chain(({ steps, batch, width, hidden, layers, bidirectional, bias, projection }) => {
        const directions = bidirectional ? 2 : 1;
        const projected = gates === 4 && hidden > 1 ? projection : 0;
        const shown = projected || hidden;
        const rows = gates * hidden;
        const weights = Array.from({ length: layers * directions }, (_, i) => [
          [rows, i < directions ? width : directions * shown],
          [rows, shown],
          ...(bias ? [[rows], [rows]] : []),
          ...(projected ? [[projected, hidden]] : []),
        ]);
        const states = [
          [layers * directions, batch, shown],
          [layers * directions, batch, hidden],
        ];
        const shapes = [[steps, batch, width], ...states, ...weights.flat()];
        return sampleOf(
          tensorsOf(options, shapes),
          { bidirectional, layers },
          ([x, h, c, ...rest], given) => {
            const per = weights[0].length;
            const sets = weights.map((_, i) => {
              const [weightIh, weightHh, ...more] = rest.slice(i * per, (i + 1) * per);
              const [biasIh, biasHh] = bias ? more : [];
              return {
                weightIh,
                weightHh,
                biasIh,
                biasHh,
                projection: projected ? more[bias ? 2 : 0] : undefined,
              };
            });
            return apply(x, [h, c], sets, { bidirectional: given.bidirectional });
          },
        );
      }),
  };
}

const multiHead: FunctionSpec["samples"] = (options) =>
  fc
    .record({
      length: int(1, 3),
      keys: int(1, 3),
      batch: int(1, 2),
      numHeads: int(1, 2),
      extra: fc.boolean(),
      masked: fc.boolean(),
      averageAttnWeights: fc.boolean(),
    })
    .chain(({ length, keys, batch, numHeads, extra, masked, averageAttnWeights }) => {
      const width = 2 * numHeads;
      const shapes = [
        [length, batch, width],
        [keys, batch, 3],
        [keys, batch, width],
        [width, width],
        [width, 3],
        [width, width],
        [3 * width],
        [width, width],
        [width],
        [1, 1, width],
        [1, 1, width],
        [length, keys],
      ];
      // The first key is never hidden: no query is left without one.
      const hidden = tensorOf([batch, keys], "bool", int(0, 1)).map((mask) => ({
        ...mask,
        data: mask.data.map((bit, i) => (i % keys === 0 ? 0 : bit)),
      }));
      const inputs = fc.tuple(tensorsOf(options, shapes), hidden).map(([drawn, mask]) => [...drawn, mask]);
      const form = { numHeads, addZeroAttn: extra, averageAttnWeights };
      return sampleOf(inputs, form, ([q, k, v, wq, wk, wv, bi, wo, bo, bk, bv, bias, padding], given) => {
        const weights = {
          qProjWeight: wq,
          kProjWeight: wk,
          vProjWeight: wv,
          inProjBias: bi,
          outProjWeight: wo,
          outProjBias: bo,
          ...(extra ? { biasK: bk, biasV: bv } : {}),
        };
        const masks = masked ? { attnMask: bias, keyPaddingMask: padding } : {};
        const result = functional.multiHeadAttentionForward(q, k, v, weights, { ...given, ...masks });
        return [result.output, result.weights];
      });
    });

export const sequenceSpecs = {
  rnn: recurrent("Elman networks over a sequence.", 1, (x, [hidden], weights, options) => {
    const result = functional.rnn(x, hidden, weights, options);
    return [result.output, result.hidden];
  }),
  gru: recurrent("Gated recurrent units over a sequence.", 3, (x, [hidden], weights, options) => {
    const result = functional.gru(x, hidden, weights, options);
    return [result.output, result.hidden];
  }),
  lstm: recurrent("Long short-term memories over a sequence.", 4, (x, [hidden, cell], weights, options) => {
    const { output, state } = functional.lstm(x, { hidden, cell }, weights, options);
    return [output, state.hidden, state.cell];
  }),
  multiHeadAttentionForward: {
    doc: "Attention with several heads, as PyTorch's function of the name.",
    secondOrder: true,
    samples: multiHead,
  },
  linearAttention: {
    doc: "Attention whose weights are products of positive features.",
    secondOrder: true,
    samples: (options) =>
      fc.tuple(int(1, 4), int(1, 4), int(1, 3), fc.boolean()).chain(([queries, keys, width, isCausal]) => {
        const length = isCausal ? queries : keys;
        const shapes = [
          [1, 2, queries, width],
          [1, 2, length, width],
          [1, 2, length, 2],
        ];
        return sampleOf(tensorsOf(options, shapes), { isCausal }, ([q, k, v], given) =>
          functional.linearAttention(q, k, v, { ...given, eps: 1e-3 }),
        );
      }),
  },
} satisfies Record<string, FunctionSpec>;
