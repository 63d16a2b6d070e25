import { XLNetConfig, XLNetLMHeadModel } from "../../../models/index.ts";
import { tensor } from "../../../tensor/create.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import {
  PermutationBatches,
  type PermutationBatchesOptions,
  type TokenStreams,
} from "../../../text/index.ts";
import { UsageError } from "../../errors.ts";
import { heldOutSeed } from "../corpus.ts";
import { continuesWord, initializerRange, lossOf, tallyTokens } from "../objectives.ts";
import type { Recipe } from "../recipe.ts";
import { heldOutStreams, type StreamInputs, type StreamSource, streamsOf, streamTask } from "../streams.ts";

type PermutedInputs = StreamInputs & {
  readonly inputIds: Tensor;
  readonly tokenTypeIds: Tensor;
  readonly permMask: Tensor;
  readonly targetMapping: Tensor;
  readonly labels: Tensor;
};

/** Yang et al. (2019), sections 2.2 to 2.5: spans of tokens in a permuted order, with a memory of the text before. */
export const xlnet: Recipe = {
  title: "XLNet",
  tokenizer: "unigram",
  prepare: (setting) => {
    const { corpus, sizes, batchSize, sequenceLength: length, seed } = setting;
    if (length % 2 !== 0 || length < 12) {
      throw new UsageError(
        `--length ${length}: for xlnet an even number of at least 12; half of each sequence is remembered`,
      );
    }
    const model = new XLNetLMHeadModel(
      XLNetConfig.from({
        vocab_size: corpus.tokenizer.vocabSize,
        d_model: sizes.width,
        n_layer: sizes.layers,
        n_head: sizes.heads,
        d_inner: sizes.intermediate,
        mem_len: length / 2,
        reuse_len: length / 2,
        dropout: sizes.dropout,
        initializer_range: initializerRange(sizes),
        // So that a first target without context does not see itself.
        empty_row: "zero",
      }),
    );
    const isContinuation = continuesWord(corpus.tokenizer);
    const batches: PermutationBatchesOptions = {
      sequenceLength: length,
      reuseLength: length / 2,
      permutationLength: length / 2,
      // The release predicts 85 of 512 tokens.
      predictions: Math.max(2, Math.floor(length / 6)),
      sepTokenId: corpus.special.sep,
      clsTokenId: corpus.special.cls,
      seed,
      spans: { isWordStart: (id) => !isContinuation(id) },
    };
    const sources = {
      training: permuted(streamsOf(corpus.training, batchSize, length), batches),
      heldOut: permuted(heldOutStreams(corpus.heldOut, batchSize, length), { ...batches, seed: heldOutSeed }),
    };
    const memory = { layers: sizes.layers, positions: length / 2, width: sizes.width };
    return {
      ...streamTask(model, memory, sources, ({ goesOn: _, inputIds, ...inputs }: PermutedInputs, mems) => {
        const output = model.forward(inputIds, { ...inputs, mems, useMems: true });
        return {
          loss: lossOf(output),
          mems: output.mems ?? [],
          tallies: { permuted: tallyTokens(output.logits, inputs.labels) },
        };
      }),
      saved: { "": model },
    };
  },
};

function permuted(streams: TokenStreams, options: PermutationBatchesOptions): StreamSource<PermutedInputs> {
  const batches = new PermutationBatches(streams, options);
  const { batchSize } = streams;
  const { sequenceLength: length, predictions } = options;
  return {
    batchSize,
    stepsPerEpoch: batches.stepsPerEpoch,
    batchAt: (step) => {
      const batch = batches.batchAt(step);
      return {
        inputs: {
          inputIds: tensor(batch.inputIds, { shape: [batchSize, length] }),
          tokenTypeIds: tensor(batch.typeIds, { shape: [batchSize, length] }),
          permMask: tensor(batch.permMask, { shape: [batchSize, length, length] }),
          targetMapping: tensor(batch.targetMapping, { shape: [batchSize, predictions, length] }),
          labels: tensor(batch.labels, { shape: [batchSize, predictions] }),
          goesOn: tensor([Number(!batch.isFirst)]),
        },
        tokens: batchSize * length,
        labels: batch.labels,
      };
    },
  };
}
