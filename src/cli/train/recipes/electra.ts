import { ElectraConfig, ElectraTraining } from "../../../models/index.ts";
import { binaryCrossEntropyWithLogits } from "../../../nn/functional/index.ts";
import { where } from "../../../tensor/tensor.ts";
import { electraMasking } from "../../../text/index.ts";
import { type MaskedInputs, maskedBatches } from "../batches.ts";
import { fieldsOf, fillerOf, initializerRange, packedExamples, tallyTokens } from "../objectives.ts";
import type { ModelSizes, Recipe, Tally } from "../recipe.ts";

/** Clark et al. (2020), section 2: a small generator fills masks, the discriminator tells which tokens are its own. */
export const electra: Recipe = {
  title: "ELECTRA",
  tokenizer: "wordpiece",
  prepare: (setting) => {
    const { sizes, sequenceLength } = setting;
    const fields = { ...fieldsOf(setting), embedding_size: sizes.width };
    const small = generatorSizes(sizes);
    const model = new ElectraTraining(
      ElectraConfig.from(fields),
      ElectraConfig.from({
        ...fields,
        hidden_size: small.width,
        num_attention_heads: small.heads,
        intermediate_size: small.intermediate,
        initializer_range: initializerRange(small),
      }),
    );
    const forward = ({ inputIds, ...inputs }: MaskedInputs) => model.forward(inputIds, inputs);
    return {
      model,
      ...maskedBatches(packedExamples(setting), {
        ...setting,
        masking: (base, length) => electraMasking(base, length),
        // The discriminator judges every token, but not those of empty rows.
        attentionMask: true,
      }),
      loss: (inputs: MaskedInputs) => forward(inputs).loss,
      measure: (inputs: MaskedInputs) => {
        const output = forward(inputs);
        return {
          tokens: tallyTokens(output.generatorLogits, inputs.labels),
          replaced: tallyReplaced(output, inputs),
        };
      },
      saved: { "": model.discriminator, generator: model.generator },
      filler: fillerOf(model.generator, sequenceLength),
    };
  },
};

/** A quarter of the discriminator's width, as in ELECTRA-small, in heads of the same width where that divides it. */
function generatorSizes({
  width,
  heads,
  intermediate,
}: ModelSizes): Pick<ModelSizes, "width" | "heads" | "intermediate"> {
  const perHead = width / heads;
  const fewer = Math.max(1, Math.round(heads / 4));
  return { width: fewer * perHead, heads: fewer, intermediate: Math.ceil((intermediate * fewer) / heads) };
}

function tallyReplaced(
  { discriminatorLogits: logits, replaced }: ReturnType<ElectraTraining["forward"]>,
  { attentionMask }: MaskedInputs,
): Tally {
  if (attentionMask === undefined) throw new TypeError("batches for ELECTRA have a mask");
  const counted = attentionMask.ne(0);
  const losses = binaryCrossEntropyWithLogits(logits, replaced.to("f32"), { reduction: "none" });
  const count = counted.sum();
  return {
    loss: where(counted, losses, 0).sum().div(count.to("f32")),
    count,
    right: logits.gt(0).to("i32").eq(replaced).logicalAnd(counted).sum(),
    positives: replaced.sum(),
  };
}
