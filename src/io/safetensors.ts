import { ArgumentError, FileFormatError } from "../graph/errors.ts";
import { formatShape } from "../graph/shape.ts";
import {
  byteLengthOf,
  checkTensor,
  isSafetensorsDtype,
  maximumRank,
  type SafetensorsDtype,
  type SafetensorsTensor,
  safetensorsDtypes,
} from "./safetensorsTensor.ts";
import { isWellFormed, JsonReader, quoted } from "./strictJson.ts";

// The format (https://github.com/huggingface/safetensors): 8 bytes with the header's length, little-endian;
// the header, a JSON object that maps each name to {dtype, shape, data_offsets}, padded with spaces to a
// multiple of 8 bytes; then the tensors' bytes, in which the offsets count.

export {
  fromBool,
  fromFloat32,
  fromInt32,
  fromTypedArray,
  toBool,
  toFloat32,
  toInt32,
  toTypedArray,
} from "./elements.ts";
export type { SafetensorsDtype, SafetensorsTensor } from "./safetensorsTensor.ts";

/** A tensor that was read from a file. */
export interface SafetensorsEntry extends SafetensorsTensor {
  readonly name: string;
}

/** What a safetensors file holds. */
export interface SafetensorsFile {
  /** The free texts under `__metadata__`; empty when the file has none. */
  readonly metadata: ReadonlyMap<string, string>;
  /** The tensors by name, in the header's order. */
  readonly tensors: ReadonlyMap<string, SafetensorsEntry>;
}

/** The longest header that is read or written: the reference implementation's limit. */
const maximumHeaderBytes = 100_000_000;
/** Far above any model's number of tensors; bounds what the maps of a hostile header can take. */
const maximumTensors = 500_000;
const maximumMetadata = 100_000;
const lengthBytes = 8;
const metadataKey = "__metadata__";
const part = "safetensors header";

interface TensorInfo {
  readonly name: string;
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/**
 * Reads a safetensors file held in memory. Each entry's `data` is a view of `bytes`: nothing is copied.
 *
 * Safe against hostile files: all is checked before a view is made, in time linear in the header (but for one
 * sort), and without allocating more than the header gives cause for. Stricter than the reference where that
 * costs no honest file: no duplicate keys (its reader keeps the last), no other fields in a tensor's entry,
 * at most 64 dims, 500,000 tensors and 100,000 metadata texts.
 *
 * @throws FileFormatError naming the part of the file, the tensor, and what is wrong: a header length beyond
 * the file or 100 MB; a header that is not UTF-8 or not a JSON object; a duplicate key; an unknown dtype; a
 * shape that is no list of sizes or too large for any file; offsets that do not fit the shape, leave a hole,
 * overlap, or miss the file's end.
 */
export function parseSafetensors(bytes: Uint8Array | ArrayBuffer): SafetensorsFile {
  const file = bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes);
  const dataStart = lengthBytes + headerLength(file);
  const { metadata, infos } = readHeader(decodeHeader(file.subarray(lengthBytes, dataStart)));
  checkLayout(infos, file.byteLength - dataStart);
  const tensors = new Map<string, SafetensorsEntry>();
  for (const { name, dtype, shape, begin, end } of infos) {
    // Not `subarray`, which in Node would hand out a Buffer when given one.
    const data = new Uint8Array(file.buffer, file.byteOffset + dataStart + begin, end - begin);
    tensors.set(name, { name, dtype, shape, data });
  }
  return { metadata, tensors };
}

function headerLength(file: Uint8Array): number {
  if (file.byteLength < lengthBytes) {
    throw new FileFormatError(
      `safetensors file: it has ${file.byteLength} bytes, expected ${lengthBytes} for the header's length`,
    );
  }
  const length = new DataView(file.buffer, file.byteOffset, lengthBytes).getBigUint64(0, true);
  if (length > maximumHeaderBytes) {
    throw new FileFormatError(
      `safetensors header length: ${length}, above the limit of ${maximumHeaderBytes}; is it safetensors?`,
    );
  }
  if (length > file.byteLength - lengthBytes) {
    throw new FileFormatError(
      `safetensors header length: ${length}, but ${file.byteLength - lengthBytes} bytes follow; truncated?`,
    );
  }
  return Number(length);
}

function decodeHeader(header: Uint8Array): string {
  if (header[0] !== 0x7b) throw new FileFormatError(`${part}: it does not start with "{"`);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(header);
  } catch (cause) {
    throw new FileFormatError(`${part}: it is not valid UTF-8`, { cause });
  }
}

