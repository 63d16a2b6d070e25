import { noise, type Prepare, tokens } from "../contender.ts";
import type { Workload } from "../workloads.ts";
import { encodeOnnx } from "./onnxFormat.ts";
import { onnxGraphOf } from "./onnxGraphs.ts";
import { importFrom } from "./packages.ts";

/** What is used of onnxruntime-web and onnxruntime-node. */
interface Ort {
  readonly env: { readonly wasm?: { numThreads: number } };
  readonly Tensor: new (
    type: "float32" | "int64",
    data: Float32Array | BigInt64Array,
    dims: readonly number[],
  ) => object;
  readonly InferenceSession: {
    create(model: Uint8Array, options: object): Promise<{ run(feeds: object): Promise<unknown> }>;
  };
}

/** ONNX Runtime on WebAssembly or as native code, on one thread. */
export async function onnxRuntime(
  folder: string,
  name: "onnxruntime-web" | "onnxruntime-node",
): Promise<Prepare> {
  const ort = (await importFrom(folder, name)) as Ort; // as its types say
  if (ort.env.wasm) ort.env.wasm.numThreads = 1;
  return async (workload: Workload) => {
    const graph = onnxGraphOf(workload);
    if (graph === undefined) return undefined;
    const session = await ort.InferenceSession.create(encodeOnnx(graph), {
      intraOpNumThreads: 1,
      executionProviders: [name === "onnxruntime-web" ? "wasm" : "cpu"],
      graphOptimizationLevel: "all",
    });
    const feeds = graph.inputs.map(({ name: input, dims, type }) => {
      const size = dims.reduce((a, b) => a * b, 1);
      const tensor =
        type === "float"
          ? new ort.Tensor("float32", noise(size), dims)
          : new ort.Tensor("int64", BigInt64Array.from(tokens(size, 30522), BigInt), dims);
      return [input, tensor];
    });
    return () => session.run(Object.fromEntries(feeds));
  };
}
