import type { Module } from "../nn/module.ts";
import { tensor } from "../tensor/create.ts";
import { noGrad } from "../tensor/grad.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Tokenizer } from "../text/index.ts";
import { UsageError } from "./errors.ts";
import { specialIds } from "./tokenizers.ts";

/** A model that predicts masked tokens. */
export interface Filler {
  readonly model: Module;
  /** Most tokens of a text, special ones included. */
  readonly room: number;
  /** [1, T] ids and [1, P] positions give [1, P, vocabulary]. */
  logits(inputIds: Tensor, maskedPositions: Tensor): Tensor;
}

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
 * The `top` most probable tokens for every `[MASK]` of a text, whatever the tokenizer calls it. Leaves the model in
 * evaluation mode.
 * @throws UsageError for a text without `[MASK]`, or with more tokens than the model has positions.
 */
export async function fillMask(
  { model, room, logits }: Filler,
  tokenizer: Tokenizer,
  text: string,
  top: number,
): Promise<FilledMask[]> {
  const { mask } = specialIds(tokenizer);
  const { ids } = tokenizer.encode(text.replaceAll("[MASK]", tokenizer.idToToken(mask) ?? "[MASK]"));
  const positions = ids.flatMap((id, position) => (id === mask ? [position] : []));
  if (positions.length === 0) {
    throw new UsageError(
      'the text has no [MASK]: put one in the place of the word to fill in, as in "call me [MASK]."',
    );
  }
  if (ids.length > room) {
    throw new UsageError(`the text has ${ids.length} tokens, the model takes at most ${room}; shorten it`);
  }
  model.eval();
  const probabilities = noGrad(() => {
    const inputIds = tensor(Int32Array.from(ids), { shape: [1, ids.length] });
    const maskedPositions = tensor(Int32Array.from(positions), { shape: [1, positions.length] });
    return logits(inputIds, maskedPositions).softmax(-1);
  });
  const data = await probabilities.data();
  const vocabSize = data.length / positions.length;
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
