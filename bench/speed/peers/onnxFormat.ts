// As much of ONNX (github.com/onnx/onnx, onnx.proto) as graphs of a few ops need, in protocol buffers' wire format. The
// numbers are those of the fields there.

export type OnnxTensor =
  | { readonly name: string; readonly dims: readonly number[]; readonly data: Float32Array }
  | { readonly name: string; readonly dims: readonly number[]; readonly data: BigInt64Array };

export interface OnnxNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly output: string;
  readonly integers?: Readonly<Record<string, number>>;
  readonly lists?: Readonly<Record<string, readonly number[]>>;
  readonly floats?: Readonly<Record<string, number>>;
}

export interface OnnxInput {
  readonly name: string;
  readonly dims: readonly number[];
  readonly type: "float" | "int64";
}

export interface OnnxGraph {
  readonly nodes: readonly OnnxNode[];
  readonly weights: readonly OnnxTensor[];
  readonly inputs: readonly OnnxInput[];
  readonly output: string;
}

const elementTypes = { float: 1, int64: 7 } as const;
const attributeTypes = { float: 1, integer: 2, integers: 7 } as const;

/** A message as chunks, so that large weights are copied once. */
type Chunks = readonly Uint8Array[];

/** A model of opset 20 with one output. */
export function encodeOnnx({ nodes, weights, inputs, output }: OnnxGraph): Uint8Array {
  const graph = [
    ...nodes.flatMap((node) => field(1, encodeNode(node))),
    ...text(2, "graph"),
    ...weights.flatMap((weight) => field(5, encodeTensor(weight))),
    ...inputs.flatMap((input) => field(11, encodeInput(input))),
    ...field(12, text(1, output)),
  ];
  const opset = [...text(1, ""), ...integer(2, 20)];
  return join([...integer(1, 9), ...field(7, graph), ...field(8, opset)]);
}

function encodeNode({ op, inputs, output, integers = {}, lists = {}, floats = {} }: OnnxNode): Chunks {
  const attribute = (name: string, type: number, value: Chunks): Chunks =>
    field(5, [...text(1, name), ...value, ...integer(20, type)]);
  return [
    ...inputs.flatMap((name) => text(1, name)),
    ...text(2, output),
    ...text(4, op),
    ...Object.entries(floats).flatMap(([name, value]) =>
      attribute(name, attributeTypes.float, [
        varint((2 << 3) | 5),
        new Uint8Array(Float32Array.of(value).buffer),
      ]),
    ),
    ...Object.entries(integers).flatMap(([name, value]) =>
      attribute(name, attributeTypes.integer, integer(3, value)),
    ),
    ...Object.entries(lists).flatMap(([name, values]) =>
      attribute(
        name,
        attributeTypes.integers,
        values.flatMap((value) => integer(8, value)),
      ),
    ),
  ];
}

function encodeTensor({ name, dims, data }: OnnxTensor): Chunks {
  const type = data instanceof Float32Array ? elementTypes.float : elementTypes.int64;
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return [
    ...dims.flatMap((dim) => integer(1, dim)),
    ...integer(2, type),
    ...text(8, name),
    ...field(9, [bytes]),
  ];
}

function encodeInput({ name, dims, type }: OnnxInput): Chunks {
  const shape = dims.flatMap((dim) => field(1, integer(1, dim)));
  const tensor = [...integer(1, elementTypes[type]), ...field(2, shape)];
  return [...text(1, name), ...field(2, field(1, tensor))];
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Uint8Array.of(...bytes, Number(rest));
}

function integer(number: number, value: number): Chunks {
  return [varint(number << 3), varint(value)];
}

function text(number: number, value: string): Chunks {
  return field(number, [new TextEncoder().encode(value)]);
}

function field(number: number, content: Chunks): Chunks {
  const length = content.reduce((total, chunk) => total + chunk.length, 0);
  return [varint((number << 3) | 2), varint(length), ...content];
}

function join(chunks: Chunks): Uint8Array {
  const bytes = new Uint8Array(chunks.reduce((total, chunk) => total + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
