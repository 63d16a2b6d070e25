import { type DType, isFloat, type TypedArray } from "../graph/dtype.ts";
import { numel, type Shape } from "../graph/shape.ts";

/** Beyond this many elements only the edges are shown, as in PyTorch. */
const summarizeAbove = 1000;
const edgeItems = 3;
const decimals = 4;
/** Lines of numbers are wrapped here. */
const lineWidth = 80;

/** Nested brackets with aligned numbers, four decimals, long tensors shortened: PyTorch's default format. */
export function formatTensor(data: TypedArray, shape: Shape, dtype: DType): string {
  const summarize = numel(shape) > summarizeAbove;
  const shown = shownElements(data, shape, summarize);
  const format = elementFormat(shown, dtype);
  const width = Math.max(0, ...shown.map((value) => format(value).length));
  const perLine = (indent: number): number => Math.max(1, Math.floor((lineWidth - indent) / (width + 2)));
  const body = formatDim(data, shape, 0, 0, summarize, (value) => format(value).padStart(width), perLine);
  const note = dtype === "f32" || dtype === "bool" ? "" : `, dtype=${dtype}`;
  const size = numel(shape) === 0 && shape.length > 1 ? `, size=(${shape.join(", ")})` : "";
  return `tensor(${body}${size}${note})`;
}

function shownIndices(size: number, summarize: boolean): (number | "...")[] {
  if (!summarize || size <= 2 * edgeItems) return Array.from({ length: size }, (_, i) => i);
  const first = Array.from({ length: edgeItems }, (_, i) => i);
  return [...first, "...", ...first.map((i) => size - edgeItems + i)];
}

function shownElements(data: TypedArray, shape: Shape, summarize: boolean): number[] {
  const collect = (dim: number, offset: number, count: number): number[] => {
    if (dim === shape.length) return [data[offset]];
    const stride = count / shape[dim];
    return shownIndices(shape[dim], summarize).flatMap((i) =>
      i === "..." ? [] : collect(dim + 1, offset + i * stride, stride),
    );
  };
  return data.length === 0 ? [] : collect(0, 0, data.length);
}

function elementFormat(shown: readonly number[], dtype: DType): (value: number) => string {
  if (dtype === "bool") return (value) => (value === 0 ? "False" : "True");
  if (!isFloat(dtype)) return String;
  const special = (value: number): string | undefined =>
    Number.isFinite(value) ? undefined : Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
  const magnitudes = shown.filter((value) => Number.isFinite(value) && value !== 0).map(Math.abs);
  const largest = Math.max(0, ...magnitudes);
  const smallest = Math.min(Number.POSITIVE_INFINITY, ...magnitudes);
  if (shown.filter(Number.isFinite).every(Number.isInteger) && largest < 1e8) {
    return (value) => special(value) ?? `${Object.is(value, -0) ? "-0" : value}.`;
  }
  const scientific = largest >= 1e8 || smallest < 1e-4 || largest / smallest > 1000;
  return (value) => special(value) ?? (scientific ? exponent(value) : value.toFixed(decimals));
}

/** Two digits of exponent at least: 1.0000e-05. */
function exponent(value: number): string {
  return value.toExponential(decimals).replace(/e([+-])(\d)$/, "e$10$2");
}

function formatDim(
  data: TypedArray,
  shape: Shape,
  dim: number,
  offset: number,
  summarize: boolean,
  format: (value: number) => string,
  perLine: (indent: number) => number,
): string {
  if (dim === shape.length) return format(data[offset]);
  const stride = numel(shape.slice(dim + 1));
  const items = shownIndices(shape[dim], summarize);
  const depth = shape.length - dim;
  const indent = "tensor(".length + dim;
  const margin = " ".repeat(indent + 1);
  if (depth > 1) {
    const parts = items.map((i) =>
      i === "..." ? "..." : formatDim(data, shape, dim + 1, offset + i * stride, summarize, format, perLine),
    );
    return `[${parts.join(`,${"\n".repeat(depth - 1)}${margin}`)}]`;
  }
  const numbers = items.map((i) => (i === "..." ? " ..." : format(data[offset + i])));
  const lines: string[] = [];
  for (let i = 0; i < numbers.length; i += perLine(indent)) {
    lines.push(numbers.slice(i, i + perLine(indent)).join(", "));
  }
  return `[${lines.join(`,\n${margin}`)}]`;
}
