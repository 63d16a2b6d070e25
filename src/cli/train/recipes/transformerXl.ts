import { TransfoXLConfig, TransfoXLLMHeadModel } from "../../../models/index.ts";
import { tensor } from "../../../tensor/create.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { segmentCount, streamSegment, type TokenStreams } from "../../../text/index.ts";
import { initializerRange, lossOf, tallyTokens } from "../objectives.ts";
import type { Recipe } from "../recipe.ts";
import { heldOutStreams, type StreamInputs, type StreamSource, streamsOf, streamTask } from "../streams.ts";

type SegmentInputs = StreamInputs & { readonly inputIds: Tensor; readonly nextTokens: Tensor };

/** Dai et al. (2019), section 3.2: each next token, with a memory of the segment before. */
export const transformerXl: Recipe = {
  title: "Transformer-XL",
  tokenizer: "bpe",
  prepare: (setting) => {
    const { corpus, sizes, batchSize, sequenceLength: length } = setting;
    const model = new TransfoXLLMHeadModel(
      TransfoXLConfig.from({
        vocab_size: corpus.tokenizer.vocabSize,
        d_model: sizes.width,
        d_embed: sizes.width,
        n_head: sizes.heads,
        d_head: sizes.width / sizes.heads,
        d_inner: sizes.intermediate,
        n_layer: sizes.layers,
        mem_len: length,
        // The vocabulary is not sorted by frequency, and small enough for one cluster.
        cutoffs: [],
        div_val: 1,
        same_length: false,
        clamp_len: -1,
        dropout: sizes.dropout,
        init_std: initializerRange(sizes),
      }),
    );
    const sources = {
      training: segments(streamsOf(corpus.training, batchSize, length + 1), length),
      heldOut: segments(heldOutStreams(corpus.heldOut, batchSize, length + 1), length),
    };
    const memory = { layers: sizes.layers, positions: length, width: sizes.width };
    return {
      ...streamTask(model, memory, sources, ({ inputIds, nextTokens }: SegmentInputs, mems) => {
        const output = model.forward(inputIds, { mems, nextTokens });
        return {
          loss: lossOf(output),
          mems: output.mems ?? [],
          tallies: { next: tallyTokens(output.predictionScores, nextTokens) },
        };
      }),
      saved: { "": model },
    };
  },
};

function segments(streams: TokenStreams, length: number): StreamSource<SegmentInputs> {
  const { batchSize } = streams;
  const stepsPerEpoch = segmentCount(streams, length);
  const shape = [batchSize, length];
  return {
    batchSize,
    stepsPerEpoch,
    batchAt: (step) => {
      const { inputIds, nextTokens, isFirst } = streamSegment(streams, length, step % stepsPerEpoch);
      return {
        inputs: {
          inputIds: tensor(inputIds, { shape }),
          nextTokens: tensor(nextTokens, { shape }),
          goesOn: tensor([Number(!isFirst)]),
        },
        tokens: batchSize * length,
        labels: nextTokens,
      };
    },
  };
}
