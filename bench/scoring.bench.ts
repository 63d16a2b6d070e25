import { bench, describe } from "vitest";
import {
  BertConfig,
  BertForMaskedLM,
  MaskedScorer,
  TtaConfig,
  TtaForLanguageAutoencoding,
  TtaScorer,
} from "../src/models/index.ts";

// T-TA against a masked language model of the same size: one pass for a sentence, and one for each token of it, batched.

const sizes = {
  vocab_size: 4096,
  hidden_size: 128,
  num_hidden_layers: 3,
  num_attention_heads: 4,
  intermediate_size: 512,
  max_position_embeddings: 128,
  type_vocab_size: 0,
};

const few = { iterations: 5, time: 0, warmupIterations: 1, warmupTime: 0 };

for (const length of [16, 32, 64, 128]) {
  describe(`reranking sentences of ${length} tokens`, () => {
    const { tta, masked, sentences } = scorers(length);
    bench("T-TA", async () => void (await tta.tokenScores(sentences)), few);
    bench("BERT", async () => void (await masked.tokenScores(sentences)), few);
  });

  describe(`vectors of sentences of ${length} tokens`, () => {
    const { tta, masked, sentences } = scorers(length);
    bench("T-TA", async () => void (await tta.vectors(sentences)), few);
    bench("BERT", async () => void (await masked.vectors(sentences)), few);
  });
}

function scorers(length: number) {
  const count = 8;
  const tta = new TtaForLanguageAutoencoding(TtaConfig.from(sizes));
  const bert = new BertForMaskedLM(BertConfig.from(sizes)).eval();
  const sentences = Array.from({ length: count }, (_, row) =>
    Array.from({ length }, (_, i) => 5 + ((row * 31 + i * 7) % 4000)),
  );
  return {
    tta: new TtaScorer(tta, { batchSize: count }),
    masked: new MaskedScorer(bert, 4, { batchSize: 32 }),
    sentences,
  };
}
