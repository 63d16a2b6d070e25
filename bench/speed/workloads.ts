/** Work that people compare engines by; sizes are those of the usual models. All is float32 on one thread. */
export type Workload =
  | { readonly kind: "matmul"; readonly rows: number; readonly columns: number; readonly shared: number }
  | { readonly kind: "softmax" | "layerNorm"; readonly rows: number; readonly columns: number }
  | { readonly kind: "gelu"; readonly elements: number }
  | {
      readonly kind: "attention";
      readonly batch: number;
      readonly heads: number;
      readonly length: number;
      readonly depth: number;
    }
  /** An encoder of BERT's form; `train` is one step of masked-language modelling with AdamW. */
  | {
      readonly kind: "encoder" | "train";
      readonly layers: number;
      readonly width: number;
      readonly heads: number;
      readonly length: number;
      readonly batch: number;
      readonly vocabulary: number;
    };

export type EncoderWorkload = Extract<Workload, { kind: "encoder" | "train" }>;

/** The rows of the table, by name. */
export const workloads: Readonly<Record<string, Workload>> = {
  "matmul 1024³": { kind: "matmul", rows: 1024, columns: 1024, shared: 1024 },
  "matmul 128×768×3072": { kind: "matmul", rows: 128, columns: 3072, shared: 768 },
  "matmul 127×257×131": { kind: "matmul", rows: 127, columns: 131, shared: 257 },
  "matmul 1×768×3072": { kind: "matmul", rows: 1, columns: 3072, shared: 768 },
  "softmax 2048×512": { kind: "softmax", rows: 2048, columns: 512 },
  "layerNorm 2048×768": { kind: "layerNorm", rows: 2048, columns: 768 },
  "GELU 1 Mi": { kind: "gelu", elements: 1 << 20 },
  "attention B1 H12 T512 d64": { kind: "attention", batch: 1, heads: 12, length: 512, depth: 64 },
  "BERT-base B1 T128": {
    ...{ kind: "encoder", layers: 12, width: 768, heads: 12 },
    ...{ length: 128, batch: 1, vocabulary: 30522 },
  },
  "training step L4 d256 T128 B8 V8192": {
    ...{ kind: "train", layers: 4, width: 256, heads: 4 },
    ...{ length: 128, batch: 8, vocabulary: 8192 },
  },
};

/** The arithmetic of a workload, and the bytes of its operands and results, each counted once. */
export function costOf(workload: Workload): { readonly flops: number; readonly bytes: number } {
  switch (workload.kind) {
    case "matmul": {
      const { rows, columns, shared } = workload;
      const elements = rows * shared + shared * columns + rows * columns;
      return { flops: 2 * rows * columns * shared, bytes: 4 * elements };
    }
    case "softmax":
    case "layerNorm":
      return { flops: 0, bytes: 8 * workload.rows * workload.columns };
    case "gelu":
      return { flops: 0, bytes: 8 * workload.elements };
    case "attention": {
      const { batch, heads, length, depth } = workload;
      const rows = batch * heads * length;
      return { flops: 4 * rows * length * depth, bytes: 16 * rows * depth };
    }
    case "encoder":
      return { flops: encoderFlops(workload), bytes: 4 * encoderWeights(workload) };
    case "train": {
      const { batch, length, width, vocabulary } = workload;
      const head = 2 * batch * length * width * vocabulary;
      // Weights are read twice and their gradients and moments once, and all but the gradients are written.
      return { flops: 3 * (encoderFlops(workload) + head), bytes: 32 * encoderWeights(workload) };
    }
  }
}

function encoderFlops({ layers, width, length, batch }: EncoderWorkload): number {
  return layers * batch * (24 * length * width ** 2 + 4 * length ** 2 * width);
}

function encoderWeights({ layers, width }: EncoderWorkload): number {
  return layers * 12 * width ** 2;
}
