import { join } from "node:path";
import { noise, type Prepare, type Run, tokens } from "../contender.ts";
import type { EncoderWorkload } from "../workloads.ts";
import { importFrom } from "./packages.ts";

/** What is used of @tensorflow/tfjs. */
interface TfTensor {
  readonly shape: number[];
  add(other: TfTensor | number): TfTensor;
  sub(other: TfTensor): TfTensor;
  mul(other: TfTensor | number): TfTensor;
  rsqrt(): TfTensor;
  reshape(shape: readonly number[]): TfTensor;
  transpose(order: readonly number[]): TfTensor;
  data(): Promise<unknown>;
  dispose(): void;
}

interface Tf {
  setBackend(name: string): Promise<unknown>;
  ready(): Promise<void>;
  tidy(fn: () => TfTensor): TfTensor;
  tensor(data: Float32Array | Int32Array, shape: readonly number[], dtype?: "int32"): TfTensor;
  matMul(a: TfTensor, b: TfTensor, transposeA?: boolean, transposeB?: boolean): TfTensor;
  softmax(x: TfTensor): TfTensor;
  erf(x: TfTensor): TfTensor;
  gather(x: TfTensor, indices: TfTensor): TfTensor;
  moments(x: TfTensor, axis: number, keepDims: boolean): { mean: TfTensor; variance: TfTensor };
}

/** TensorFlow.js on WebAssembly (XNNPACK). */
export async function tensorflow(folder: string): Promise<Prepare> {
  const tf = (await importFrom(folder, "@tensorflow/tfjs")) as Tf; // as its types say
  const wasmName = "@tensorflow/tfjs-backend-wasm";
  const wasm = (await importFrom(folder, wasmName)) as { setWasmPaths(path: string): void };
  wasm.setWasmPaths(join(folder, "node_modules", wasmName, "dist/"));
  await tf.setBackend("wasm");
  await tf.ready();
  const make = (shape: readonly number[], scale = 1): TfTensor =>
    tf.tensor(
      noise(
        shape.reduce((a, b) => a * b),
        scale,
      ),
      shape,
    );
  const runOf = (fn: (...args: TfTensor[]) => TfTensor, ...args: TfTensor[]): Run => {
    return async () => {
      const result = tf.tidy(() => fn(...args));
      await result.data();
      result.dispose();
    };
  };
  return async (workload) => {
    switch (workload.kind) {
      case "matmul": {
        const { rows, columns, shared } = workload;
        return runOf((a, b) => tf.matMul(a, b), make([rows, shared]), make([shared, columns]));
      }
      case "softmax":
        return runOf((x) => tf.softmax(x), make([workload.rows, workload.columns]));
      case "layerNorm": {
        const { rows, columns } = workload;
        const norm = (x: TfTensor, weight: TfTensor, bias: TfTensor) => layerNorm(tf, x, weight, bias);
        return runOf(norm, make([rows, columns]), make([columns]), make([columns]));
      }
      case "gelu":
        return runOf((x) => gelu(tf, x), make([workload.elements]));
      case "attention": {
        const shape = [workload.batch, workload.heads, workload.length, workload.depth];
        return runOf((q, k, v) => attention(tf, q, k, v), make(shape), make(shape), make(shape));
      }
      case "encoder":
        return runOf(encoder(tf, make, workload));
      case "train":
        return undefined;
    }
  };
}

function layerNorm(tf: Tf, x: TfTensor, weight: TfTensor, bias: TfTensor): TfTensor {
  const { mean, variance } = tf.moments(x, -1, true);
  return x.sub(mean).mul(variance.add(1e-12).rsqrt()).mul(weight).add(bias);
}

function gelu(tf: Tf, x: TfTensor): TfTensor {
  return x.mul(0.5).mul(tf.erf(x.mul(Math.SQRT1_2)).add(1));
}

function attention(tf: Tf, q: TfTensor, k: TfTensor, v: TfTensor): TfTensor {
  const scores = tf.matMul(q, k, false, true).mul(1 / Math.sqrt(q.shape[q.shape.length - 1]));
  return tf.matMul(tf.softmax(scores), v);
}

function encoder(
  tf: Tf,
  make: (shape: readonly number[], scale?: number) => TfTensor,
  { layers, width, heads, length, batch, vocabulary }: EncoderWorkload,
): () => TfTensor {
  const dense = (from: number, to: number) => ({ weight: make([from, to], 0.05), bias: make([to]) });
  const norm = () => ({ weight: make([width]), bias: make([width]) });
  const [table, positions, first] = [make([vocabulary, width], 0.05), make([length, width]), norm()];
  const stack = Array.from({ length: layers }, () => ({
    ...{ query: dense(width, width), key: dense(width, width), value: dense(width, width) },
    ...{ output: dense(width, width), attentionNorm: norm() },
    ...{ up: dense(width, 4 * width), down: dense(4 * width, width), outputNorm: norm() },
  }));
  const ids = tf.tensor(tokens(batch * length, vocabulary), [batch, length], "int32");
  const linear = (x: TfTensor, { weight, bias }: ReturnType<typeof dense>): TfTensor => {
    const columns = x.shape[x.shape.length - 1];
    const product = tf.matMul(x.reshape([batch * length, columns]), weight).add(bias);
    return product.reshape([batch, length, weight.shape[1]]);
  };
  const normalize = (x: TfTensor, of: ReturnType<typeof norm>) => layerNorm(tf, x, of.weight, of.bias);
  const split = (x: TfTensor) => x.reshape([batch, length, heads, width / heads]).transpose([0, 2, 1, 3]);
  return () => {
    let x = normalize(tf.gather(table, ids).add(positions), first);
    for (const layer of stack) {
      const [q, k, v] = [layer.query, layer.key, layer.value].map((part) => split(linear(x, part)));
      const mixed = attention(tf, q, k, v).transpose([0, 2, 1, 3]).reshape([batch, length, width]);
      x = normalize(x.add(linear(mixed, layer.output)), layer.attentionNorm);
      x = normalize(x.add(linear(gelu(tf, linear(x, layer.up)), layer.down)), layer.outputNorm);
    }
    return x;
  };
}
