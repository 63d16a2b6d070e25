import type { AddedToken } from "./addedTokens.ts";
import type {
  Decoder,
  JsonObject,
  Normalizer,
  PostProcessor,
  PreTokenizer,
  TokenModel,
} from "./components.ts";
import type { Truncation } from "./truncation.ts";

/** What a tokenizer is made of; null stands for a step that is left out. */
export interface TokenizerParts {
  readonly normalizer: Normalizer | null;
  readonly preTokenizer: PreTokenizer | null;
  readonly model: TokenModel;
  readonly postProcessor: PostProcessor | null;
  readonly decoder: Decoder | null;
  readonly addedTokens: readonly AddedToken[];
  /** Truncation that `encode` applies when its options name none. */
  readonly truncation: Truncation | null;
  /**
   * The `padding` section of the file this came from: kept for `toJSON`, used by nothing (`encode` never
   * pads).
   */
  readonly padding: JsonObject | null;
}