function readHeader(text: string): { metadata: Map<string, string>; infos: TensorInfo[] } {
  const metadata = new Map<string, string>();
  const infos: TensorInfo[] = [];
  const reader = new JsonReader(text, part);
  reader.readObject("the header", (name) => {
    if (name !== metadataKey) {
      if (infos.length === maximumTensors) reader.fail(`more than ${maximumTensors} tensors`);
      infos.push(readInfo(reader, name));
      return;
    }
    reader.readObject(metadataKey, (key) => {
      if (metadata.size === maximumMetadata)
        reader.fail(`${metadataKey} has more than ${maximumMetadata} texts`);
      metadata.set(key, reader.readString(`${metadataKey} ${quoted(key)}`));
    });
  });
  reader.readEnd();
  return { metadata, infos };
}

/** One tensor's entry of the header; throws unless its own fields agree with each other. */
function readInfo(reader: JsonReader, name: string): TensorInfo {
  const tensor = `tensor ${quoted(name)}`;
  let dtype: SafetensorsDtype | undefined;
  let shape: number[] | undefined;
  let offsets: number[] | undefined;
  reader.readObject(tensor, (field) => {
    switch (field) {
      case "dtype": {
        const text = reader.readString(`${tensor}: dtype`);
        if (!isSafetensorsDtype(text)) {
          reader.fail(
            `${tensor}: dtype ${quoted(text)} is not one of ${Object.keys(safetensorsDtypes).join(", ")}`,
          );
        }
        dtype = text;
        break;
      }
      case "shape":
        shape = readSizes(reader, `${tensor}: shape`, maximumRank);
        break;
      case "data_offsets":
        offsets = readSizes(reader, `${tensor}: data_offsets`, 2);
        break;
      default:
        reader.fail(`${tensor}: unknown field ${quoted(field)}, expected dtype, shape and data_offsets`);
    }
  });
  if (dtype === undefined || shape === undefined || offsets === undefined) {
    return reader.fail(`${tensor}: a field is missing, expected dtype, shape and data_offsets`);
  }
  if (offsets.length !== 2) reader.fail(`${tensor}: data_offsets has ${offsets.length} numbers, expected 2`);
  const [begin, end] = offsets;
  const expected = byteLengthOf(dtype, shape);
  const described = `${dtype} ${formatShape(shape)}`;
  if (expected === undefined) reader.fail(`${tensor}: ${described} is larger than any file`);
  if (end < begin) reader.fail(`${tensor}: data_offsets [${begin}, ${end}] end before they begin`);
  if (end - begin !== expected) {
    reader.fail(
      `${tensor}: data_offsets [${begin}, ${end}] span ${end - begin} bytes, ${described} takes ${expected}`,
    );
  }
  return { name, dtype, shape, begin, end };
}

function readSizes(reader: JsonReader, what: string, limit: number): number[] {
  const sizes: number[] = [];
  reader.readArray(what, () => {
    if (sizes.length === limit) reader.fail(`${what} has more than ${limit} numbers`);
    sizes.push(reader.readSize(what));
  });
  return sizes;
}

/** The tensors' bytes must cover the data from its start to its end, each byte once. */
function checkLayout(infos: readonly TensorInfo[], dataBytes: number): void {
  // An empty tensor comes before the one that starts at the same place.
  const ordered = [...infos].sort((a, b) => a.begin - b.begin || a.end - b.end);
  let cursor = 0;
  for (const { name, begin, end } of ordered) {
    const span = `safetensors data: tensor ${quoted(name)} at [${begin}, ${end}]`;
    if (begin > cursor) {
      throw new FileFormatError(`${span} leaves a hole: bytes ${cursor} to ${begin} belong to no tensor`);
    }
    if (begin < cursor) {
      throw new FileFormatError(`${span} overlaps the tensor before it, which ends at ${cursor}`);
    }
    if (end > dataBytes) {
      throw new FileFormatError(
        `${span} ends beyond the ${dataBytes} bytes that follow the header; is it truncated?`,
      );
    }
    cursor = end;
  }
  if (cursor !== dataBytes) {
    throw new FileFormatError(
      `safetensors data: ${dataBytes - cursor} bytes follow the last tensor's end at ${cursor}`,
    );
  }
}

/** Tensors to be written, by name. */
export type SafetensorsTensors = ReadonlyMap<string, SafetensorsTensor>;

/** Free texts to be written under `__metadata__`. */
export type SafetensorsMetadata = ReadonlyMap<string, string> | Readonly<Record<string, string>>;

