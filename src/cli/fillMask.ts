import type { BertForMaskedLM } from "../models/index.ts";
import { tensor } from "../tensor/create.ts";
import { noGrad } from "../tensor/grad.ts";
import type { Tokenizer } from "../text/index.ts";
import { idOf } from "./corpus.ts";
import { UsageError } from "./errors.ts";

/** A token that may stand at a mask. */
export interface Candidate {
  readonly id: number;
  readonly token: string;
  readonly probability: number;
}

/** What a model puts in the place of one `[MASK]`. */
export interface FilledMask {
  /** The place of the mask among the tokens, [CLS] being 0. */
  readonly position: number;
  /** The most probable first. */
  readonly candidates: readonly Candidate[];
}

/**
 * The `top` most probable tokens for every `[MASK]` of a text. Leaves the model in evaluation mode.
 * @throws UsageError for a text without `[MASK]`, or with more tokens than the model has positions.
 */
export async function fillMask(
  model: BertForMaskedLM,
  tokenizer: Tokenizer,
  text: string,
  top: number,
): Promise<FilledMask[]> {
  const maskId = idOf(tokenizer, "[MASK]");
  const { ids } = tokenizer.encode(text);
  const positions = ids.flatMap((id, position) => (id === maskId ? [position] : []));
  if (positions.length === 0) {
    throw new UsageError(
      'the text has no [MASK]: put one in the place of the word to fill in, as in "call me [MASK]."',
    );
  }
  const { max_position_embeddings: room, vocab_size: vocabSize } = model.bert.config;
  if (ids.length > room) {
    throw new UsageError(`the text has ${ids.length} tokens, the model takes at most ${room}; shorten it`);
  }
  model.eval();
  const probabilities = noGrad(() => {
    const inputIds = tensor(Int32Array.from(ids), { shape: [1, ids.length] });
    const maskedPositions = tensor(Int32Array.from(positions), { shape: [1, positions.length] });
    return model.forward(inputIds, { maskedPositions }).logits.softmax(-1);
  });
  const data = await probabilities.data();
  return positions.map((position, i) => {
    const row = data.subarray(i * vocabSize, (i + 1) * vocabSize);
    return { position, candidates: mostProbable(row, top, tokenizer) };
  });
}

function mostProbable(row: ArrayLike<number>, top: number, tokenizer: Tokenizer): Candidate[] {
  const order = Array.from({ length: row.length }, (_, id) => id).sort((a, b) => row[b] - row[a] || a - b);
  return order
    .slice(0, top)
    .map((id) => ({ id, token: tokenizer.idToToken(id) ?? `#${id}`, probability: row[id] }));
}
