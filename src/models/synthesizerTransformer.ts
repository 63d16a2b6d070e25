import { normal } from "../nn/init.ts";
import type { CreateOptions } from "../tensor/create.ts";
import { ConfigReader } from "./config.ts";
import { readSynthesizerFields, type SynthesizerFields, synthesizerAttentionOf } from "./synthesizer.ts";
import { type SelfAttentionFactory, TransformerForConditionalGeneration } from "./transformer.ts";
import { TransformerConfig } from "./transformerConfig.ts";

// Tay et al., Synthesizer (2020), section 4: in the encoder-decoder of Attention Is All You Need, synthetic attention takes
// the place of self-attention. Attention to the source stays what it is: its queries and keys are of two sequences, of which
// no token of one knows the other's length.

/** Which stacks can have synthetic attention. */
const stacks = ["encoder", "decoder", "both"] as const;

/** A Transformer's fields, those of its scores, and where they are. */
export interface SynthesizerTransformerConfig extends TransformerConfig, SynthesizerFields {
  readonly synthesizer_stacks: (typeof stacks)[number];
}

/** @throws ArgumentError naming the field that is wrong. */
function from(json: unknown): SynthesizerTransformerConfig {
  const reader = new ConfigReader("SynthesizerTransformerConfig", json);
  return {
    ...TransformerConfig.from(json),
    ...readSynthesizerFields(reader, 512),
    synthesizer_stacks: reader.choice("synthesizer_stacks", stacks, "both"),
  };
}

export const SynthesizerTransformerConfig = { from };

/** An encoder-decoder with synthetic self-attention in its encoder, its decoder or both. */
export class SynthesizerForConditionalGeneration extends TransformerForConditionalGeneration {
  declare readonly config: SynthesizerTransformerConfig;

  /** Nothing is computed yet: parameters take their initial values when they are first used. */
  constructor(config: SynthesizerTransformerConfig, options: CreateOptions = {}) {
    const synthetic: SelfAttentionFactory = (create) =>
      synthesizerAttentionOf(config, {
        width: config.d_model,
        heads: config.num_attention_heads,
        dropout: 0,
        // What Xavier's gives a square matrix.
        weightInit: normal(config.d_model ** -0.5),
        ...create,
      });
    const { synthesizer_stacks: where } = config;
    super(config, options, {
      encoder: where === "decoder" ? undefined : synthetic,
      decoder: where === "encoder" ? undefined : synthetic,
    });
  }
}
