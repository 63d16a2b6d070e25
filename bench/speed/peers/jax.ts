import { noise, type Prepare, type Run, tokens } from "../contender.ts";
import type { EncoderWorkload } from "../workloads.ts";
import { importFrom } from "./packages.ts";

/** What is used of @jax-js/jax. Every use of an array consumes it, unless it is taken through `ref`. */
interface JaxArray {
  readonly ref: JaxArray;
  add(other: JaxArray): JaxArray;
  mul(other: JaxArray): JaxArray;
  reshape(shape: readonly number[]): JaxArray;
  data(): Promise<unknown>;
}

interface Jax {
  init(backend: string): Promise<unknown>;
  defaultDevice(backend: string): void;
  jit(fn: (...args: JaxArray[]) => JaxArray): (...args: JaxArray[]) => JaxArray;
  readonly numpy: {
    array(data: Float32Array | Int32Array): JaxArray;
    matmul(a: JaxArray, b: JaxArray): JaxArray;
    take(a: JaxArray, indices: JaxArray, axis: number): JaxArray;
  };
  readonly nn: {
    softmax(x: JaxArray, axis: number): JaxArray;
    gelu(x: JaxArray, options: { approximate: boolean }): JaxArray;
    standardize(x: JaxArray, axis: number, options?: { epsilon: number }): JaxArray;
    dotProductAttention(q: JaxArray, k: JaxArray, v: JaxArray): JaxArray;
  };
}

/** jax-js on WebAssembly. */
export async function jax(folder: string): Promise<Prepare> {
  const engine = (await importFrom(folder, "@jax-js/jax", "dist/index.js")) as Jax; // as its types say
  const { numpy, nn } = engine;
  await engine.init("wasm");
  engine.defaultDevice("wasm");
  const array = (shape: readonly number[], scale = 1): JaxArray =>
    numpy
      .array(
        noise(
          shape.reduce((a, b) => a * b),
          scale,
        ),
      )
      .reshape(shape);
  const runOf = (fn: (...args: JaxArray[]) => JaxArray, ...args: JaxArray[]): Run => {
    const jitted = engine.jit(fn);
    return () => jitted(...args.map((arg) => arg.ref)).data();
  };
  return async (workload) => {
    switch (workload.kind) {
      case "matmul": {
        const { rows, columns, shared } = workload;
        return runOf(numpy.matmul, array([rows, shared]), array([shared, columns]));
      }
      case "softmax":
        return runOf((x) => nn.softmax(x, -1), array([workload.rows, workload.columns]));
      case "layerNorm": {
        const { rows, columns } = workload;
        const norm = (x: JaxArray, weight: JaxArray, bias: JaxArray): JaxArray =>
          nn.standardize(x, -1).mul(weight).add(bias);
        return runOf(norm, array([rows, columns]), array([columns]), array([columns]));
      }
      case "gelu":
        return runOf((x) => nn.gelu(x, { approximate: false }), array([workload.elements]));
      case "attention": {
        const shape = [workload.batch, workload.length, workload.heads, workload.depth];
        return runOf(nn.dotProductAttention, array(shape), array(shape), array(shape));
      }
      case "encoder":
        return runOf(...encoder(engine, array, workload));
      case "train":
        return undefined;
    }
  };
}

type Encoder = [(...args: JaxArray[]) => JaxArray, ...JaxArray[]];

/** BERT's encoder as a function of its parameters in one order, with the parameters. */
function encoder(
  { numpy, nn }: Jax,
  array: (shape: readonly number[], scale?: number) => JaxArray,
  { layers, width, heads, length, batch, vocabulary }: EncoderWorkload,
): Encoder {
  const parameters: JaxArray[] = [];
  const make = (...shape: number[]): number => parameters.push(array(shape, 0.05)) - 1;
  const dense = (from: number, to: number) => ({ weight: make(from, to), bias: make(to) });
  const norm = () => ({ weight: make(width), bias: make(width) });
  const table = make(vocabulary, width);
  const [positions, types, first] = [make(length, width), make(width), norm()];
  const stack = Array.from({ length: layers }, () => ({
    ...{ query: dense(width, width), key: dense(width, width), value: dense(width, width) },
    ...{ output: dense(width, width), attentionNorm: norm() },
    ...{ up: dense(width, 4 * width), down: dense(4 * width, width), outputNorm: norm() },
  }));
  const ids = numpy.array(tokens(batch * length, vocabulary)).reshape([batch, length]);
  const forward = (...args: JaxArray[]): JaxArray => {
    const at = (index: number): JaxArray => args[index].ref;
    const linear = (x: JaxArray, { weight, bias }: ReturnType<typeof dense>): JaxArray =>
      numpy.matmul(x, at(weight)).add(at(bias));
    const normalize = (x: JaxArray, { weight, bias }: ReturnType<typeof norm>): JaxArray =>
      nn.standardize(x, -1, { epsilon: 1e-12 }).mul(at(weight)).add(at(bias));
    const split = (x: JaxArray): JaxArray => x.reshape([batch, length, heads, width / heads]);
    const embedded = numpy.take(at(table), at(args.length - 1), 0);
    let x = normalize(embedded.add(at(positions)).add(at(types)), first);
    for (const layer of stack) {
      const [q, k, v] = [layer.query, layer.key, layer.value].map((part) => split(linear(x.ref, part)));
      const mixed = nn.dotProductAttention(q, k, v).reshape([batch, length, width]);
      x = normalize(x.add(linear(mixed, layer.output)), layer.attentionNorm);
      const inner = nn.gelu(linear(x.ref, layer.up), { approximate: false });
      x = normalize(x.add(linear(inner, layer.down)), layer.outputNorm);
    }
    return x;
  };
  return [forward, ...parameters, ids];
}
