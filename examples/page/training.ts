import { type Compiled, compile, noGrad, optim, type Tensor, tensor } from "fusegrad";
import { BertConfig, BertForMaskedLM } from "fusegrad/models";
import {
  MaskedBatches,
  packExamples,
  predictionCount,
  splitLines,
  Tokenizer,
  trainWordPiece,
} from "fusegrad/text";

const sequenceLength = 32;
const batchSize = 16;
const vocabSize = 1024;
const warmupSteps = 20;
const learningRate = 2e-3;

/** A small BERT (Devlin et al., 2018), and the batches of one text that it learns from. */
export class Training {
  readonly tokenizer: Tokenizer;
  readonly #model: BertForMaskedLM;
  readonly #batches: MaskedBatches;
  readonly #step: Compiled<[Tensor, Tensor, Tensor], Tensor>;
  #steps = 0;

  /** @throws ArgumentError for a text too short for one batch, or with too many different characters. */
  constructor(text: string) {
    const lines = splitLines(text).filter((line) => line.trim() !== "");
    this.tokenizer = Tokenizer.bert(trainWordPiece(lines, { vocabSize }));
    const id = (token: string): number => this.tokenizer.tokenToId(token) ?? 0;
    const examples = packExamples(
      lines.map((line) => this.tokenizer.encode(line, null, { addSpecialTokens: false }).ids),
      { sequenceLength, clsTokenId: id("[CLS]"), sepTokenId: id("[SEP]") },
    );
    this.#batches = new MaskedBatches(examples, {
      batchSize,
      masking: {
        vocabSize: this.tokenizer.vocabSize,
        maskTokenId: id("[MASK]"),
        specialTokenIds: this.tokenizer.specialTokenIds,
        maxPredictions: predictionCount(sequenceLength, sequenceLength),
        seed: 1,
      },
    });
    this.#model = new BertForMaskedLM(
      BertConfig.from({
        vocab_size: this.tokenizer.vocabSize,
        hidden_size: 64,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        intermediate_size: 256,
        max_position_embeddings: sequenceLength,
      }),
    );
    const adamw = new optim.AdamW(this.#model.parameters(), {
      lr: (step) => learningRate * Math.min(1, (step + 1) / warmupSteps),
    });
    this.#step = compile((inputIds, maskedPositions, labels) => {
      adamw.zeroGrad();
      const { loss } = this.#model.forward(inputIds, { maskedPositions, labels });
      if (loss === undefined) throw new TypeError("labels give a loss");
      loss.backward();
      adamw.step();
      return loss;
    });
  }

  /** Takes one step; gives its loss, in nats a masked token. */
  async advance(): Promise<number> {
    this.#model.train();
    const batch = this.#batches.batchAt(this.#steps);
    const matrix = (values: Int32Array): Tensor =>
      tensor(values, { shape: [batchSize, values.length / batchSize] });
    const loss = this.#step(matrix(batch.inputIds), matrix(batch.positions), matrix(batch.labels));
    this.#steps += 1;
    return loss.item();
  }

  /** What the model puts in the place of the first [MASK], the most probable first. @throws RangeError without a mask. */
  async fill(text: string, top = 5): Promise<{ readonly token: string; readonly probability: number }[]> {
    const { ids } = this.tokenizer.encode(text);
    const place = ids.indexOf(this.tokenizer.tokenToId("[MASK]") ?? -1);
    if (place < 0 || ids.length > sequenceLength)
      throw new RangeError(`Write [MASK] for one word of a sentence of at most ${sequenceLength} tokens.`);
    this.#model.eval();
    const { values, indices } = noGrad(() => {
      const { logits } = this.#model.forward(tensor(Int32Array.from(ids), { shape: [1, ids.length] }), {
        maskedPositions: tensor([[place]], { dtype: "i32" }),
      });
      return logits.softmax(-1).flatten().topk(top);
    });
    const [probabilities, tokens] = await Promise.all([values.data(), indices.data()]);
    return [...tokens].map((token, i) => ({
      token: this.tokenizer.idToToken(token) ?? "",
      probability: probabilities[i],
    }));
  }
}
