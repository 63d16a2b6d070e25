import { noise } from "../contender.ts";
import type { EncoderWorkload, Workload } from "../workloads.ts";
import type { OnnxGraph, OnnxInput, OnnxNode, OnnxTensor } from "./onnxFormat.ts";

/** A workload as an ONNX graph; undefined for training. */
export function onnxGraphOf(workload: Workload): OnnxGraph | undefined {
  const graph = new GraphWriter();
  const result = write(graph, workload);
  return result === undefined ? undefined : { ...graph, output: result };
}

function write(graph: GraphWriter, workload: Workload): string | undefined {
  switch (workload.kind) {
    case "matmul": {
      const { rows, columns, shared } = workload;
      return graph.node("MatMul", [graph.input([rows, shared]), graph.input([shared, columns])]);
    }
    case "softmax":
      return graph.node("Softmax", [graph.input([workload.rows, workload.columns])], {
        integers: { axis: -1 },
      });
    case "layerNorm": {
      const { rows, columns } = workload;
      return graph.node(
        "LayerNormalization",
        [[rows, columns], [columns], [columns]].map((dims) => graph.input(dims)),
        { integers: { axis: -1 }, floats: { epsilon: 1e-5 } },
      );
    }
    case "gelu":
      return graph.node("Gelu", [graph.input([workload.elements])]);
    case "attention": {
      const { batch, heads, length, depth } = workload;
      const input = () => graph.input([batch, heads, length, depth]);
      return attention(graph, input(), input(), input(), depth);
    }
    case "encoder":
      return encoder(graph, workload);
    case "train":
      return undefined;
  }
}

/** Adds nodes, named by their numbers. */
class GraphWriter {
  readonly nodes: OnnxNode[] = [];
  readonly weights: OnnxTensor[] = [];
  readonly inputs: OnnxInput[] = [];

  node(op: string, inputs: readonly string[], attributes: Partial<OnnxNode> = {}): string {
    const output = `n${this.nodes.length}`;
    this.nodes.push({ ...attributes, op, inputs, output });
    return output;
  }

  input(dims: readonly number[], type: OnnxInput["type"] = "float"): string {
    const name = `x${this.inputs.length}`;
    this.inputs.push({ name, dims, type });
    return name;
  }

  /** Random numbers. */
  weight(...dims: number[]): string {
    return this.constant(
      dims,
      noise(
        dims.reduce((a, b) => a * b, 1),
        0.05,
      ),
    );
  }

  constant(dims: readonly number[], data: Float32Array): string {
    const name = `w${this.weights.length}`;
    this.weights.push({ name, dims, data });
    return name;
  }

  reshape(x: string, shape: readonly number[]): string {
    const name = `w${this.weights.length}`;
    this.weights.push({ name, dims: [shape.length], data: BigInt64Array.from(shape, BigInt) });
    return this.node("Reshape", [x, name]);
  }

  transpose(x: string, perm: readonly number[]): string {
    return this.node("Transpose", [x], { lists: { perm } });
  }
}

function attention(graph: GraphWriter, q: string, k: string, v: string, depth: number): string {
  const products = graph.node("MatMul", [q, graph.transpose(k, [0, 1, 3, 2])]);
  const scale = graph.constant([], Float32Array.of(1 / Math.sqrt(depth)));
  const weights = graph.node("Softmax", [graph.node("Mul", [products, scale])], { integers: { axis: -1 } });
  return graph.node("MatMul", [weights, v]);
}

function encoder(
  graph: GraphWriter,
  { layers, width, heads, length, batch, vocabulary }: EncoderWorkload,
): string {
  const linear = (x: string, from: number, to: number): string =>
    graph.node("Add", [graph.node("MatMul", [x, graph.weight(from, to)]), graph.weight(to)]);
  const norm = (x: string): string =>
    graph.node("LayerNormalization", [x, graph.weight(width), graph.weight(width)], {
      integers: { axis: -1 },
      floats: { epsilon: 1e-12 },
    });
  const split = (x: string): string =>
    graph.transpose(graph.reshape(x, [batch, length, heads, width / heads]), [0, 2, 1, 3]);
  const embedded = graph.node("Gather", [
    graph.weight(vocabulary, width),
    graph.input([batch, length], "int64"),
  ]);
  let x = norm(graph.node("Add", [embedded, graph.weight(length, width)]));
  for (let layer = 0; layer < layers; layer++) {
    const [q, k, v] = [0, 1, 2].map(() => split(linear(x, width, width)));
    const mixed = graph.transpose(attention(graph, q, k, v, width / heads), [0, 2, 1, 3]);
    const joined = graph.reshape(mixed, [batch, length, width]);
    x = norm(graph.node("Add", [x, linear(joined, width, width)]));
    const inner = graph.node("Gelu", [linear(x, width, 4 * width)]);
    x = norm(graph.node("Add", [x, linear(inner, 4 * width, width)]));
  }
  return x;
}
