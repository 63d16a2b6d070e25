import type { TypedArray } from "../graph/dtype.ts";
import { ArgumentError } from "../graph/errors.ts";
import { compile } from "../tensor/compile.ts";
import { tensor } from "../tensor/create.ts";
import { noGrad } from "../tensor/grad.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { EncoderInputs, EncoderOutput } from "./encoder.ts";
import type { TtaForLanguageAutoencoding } from "./tta.ts";

// How likely a sentence is, and how alike two are, by models that see both sides of a word. T-TA answers in one pass;
// a masked language model needs one pass a token: Shin et al. (2020), section 4; Salazar et al., Masked Language Model
// Scoring (2020).

/** A masked language model, as far as it is needed here. */
export interface MaskedLanguageModel {
  forward(
    inputIds: Tensor,
    inputs: EncoderInputs & { readonly maskedPositions?: Tensor },
  ): EncoderOutput & { readonly logits: Tensor };
}

/** Token ids of a sentence, with what the model wants before and behind it. */
export type Sentence = readonly number[];

/** What a pass over many sentences gives: for each, a number for each of its tokens. */
export type TokenScores = readonly (readonly number[])[];

export interface ScoringOptions {
  /** Rows that the model takes at once. Default 32. */
  readonly batchSize?: number;
}

/** log p(x_t | all other tokens), in nats, of every token of each sentence: one row a sentence in a pass. */
export class TtaScorer {
  readonly #scores: (ids: Tensor, mask: Tensor) => Tensor;
  readonly #vectors: (ids: Tensor, mask: Tensor) => Tensor;
  readonly #batchSize: number;

