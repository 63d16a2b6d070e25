import type { JsonObject, PostProcessor, ProcessedIds } from "./components.ts";

/** Settings of {@link RobertaProcessing}: both concern offsets only, and are kept for `toJSON`. */
export interface RobertaProcessingOptions {
  readonly trimOffsets?: boolean;
  readonly addPrefixSpace?: boolean;
}

/**
 * RoBERTa's template: `<s> A </s>`, and for a pair `<s> A </s></s> B </s>`. Every type id is 0, since the
 * model knows no segments. Equal to Hugging Face's `RobertaProcessing` (the Rust one).
 *
 * Source: Liu et al., RoBERTa (1907.11692).
 */
export class RobertaProcessing implements PostProcessor {
  readonly cls: readonly [token: string, id: number];
  readonly sep: readonly [token: string, id: number];
  readonly trimOffsets: boolean;
  readonly addPrefixSpace: boolean;

  /** @param cls Content and id of `<s>`. @param sep Content and id of `</s>`. */
  constructor(
    cls: readonly [token: string, id: number],
    sep: readonly [token: string, id: number],
    options: RobertaProcessingOptions = {},
  ) {
    this.cls = cls;
    this.sep = sep;
    this.trimOffsets = options.trimOffsets ?? true;
    this.addPrefixSpace = options.addPrefixSpace ?? true;
  }

  addedCount(isPair: boolean): number {
    return isPair ? 4 : 2;
  }

  process(a: readonly number[], b: readonly number[] | null, addSpecialTokens: boolean): ProcessedIds {
    const ids: number[] = [];
    const specialTokensMask: number[] = [];
    const append = (from: readonly number[], special: 0 | 1): void => {
      for (const id of from) {
        ids.push(id);
        specialTokensMask.push(special);
      }
    };
    const [cls, sep] = addSpecialTokens ? [[this.cls[1]], [this.sep[1]]] : [[], []];
    append(cls, 1);
    append(a, 0);
    append(sep, 1);
    if (b !== null) {
      append(sep, 1);
      append(b, 0);
      append(sep, 1);
    }
    return { ids, typeIds: ids.map(() => 0), specialTokensMask };
  }

  toJSON(): JsonObject {
    return {
      type: "RobertaProcessing",
      sep: [...this.sep],
      cls: [...this.cls],
      trim_offsets: this.trimOffsets,
      add_prefix_space: this.addPrefixSpace,
    };
  }
}
