import { ArgumentError, ShapeError } from "../graph/errors.ts";
import { formatShape, sameShape } from "../graph/shape.ts";
import { klDiv } from "../nn/functional/index.ts";
import type { CreateOptions } from "../tensor/create.ts";
import { noGrad } from "../tensor/grad.ts";
import { type Tensor, where } from "../tensor/tensor.ts";
import type { BertForMaskedLM } from "./bert.ts";
import { DistilBertConfig, DistilBertForMaskedLM } from "./distilbert.ts";

// Sanh, Debut, Chaumond and Wolf, DistilBERT (2019), sections 2 and 3: how a student is made of its teacher, and the triple
// loss. The weights are those of its code, as is the temperature.

const temperature = 2;
const softTargetWeight = 5;
const maskedWeight = 2;
const cosineWeight = 1;

/**
 * A DistilBERT of half the teacher's depth, that starts with the teacher's tables, head and every second layer; without
 * segments. Dropout and the rest of its configuration are the teacher's.
 * @throws ArgumentError for a teacher with a head of its own table or with relative positions, which DistilBERT has not.
 */
export function studentOf(teacher: BertForMaskedLM, options: CreateOptions = {}): DistilBertForMaskedLM {
  const { config } = teacher;
  if (!config.tie_word_embeddings || config.position_embedding_type !== "absolute") {
    throw new ArgumentError(
      "studentOf: the teacher has untied embeddings or relative positions, which a DistilBERT cannot take over",
    );
  }
  const student = new DistilBertForMaskedLM(
    DistilBertConfig.from({
      vocab_size: config.vocab_size,
      max_position_embeddings: config.max_position_embeddings,
      n_layers: Math.ceil(config.num_hidden_layers / 2),
      n_heads: config.num_attention_heads,
      dim: config.hidden_size,
      hidden_dim: config.intermediate_size,
      dropout: config.hidden_dropout_prob,
      attention_dropout: config.attention_probs_dropout_prob,
      activation: config.hidden_act,
      initializer_range: config.initializer_range,
      pad_token_id: config.pad_token_id,
    }),
    options,
  );
  const [from, to] = [teacher.base, student.base];
  const pairs = [
    [from.embeddings.token, to.embeddings.token],
    [from.embeddings.position, to.embeddings.position],
    [from.embeddings.norm, to.embeddings.norm],
    ...to.layers.map((layer, i) => [from.layers[2 * i], layer] as const),
    [teacher.head, student.head],
  ] as const;
  for (const [source, target] of pairs) {
    const values = source.parameters();
    // The same classes, so the same parameters in the same order.
    for (const [i, parameter] of target.parameters().entries()) parameter.assign(values[i].detach());
  }
  return student;
}

/** What a masked language model makes of a batch. */
export interface MaskedPrediction {
  /** [B, P, V] at the masked positions. */
  readonly logits: Tensor;
  /** [B, T, width] */
  readonly lastHiddenState: Tensor;
}

export interface DistillationInputs {
  /** [B, P], -100 in unused slots. */
  readonly labels: Tensor;
  /** [B, T], 0 at padding; all tokens by default. */
  readonly attentionMask?: Tensor;
}

/**
 * The triple loss: 5 L_ce + 2 L_mlm + L_cos. L_ce is the divergence of the student's from the teacher's distribution at
 * temperature 2, times its square, at the masked positions; L_cos is 1 - cos between both last hidden states, over all
 * tokens. No gradient reaches the teacher.
 * @throws ShapeError where the two do not fit each other.
 */
export function distillationLoss(
  student: MaskedPrediction & { readonly loss: Tensor },
  teacher: MaskedPrediction,
  { labels, attentionMask }: DistillationInputs,
): Tensor {
  for (const part of ["logits", "lastHiddenState"] as const) {
    const [own, other] = [student[part].shape, teacher[part].shape];
    if (!sameShape(own, other)) {
      throw new ShapeError(
        `distillationLoss: ${part} ${formatShape(own)} of the student, ${formatShape(other)} of the teacher`,
      );
    }
  }
  const target = noGrad(() => teacher.logits.div(temperature).logSoftmax(-1));
  const own = student.logits.div(temperature).logSoftmax(-1);
  const divergence = klDiv(own, target, { logTarget: true, reduction: "none" }).sum({ dim: -1 });
  const soft = meanWhere(labels.ne(-100), divergence).mul(temperature ** 2);
  const alike = cosine(student.lastHiddenState, teacher.lastHiddenState.detach());
  const apart = alike.neg().add(1);
  const cosineLoss = attentionMask ? meanWhere(attentionMask.ne(0), apart) : apart.mean();
  return soft.mul(softTargetWeight).add(student.loss.mul(maskedWeight)).add(cosineLoss.mul(cosineWeight));
}

function meanWhere(counted: Tensor, values: Tensor): Tensor {
  return where(counted, values, 0).sum().div(counted.sum().to(values.dtype));
}

/** Over the last dim. */
function cosine(a: Tensor, b: Tensor): Tensor {
  const dot = (x: Tensor, y: Tensor): Tensor => x.mul(y).sum({ dim: -1 });
  return dot(a, b).div(dot(a, a).mul(dot(b, b)).sqrt().add(1e-8));
}
