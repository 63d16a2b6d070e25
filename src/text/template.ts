import { ArgumentError } from "../graph/errors.ts";
import type { JsonObject, PostProcessor, ProcessedIds } from "./components.ts";

/** One place in a template: a special token, by name, or the whole of text A or B. */
export type TemplatePiece =
  | { readonly kind: "special"; readonly token: string; readonly typeId: number }
  | { readonly kind: "sequence"; readonly sequence: "A" | "B"; readonly typeId: number };

/** What a special token of a template stands for: usually itself. */
export interface TemplateToken {
  readonly ids: readonly number[];
  readonly tokens: readonly string[];
}

function pieceToJSON(piece: TemplatePiece): JsonObject {
  switch (piece.kind) {
    case "special":
      return { SpecialToken: { id: piece.token, type_id: piece.typeId } };
    case "sequence":
      return { Sequence: { id: piece.sequence, type_id: piece.typeId } };
  }
}

/**
 * Puts texts into a template such as `[CLS] A [SEP]` or `[CLS] A [SEP] B [SEP]`, each place with its type id.
 * Equal to Hugging Face's `TemplateProcessing`.
 */
export class TemplateProcessing implements PostProcessor {
  readonly single: readonly TemplatePiece[];
  readonly pair: readonly TemplatePiece[];
  readonly specialTokens: ReadonlyMap<string, TemplateToken>;

  /**
   * @throws ArgumentError when `single` does not hold A (and not B), `pair` does not hold both, or a special
   * token has no entry in `specialTokens`.
   */
  constructor(
    single: readonly TemplatePiece[],
    pair: readonly TemplatePiece[],
    specialTokens: ReadonlyMap<string, TemplateToken>,
  ) {
    const holds = (pieces: readonly TemplatePiece[], sequence: "A" | "B"): boolean =>
      pieces.some((piece) => piece.kind === "sequence" && piece.sequence === sequence);
    if (!holds(single, "A") || holds(single, "B")) {
      throw new ArgumentError("TemplateProcessing: the template for one text must hold A and not B");
    }
    if (!holds(pair, "A") || !holds(pair, "B")) {
      throw new ArgumentError("TemplateProcessing: the template for a pair must hold A and B");
    }
    for (const piece of [...single, ...pair]) {
      if (piece.kind === "special" && !specialTokens.has(piece.token)) {
        throw new ArgumentError(`TemplateProcessing: special token "${piece.token}" has no ids`);
      }
    }
    this.single = single;
    this.pair = pair;
    this.specialTokens = specialTokens;
  }

  #idsOf(token: string): readonly number[] {
    return this.specialTokens.get(token)?.ids ?? [];
  }

  addedCount(isPair: boolean): number {
    let count = 0;
    for (const piece of isPair ? this.pair : this.single) {
      if (piece.kind === "special") count += this.#idsOf(piece.token).length;
    }
    return count;
  }

  process(a: readonly number[], b: readonly number[] | null, addSpecialTokens: boolean): ProcessedIds {
    const ids: number[] = [];
    const typeIds: number[] = [];
    const specialTokensMask: number[] = [];
    const append = (from: readonly number[], typeId: number, special: 0 | 1): void => {
      for (const id of from) {
        ids.push(id);
        typeIds.push(typeId);
        specialTokensMask.push(special);
      }
    };
    for (const piece of b === null ? this.single : this.pair) {
      switch (piece.kind) {
        case "special":
          if (addSpecialTokens) append(this.#idsOf(piece.token), piece.typeId, 1);
          break;
        case "sequence":
          append(piece.sequence === "A" ? a : (b ?? []), piece.typeId, 0);
          break;
      }
    }
    return { ids, typeIds, specialTokensMask };
  }

  toJSON(): JsonObject {
    const specials = [...this.specialTokens].map(
      ([id, { ids, tokens }]) => [id, { id, ids, tokens }] as const,
    );
    return {
      type: "TemplateProcessing",
      single: this.single.map(pieceToJSON),
      pair: this.pair.map(pieceToJSON),
      special_tokens: Object.fromEntries(specials),
    };
  }
}

/**
 * BERT's template: `[CLS] A [SEP]` with type 0, and ` B [SEP]` with type 1 after it.
 * @param cls Content and id of the token in front. @param sep Content and id of the token behind each text.
 */
export function bertTemplate(
  cls: readonly [string, number],
  sep: readonly [string, number],
): TemplateProcessing {
  const single: TemplatePiece[] = [
    { kind: "special", token: cls[0], typeId: 0 },
    { kind: "sequence", sequence: "A", typeId: 0 },
    { kind: "special", token: sep[0], typeId: 0 },
  ];
  const pair: TemplatePiece[] = [
    ...single,
    { kind: "sequence", sequence: "B", typeId: 1 },
    { kind: "special", token: sep[0], typeId: 1 },
  ];
  const entries = [cls, sep].map(([token, id]) => [token, { ids: [id], tokens: [token] }] as const);
  return new TemplateProcessing(single, pair, new Map(entries));
}