  /** The model is put into evaluation mode. @throws ArgumentError for a batch of no rows. */
  constructor(model: TtaForLanguageAutoencoding, { batchSize = 32 }: ScoringOptions = {}) {
    model.eval();
    this.#batchSize = checkBatch(batchSize);
    this.#scores = compile((ids: Tensor, mask: Tensor) =>
      noGrad(() => model.forward(ids, { attentionMask: mask }).tokenLogProbs),
    );
    this.#vectors = compile((ids: Tensor, mask: Tensor) =>
      noGrad(() => innerMean(model.base.forward(ids, { attentionMask: mask }).lastHiddenState, mask)),
    );
  }

  async tokenScores(sentences: readonly Sentence[]): Promise<TokenScores> {
    return this.#run(sentences, this.#scores, (row, { length }) => [...row.slice(0, length)]);
  }

  /** The mean of the last layer's vectors, the first and the last token left out: a vector for each sentence. */
  async vectors(sentences: readonly Sentence[]): Promise<readonly Float64Array[]> {
    return this.#run(sentences, this.#vectors, (row) => Float64Array.from(row));
  }

  async #run<T>(
    sentences: readonly Sentence[],
    pass: (ids: Tensor, mask: Tensor) => Tensor,
    result: (row: TypedArray, sentence: Sentence) => T,
  ): Promise<T[]> {
    const results: T[] = [];
    for (const rows of chunks(sentences, this.#batchSize)) {
      const { ids, mask } = padded(rows, this.#batchSize);
      const found = await pass(ids, mask).data();
      const width = found.length / this.#batchSize;
      results.push(...rows.map((row, i) => result(found.subarray(i * width, (i + 1) * width), row)));
    }
    return results;
  }
}

/** A token of a sentence. */
interface Place {
  readonly sentence: number;
  readonly at: number;
}

/** The same by a masked language model: each token is masked in a copy of its sentence, and the copies are a batch. */
export class MaskedScorer {
  readonly #scores: (ids: Tensor, mask: Tensor, at: Tensor) => Tensor;
  readonly #vectors: (ids: Tensor, mask: Tensor, at: Tensor) => Tensor;
  readonly #maskToken: number;
  readonly #batchSize: number;

  /** The model should be in evaluation mode. @throws ArgumentError for a batch of no rows. */
  constructor(model: MaskedLanguageModel, maskToken: number, { batchSize = 32 }: ScoringOptions = {}) {
    this.#maskToken = maskToken;
    this.#batchSize = checkBatch(batchSize);
    const forward = (ids: Tensor, attentionMask: Tensor, maskedPositions: Tensor) =>
      noGrad(() => model.forward(ids, { attentionMask, maskedPositions }));
    this.#scores = compile((ids: Tensor, mask: Tensor, at: Tensor) =>
      noGrad(() => forward(ids, mask, at).logits.logSoftmax(-1)),
    );
    this.#vectors = compile((ids: Tensor, mask: Tensor, at: Tensor) =>
      noGrad(() => {
        const hidden = forward(ids, mask, at).lastHiddenState;
        return hidden.gather(1, at.unsqueeze(2).expand([at.size(0), 1, hidden.size(2)]));
      }),
    );
  }

  async tokenScores(sentences: readonly Sentence[]): Promise<TokenScores> {
    const scores = sentences.map((sentence) => Array<number>(sentence.length).fill(0));
    const places = sentences.flatMap((tokens, sentence) => tokens.map((_, at) => ({ sentence, at })));
    await this.#each(sentences, places, this.#scores, ({ sentence, at }, row) => {
      scores[sentence][at] = row[sentences[sentence][at]];
    });
    return scores;
  }

  /** The mean over tokens of the vector that stands at a token while it is masked; first and last token left out. */
  async vectors(sentences: readonly Sentence[]): Promise<readonly Float64Array[]> {
    const sums: (Float64Array | undefined)[] = sentences.map(() => undefined);
    const inner = sentences.flatMap((tokens, sentence) =>
      tokens.slice(2).map((_, i) => ({ sentence, at: i + 1 })),
    );
    await this.#each(sentences, inner, this.#vectors, ({ sentence }, row) => {
      sums[sentence] ??= new Float64Array(row.length);
      const sum = sums[sentence];
      for (let j = 0; j < row.length; j++) sum[j] += row[j] / (sentences[sentence].length - 2);
    });
    return sums.map((sum) => sum ?? new Float64Array(0));
  }

  async #each(
    sentences: readonly Sentence[],
    places: readonly Place[],
    pass: (ids: Tensor, mask: Tensor, at: Tensor) => Tensor,
    use: (place: Place, row: TypedArray) => void,
  ): Promise<void> {
    for (const rows of chunks(places, this.#batchSize)) {
      const masked = rows.map(({ sentence, at }) =>
        sentences[sentence].map((token, i) => (i === at ? this.#maskToken : token)),
      );
      const { ids, mask } = padded(masked, this.#batchSize);
      const at = Int32Array.from({ length: this.#batchSize }, (_, i) => rows[i]?.at ?? 0);
      const found = await pass(ids, mask, tensor(at, { shape: [this.#batchSize, 1] })).data();
      const width = found.length / this.#batchSize;
      rows.forEach((place, i) => {
        use(place, found.subarray(i * width, (i + 1) * width));
      });
    }
  }
}

/** Cosine of the angle between two vectors; 0 where one of them is zero. */
export function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [product, left, right] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    product += a[i] * b[i];
    left += a[i] ** 2;
    right += b[i] ** 2;
  }
  return left === 0 || right === 0 ? 0 : product / Math.sqrt(left * right);
}

/** [B, width]: the mean of hidden [B, T, width] over tokens that are not padding, the first and the last left out. */
function innerMean(hidden: Tensor, mask: Tensor): Tensor {
  const [, length] = mask.shape;
  const tokens = mask.narrow(1, 0, length).to(hidden.dtype);
  // A token is inner if it has a neighbour on either side.
  const before = tokens.pad([1, 0]).narrow(1, 0, length);
  const behind = tokens.pad([0, 1]).narrow(1, 1, length);
  const inner = tokens.mul(before).mul(behind).unsqueeze(2);
  return hidden
    .mul(inner)
    .sum({ dim: 1 })
    .div(inner.sum({ dim: 1 }).maximum(1));
}

function checkBatch(batchSize: number): number {
  if (Number.isInteger(batchSize) && batchSize >= 1) return batchSize;
  throw new ArgumentError(`scoring: batchSize is ${batchSize}, wanted an integer of at least 1`);
}

function* chunks<T>(items: readonly T[], size: number): Generator<readonly T[]> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size);
}

/** Rows of one batch, filled up with 0: to the longest row, and to `count` rows, so that shapes repeat. */
function padded(rows: readonly Sentence[], count: number) {
  const length = Math.max(1, ...rows.map((row) => row.length));
  const ids = new Int32Array(count * length);
  const mask = new Int32Array(count * length);
  rows.forEach((row, i) => {
    ids.set(row, i * length);
    mask.fill(1, i * length, i * length + row.length);
  });
  const shape = [count, length];
  return { ids: tensor(ids, { shape }), mask: tensor(mask, { shape }) };
}