/**
 * The bytes of a safetensors file, laid out as the reference writer does: dtypes of the largest alignment
 * first, then by name (in code points), the header padded with spaces to a multiple of 8 bytes. Equal tensors
 * and metadata give equal bytes, whatever their order. Empty metadata is left out.
 *
 * @throws ArgumentError for a tensor named `__metadata__`, a name that UTF-8 cannot hold, an unknown dtype,
 * or more than a reader takes (a header above 100 MB, 500,000 tensors, 100,000 metadata texts); ShapeError
 * for a shape that does not fit its bytes. Messages name the tensor.
 */
export function serializeSafetensors(
  tensors: SafetensorsTensors,
  metadata?: SafetensorsMetadata,
): Uint8Array {
  const chunks = safetensorsChunks(tensors, metadata);
  const file = new Uint8Array(chunks.reduce((total, chunk) => total + chunk.byteLength, 0));
  let offset = 0;
  for (const chunk of chunks) {
    file.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return file;
}

/**
 * The file that `serializeSafetensors` describes as a list of pieces: its head, then views of the tensors'
 * bytes.
 */
export function safetensorsChunks(
  tensors: SafetensorsTensors,
  metadata: SafetensorsMetadata = {},
): Uint8Array[] {
  if (tensors.size > maximumTensors) {
    throw new ArgumentError(
      `serializeSafetensors: ${tensors.size} tensors, at most ${maximumTensors} fit; write several files`,
    );
  }
  const rank = Object.keys(safetensorsDtypes);
  const ordered = [...tensors].sort(
    ([a, { dtype: left }], [b, { dtype: right }]) =>
      rank.indexOf(left) - rank.indexOf(right) || compareCodePoints(a, b),
  );
  const members = metadataMembers(metadata);
  const chunks: Uint8Array[] = [];
  let offset = 0;
  for (const [name, tensor] of ordered) {
    checkTensor("serializeSafetensors", name, tensor);
    checkText(name, `tensor name ${quoted(name)}`);
    if (name === metadataKey) {
      throw new ArgumentError(
        `serializeSafetensors: a tensor cannot be named ${metadataKey}; choose another name`,
      );
    }
    const { dtype, shape, data } = tensor;
    const end = offset + data.byteLength;
    members.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [offset, end] })}`);
    chunks.push(data);
    offset = end;
  }
  return [encodeHead(`{${members.join(",")}}`), ...chunks];
}

function encodeHead(json: string): Uint8Array {
  const header = new TextEncoder().encode(json);
  const padded = Math.ceil(header.byteLength / 8) * 8;
  if (padded > maximumHeaderBytes) {
    throw new ArgumentError(
      `serializeSafetensors: the header takes ${padded} bytes, above the limit of ${maximumHeaderBytes}; ` +
        "write several files",
    );
  }
  const head = new Uint8Array(lengthBytes + padded).fill(0x20);
  new DataView(head.buffer).setBigUint64(0, BigInt(padded), true);
  head.set(header, lengthBytes);
  return head;
}

function metadataMembers(metadata: SafetensorsMetadata): string[] {
  const pairs: [string, string][] = metadata instanceof Map ? [...metadata] : Object.entries(metadata);
  if (pairs.length === 0) return [];
  if (pairs.length > maximumMetadata) {
    throw new ArgumentError(
      `serializeSafetensors: ${pairs.length} metadata texts, at most ${maximumMetadata} fit; join some`,
    );
  }
  const members = pairs
    .sort(([a], [b]) => compareCodePoints(a, b))
    .map(([key, value]) => {
      checkText(key, `metadata key ${quoted(key)}`);
      checkText(value, `metadata of ${quoted(key)}`);
      return `${JSON.stringify(key)}:${JSON.stringify(value)}`;
    });
  return [`${JSON.stringify(metadataKey)}:{${members.join(",")}}`];
}

function checkText(text: string, what: string): void {
  if (typeof text !== "string" || !isWellFormed(text)) {
    throw new ArgumentError(
      `serializeSafetensors: ${what} must be a string without halves of surrogate pairs`,
    );
  }
}

/** The order of UTF-8 bytes, which JavaScript's own order of strings is not above U+FFFF. */
function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const [left, right] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (left === right) continue;
    // Of two different units, a surrogate stands for a code point above every unit that is none.
    const [leftIsSurrogate, rightIsSurrogate] = [(left & 0xf800) === 0xd800, (right & 0xf800) === 0xd800];
    return leftIsSurrogate === rightIsSurrogate ? left - right : leftIsSurrogate ? 1 : -1;
  }
  return a.length - b.length;
}
