import { BertConfig, BertForMaskedLM, BertModel } from "../../src/models/index.ts";
import * as nn from "../../src/nn/index.ts";
import { AdamW } from "../../src/nn/optim/index.ts";
import { compile } from "../../src/tensor/compile.ts";
import { randn, tensor } from "../../src/tensor/create.ts";
import { noGrad } from "../../src/tensor/grad.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { type Run, tokens } from "./contender.ts";
import type { EncoderWorkload, Workload } from "./workloads.ts";

/** The workloads in this project's own terms. */
export async function prepare(workload: Workload): Promise<Run> {
  switch (workload.kind) {
    case "matmul": {
      const { rows, columns, shared } = workload;
      return runOf((a, b) => a.matmul(b), [rows, shared], [shared, columns]);
    }
    case "softmax":
      return runOf((x) => x.softmax(-1), [workload.rows, workload.columns]);
    case "layerNorm": {
      const { rows, columns } = workload;
      return runOf(
        (x, weight, bias) => nn.functional.layerNorm(x, [columns], weight, bias),
        ...[[rows, columns], [columns], [columns]],
      );
    }
    case "gelu":
      return runOf((x) => x.gelu(), [workload.elements]);
    case "attention": {
      const { batch, heads, length, depth } = workload;
      const shape = [batch, heads, length, depth];
      const attention = nn.functional.scaledDotProductAttention;
      return runOf((q, k, v) => attention(q, k, v), shape, shape, shape);
    }
    case "encoder":
      return encoder(workload);
    case "train":
      return trainingStep(workload);
  }
}

function runOf(fn: (...args: Tensor[]) => Tensor, ...shapes: (readonly number[])[]): Run {
  const args = shapes.map((shape) => randn(shape).realize());
  const compiled = compile(fn);
  return () => compiled(...args).data();
}

function configOf({ layers, width, heads, length, vocabulary }: EncoderWorkload): BertConfig {
  return BertConfig.from({
    vocab_size: vocabulary,
    hidden_size: width,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    intermediate_size: 4 * width,
    max_position_embeddings: length,
    hidden_dropout_prob: 0,
    attention_probs_dropout_prob: 0,
  });
}

function idsOf({ batch, length, vocabulary }: EncoderWorkload): Tensor {
  return tensor(tokens(batch * length, vocabulary), { shape: [batch, length] });
}

function encoder(workload: EncoderWorkload): Run {
  const model = new BertModel(configOf(workload), { pooler: false }).eval();
  const forward = compile((ids: Tensor) => noGrad(() => model.forward(ids).lastHiddenState));
  const ids = idsOf(workload);
  return () => forward(ids).data();
}

function trainingStep(workload: EncoderWorkload): Run {
  const model = new BertForMaskedLM(configOf(workload));
  const adamw = new AdamW(model.parameters(), { lr: 1e-4 });
  const step = compile((ids: Tensor) => {
    adamw.zeroGrad();
    const { loss } = model.forward(ids, { labels: ids });
    if (loss === undefined) throw new Error("labels give a loss");
    loss.backward();
    adamw.step();
    return loss;
  });
  const ids = idsOf(workload);
  return () => step(ids).item();
}
