import { type DType, isFloat, type TypedArray } from "../graph/dtype.ts";
import { numel, type Shape } from "../graph/shape.ts";

/** Beyond this many elements only the edges are shown, as in PyTorch. */
const summarizeAbove = 1000;
const edgeItems = 3;
const decimals = 4;
/** Lines of numbers are wrapped here. */
const lineWidth = 80;
const prefix = "tensor(";

/** What stands behind the numbers, where it is not the usual. */
export interface PrintNotes {
  /** A device's name, for a tensor that is not on the default device. */
  readonly device?: string;
  /** For a leaf that requires a gradient. */
  readonly requiresGrad?: boolean;
  /** For other tensors with a gradient history: the op that made them. */
  readonly gradFn?: string;
}

/** How the elements of one tensor are written. `width` is what PyTorch wraps lines by: zeros, NaN and infinities do not count. */
interface ElementFormat {
  readonly width: number;
  write(value: number): string;
}

/** Nested brackets with aligned numbers, four decimals, long tensors shortened: PyTorch's default format. */
export function formatTensor(
  data: TypedArray,
  shape: Shape,
  dtype: DType,
  { device, requiresGrad, gradFn }: PrintNotes = {},
): string {
  const empty = numel(shape) === 0;
  const summarize = numel(shape) > summarizeAbove;
  const format = elementFormat(shownElements(data, shape, summarize), dtype);
  const body = empty ? "[]" : formatDim(data, shape, 0, 0, summarize, format);
  const notes: string[] = [];
  if (device !== undefined) notes.push(`device='${device}'`);
  if (empty && shape.length !== 1) notes.push(`size=(${shape.join(", ")})`);
  // No element of an empty tensor shows that it is bool.
  if (dtype !== "f32" && (dtype !== "bool" || empty)) notes.push(`dtype=${dtype}`);
  if (gradFn !== undefined) notes.push(`grad_fn=<${gradFn}>`);
  else if (requiresGrad) notes.push("requires_grad=True");
  return withNotes(prefix + body, notes);
}

/** A note begins a line of its own where it would pass the line's end. */
function withNotes(text: string, notes: readonly string[]): string {
  let result = text;
  let used = text.length - text.lastIndexOf("\n") + 1;
  for (const note of notes) {
    if (used + note.length + 2 > lineWidth) {
      result += `,\n${" ".repeat(prefix.length)}${note}`;
      used = prefix.length + note.length;
    } else {
      result += `, ${note}`;
      used += note.length + 2;
    }
  }
  return `${result})`;
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

function elementFormat(shown: readonly number[], dtype: DType): ElementFormat {
  const aligned = (write: (value: number) => string, counted: readonly number[]): ElementFormat => {
    const width = counted.reduce((most, value) => Math.max(most, write(value).length), 1);
    return { width, write: (value) => write(value).padStart(width) };
  };
  if (dtype === "bool") return aligned((value) => (value === 0 ? "False" : "True"), shown);
  if (!isFloat(dtype)) return aligned(String, shown);
  const counted = shown.filter((value) => Number.isFinite(value) && value !== 0);
  const magnitudes = counted.map(Math.abs);
  const largest = magnitudes.reduce((most, value) => Math.max(most, value), 0);
  const smallest = magnitudes.reduce((least, value) => Math.min(least, value), Number.POSITIVE_INFINITY);
  const whole = counted.every(Number.isInteger);
  const wide = largest / smallest > 1000 || largest > 1e8;
  if (wide || (!whole && smallest < 1e-4)) return aligned(finite(exponent), counted);
  return aligned(finite(whole ? (value) => `${signed(value, String)}.` : fixed), counted);
}

function finite(write: (value: number) => string): (value: number) => string {
  return (value) => {
    if (Number.isNaN(value)) return "nan";
    return Number.isFinite(value) ? write(value) : value > 0 ? "inf" : "-inf";
  };
}

/** JavaScript drops the sign of negative zero. */
function signed(value: number, write: (magnitude: number) => string): string {
  const minus = value < 0 || Object.is(value, -0);
  return (minus ? "-" : "") + write(Math.abs(value));
}

/** Digits beyond which no float lies between a number and a tie. */
const exactDigits = 40;

/**
 * A magnitude's digits as `write` gives them for a number of decimals, with ties going to the even digit as in C, where
 * JavaScript takes the larger.
 */
function tiesToEven(write: (digits: number) => string): string {
  const mantissa = (digits: number): string => write(digits).split("e")[0];
  const tail = mantissa(exactDigits).slice(mantissa(decimals).length);
  const isTie = /^50*$/.test(tail);
  if (!isTie) return write(decimals);
  const kept = mantissa(exactDigits).slice(0, -tail.length);
  const rounded = write(decimals);
  const isEven = Number(kept[kept.length - 1]) % 2 === 0;
  return isEven ? kept + rounded.slice(mantissa(decimals).length) : rounded;
}

function fixed(value: number): string {
  return signed(value, (magnitude) => tiesToEven((digits) => magnitude.toFixed(digits)));
}

/** Two digits of exponent at least: 1.0000e-05. */
function exponent(value: number): string {
  const text = signed(value, (magnitude) => tiesToEven((digits) => magnitude.toExponential(digits)));
  return text.replace(/e([+-])(\d)$/, "e$10$2");
}

function formatDim(
  data: TypedArray,
  shape: Shape,
  dim: number,
  offset: number,
  summarize: boolean,
  format: ElementFormat,
): string {
  if (dim === shape.length) return format.write(data[offset]);
  const stride = numel(shape.slice(dim + 1));
  const items = shownIndices(shape[dim], summarize);
  const depth = shape.length - dim;
  const indent = prefix.length + dim;
  const margin = " ".repeat(indent + 1);
  if (depth > 1) {
    const parts = items.map((i) =>
      i === "..." ? "..." : formatDim(data, shape, dim + 1, offset + i * stride, summarize, format),
    );
    return `[${parts.join(`,${"\n".repeat(depth - 1)}${margin}`)}]`;
  }
  const numbers = items.map((i) => (i === "..." ? " ..." : format.write(data[offset + i])));
  const perLine = Math.max(1, Math.floor((lineWidth - indent) / (format.width + 2)));
  const lines: string[] = [];
  for (let i = 0; i < numbers.length; i += perLine) lines.push(numbers.slice(i, i + perLine).join(", "));
  return `[${lines.join(`,\n${margin}`)}]`;
}
