import { ArgumentError } from "../graph/errors.ts";
import { Module } from "../nn/module.ts";
import { type CreateOptions, rand, zeros } from "../tensor/create.ts";
import { type Tensor, where } from "../tensor/tensor.ts";
import { type ElectraConfig, ElectraForMaskedLM, ElectraForPreTraining } from "./electra.ts";

// Clark, Luong, Le and Manning, ELECTRA (2020), sections 2 and 3: generator and discriminator are trained together.

/** Of what is masked: 85 % as [MASK], the rest as it is; see `electraMasking` of `fusegrad/text`. */
export interface ElectraTrainingInputs {
  /** [B, P] the masked positions; unused slots hold any, with label -100. */
  readonly maskedPositions: Tensor;
  /** [B, P] the original ids there. */
  readonly labels: Tensor;
  /** [B, T] 1 for tokens, 0 for padding, which no loss counts. All tokens by default. */
  readonly attentionMask?: Tensor;
  /** [B, T] segments. */
  readonly tokenTypeIds?: Tensor;
}

export interface ElectraTrainingOutput {
  /** L_MLM + λ L_Disc. */
  readonly loss: Tensor;
  /** L_MLM: the generator's mean cross-entropy over the masked positions. */
  readonly generatorLoss: Tensor;
  /** L_Disc: the discriminator's mean cross-entropy over all tokens. */
  readonly discriminatorLoss: Tensor;
  /** [B, P, vocab_size] */
  readonly generatorLogits: Tensor;
  /** [B, T] */
  readonly discriminatorLogits: Tensor;
  /** [B, T] 1 where the generator put another token than the original. */
  readonly replaced: Tensor;
}

/** The weight of the discriminator's loss; appendix A. */
const discriminatorWeight = 50;

/** What a corruption gives: x^corrupt, and where it differs from x. Both [B, T], i32. */
export interface Corruption {
  readonly ids: Tensor;
  readonly replaced: Tensor;
}

/**
 * x^corrupt: at each masked position a token drawn from softmax(logits), by the maximum of logits with Gumbel noise. A
 * draw that hits the original counts as not replaced. No gradient flows through it.
 *
 * @param maskedIds [B, T]. @param positions [B, P]. @param labels [B, P] original ids, -100 in unused slots.
 * @param logits [B, P, V].
 */
export function corrupt(maskedIds: Tensor, positions: Tensor, labels: Tensor, logits: Tensor): Corruption {
  const uniform = rand(logits.shape, { dtype: logits.dtype, device: logits.device });
  const gumbel = uniform.log().neg().log().neg();
  const sampled = logits.detach().add(gumbel).argmax(-1);
  const used = labels.ne(-100);
  const nothing = zeros(maskedIds.shape, { dtype: "i32", device: maskedIds.device });
  // Adding the difference leaves unused slots' positions, whatever they hold, as they are.
  const change = where(used, sampled.sub(maskedIds.gather(1, positions)), 0);
  const differs = where(used, sampled.ne(labels).to("i32"), 0);
  return {
    ids: maskedIds.add(nothing.scatterAdd(1, positions, change)),
    replaced: nothing.scatterAdd(1, positions, differs),
  };
}

/** A generator and a discriminator that share their token and position tables, and nothing else. */
export class ElectraTraining extends Module {
  readonly discriminator: ElectraForPreTraining;
  readonly generator: ElectraForMaskedLM;

  /** @throws ArgumentError unless both have tables of the same sizes. */
  constructor(discriminator: ElectraConfig, generator: ElectraConfig, options: CreateOptions = {}) {
    super();
    for (const size of ["vocab_size", "embedding_size", "max_position_embeddings"] as const) {
      if (discriminator[size] !== generator[size]) {
        throw new ArgumentError(
          `ElectraTraining: ${size} is ${discriminator[size]} for the discriminator and ${generator[size]} for the ` +
            "generator; they share their tables, so give both the same",
        );
      }
    }
    this.discriminator = new ElectraForPreTraining(discriminator, options);
    this.generator = new ElectraForMaskedLM(generator, {
      ...options,
      tables: this.discriminator.base.embeddings,
    });
  }

  /** @param maskedIds [B, T] the ids with [MASK] at masked positions. */
  forward(maskedIds: Tensor, inputs: ElectraTrainingInputs): ElectraTrainingOutput {
    const { maskedPositions, labels, ...both } = inputs;
    const { logits, loss } = this.generator.forward(maskedIds, { ...both, maskedPositions, labels });
    const { ids, replaced } = corrupt(maskedIds, maskedPositions, labels, logits);
    const judged = this.discriminator.forward(ids, { ...both, labels: replaced });
    if (loss === undefined || judged.loss === undefined) {
      throw new TypeError("models that are given labels give a loss");
    }
    return {
      loss: loss.add(judged.loss.mul(discriminatorWeight)),
      generatorLoss: loss,
      discriminatorLoss: judged.loss,
      generatorLogits: logits,
      discriminatorLogits: judged.logits,
      replaced,
    };
  }
}
