import { ArgumentError } from "../graph/errors.ts";
import type { Examples } from "./batches.ts";
import type { Document } from "./sentencePairs.ts";

/** Settings of {@link packSentences}. */
export interface PackSentencesOptions {
  /** T, the special tokens included. */
  readonly sequenceLength: number;
  /** In front of each example: `<s>` or [CLS]. */
  readonly clsTokenId: number;
  /** Behind each example, and between documents: `</s>` or [SEP]. */
  readonly sepTokenId: number;
  readonly padTokenId: number;
  /**
   * `"full"` (FULL-SENTENCES): examples go on across the end of a document, with one more separator there.
   * `"document"` (DOC-SENTENCES): each document starts an example of its own, so that examples are shorter;
   * see `LengthBuckets` for batches with a constant number of tokens.
   */
  readonly mode: "full" | "document";
}

/** The sentences of all documents with tokens; those longer than `room` in parts of `room` tokens. */
function sentenceParts(documents: readonly Document[], room: number): number[][][] {
  return documents
    .map((document) =>
      document.flatMap((sentence) => {
        const tokens = Array.from(sentence);
        return Array.from({ length: Math.ceil(tokens.length / room) }, (_, i) =>
          tokens.slice(i * room, (i + 1) * room),
        );
      }),
    )
    .filter((document) => document.length > 0);
}

/**
 * Packs whole sentences, in their order, into examples `<s> ... </s>` of at most T tokens: a sentence that
 * does not fit starts the next example. Only a sentence longer than an example is cut.
 *
 * Source: Liu et al., RoBERTa (1907.11692), section 4.2.
 *
 * @param documents Sentences without tokens, and documents without sentences, are passed over.
 * @throws ArgumentError when T has no room, or there are no tokens.
 */
export function packSentences(documents: readonly Document[], options: PackSentencesOptions): Examples {
  const { sequenceLength, clsTokenId, sepTokenId, padTokenId, mode } = options;
  if (!Number.isInteger(sequenceLength) || sequenceLength < 3) {
    throw new ArgumentError(
      `packSentences: sequenceLength must be an integer of at least 3, got ${sequenceLength}`,
    );
  }
  const room = sequenceLength - 2;
  const bodies: number[][] = [];
  let body: number[] = [];
  const close = (): void => {
    if (body.length > 0) bodies.push(body);
    body = [];
  };
  for (const document of sentenceParts(documents, room)) {
    if (mode === "document") close();
    let separator = body.length > 0 ? [sepTokenId] : [];
    for (const sentence of document) {
      if (body.length + separator.length + sentence.length > room) {
        close();
        separator = [];
      }
      body.push(...separator, ...sentence);
      separator = [];
    }
  }
  close();
  if (bodies.length === 0) throw new ArgumentError("packSentences: the documents hold no tokens");
  const ids = new Int32Array(bodies.length * sequenceLength).fill(padTokenId);
  for (const [n, tokens] of bodies.entries())
    ids.set([clsTokenId, ...tokens, sepTokenId], n * sequenceLength);
  const lengths = Int32Array.from(bodies, (tokens) => tokens.length + 2);
  return { count: bodies.length, sequenceLength, ids, lengths };
}
