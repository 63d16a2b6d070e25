import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ArgumentError, ShapeError } from "../../src/graph/errors.ts";
import {
  parseSafetensors,
  type SafetensorsDtype,
  type SafetensorsTensor,
  serializeSafetensors,
} from "../../src/io/index.ts";
import { safetensorsDtypes } from "../../src/io/safetensorsTensor.ts";

const dtypes = Object.keys(safetensorsDtypes) as SafetensorsDtype[];

const anyShape = fc.oneof(
  fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 4 }),
  fc.constant([]),
  fc.constant([0]),
  fc.constant([3, 0, 2]),
);

const anyTensor = fc.tuple(fc.constantFrom(...dtypes), anyShape).chain(([dtype, shape]) => {
  const bytes = shape.reduce((product, size) => product * size, safetensorsDtypes[dtype] as number);
  return fc
    .uint8Array({ minLength: bytes, maxLength: bytes })
    .map((data): SafetensorsTensor => ({ dtype, shape, data }));
});

const anyName = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 12 }),
  fc.constantFrom(
    "",
    "__proto__",
    "constructor",
    "toString",
    "hasOwnProperty",
    'a"\\\n',
    "\u{1f600}",
    "\uffee",
  ),
);

const anyTensors = fc.array(fc.tuple(anyName, anyTensor), { maxLength: 6 }).map((pairs) => new Map(pairs));

function headerOf(file: Uint8Array): string {
  const length = new DataView(file.buffer, file.byteOffset).getUint32(0, true);
  return new TextDecoder().decode(file.subarray(8, 8 + length));
}

describe("round trips", () => {
  test("what was written is read back, for every dtype, empty tensors and scalars", () => {
    fc.assert(
      fc.property(
        anyTensors,
        fc.dictionary(anyName, fc.string({ unit: "grapheme" })),
        (tensors, metadata) => {
          const file = parseSafetensors(serializeSafetensors(tensors, metadata));
          expect(file.metadata).toEqual(new Map(Object.entries(metadata)));
          expect(new Set(file.tensors.keys())).toEqual(new Set(tensors.keys()));
          for (const [name, tensor] of tensors) expect(file.tensors.get(name)).toEqual({ name, ...tensor });
        },
      ),
      { numRuns: 300 },
    );
  });

  test("the bytes do not depend on the order of tensors or metadata, and survive reading and writing", () => {
    fc.assert(
      fc.property(
        anyTensors,
        fc.dictionary(anyName, fc.string({ unit: "grapheme" })),
        (tensors, metadata) => {
          const bytes = serializeSafetensors(tensors, metadata);
          const reversed = new Map([...tensors].reverse());
          expect(serializeSafetensors(reversed, new Map(Object.entries(metadata).reverse()))).toEqual(bytes);
          const file = parseSafetensors(bytes);
          expect(serializeSafetensors(file.tensors, file.metadata)).toEqual(bytes);
        },
      ),
      { numRuns: 200 },
    );
  });

  test("an unaligned file, a Buffer and an ArrayBuffer read alike, as views without a copy", () => {
    const data = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
    const bytes = serializeSafetensors(new Map([["x", { dtype: "F32", shape: [2], data }]]));
    const shifted = new Uint8Array(bytes.length + 3).subarray(3);
    shifted.set(bytes);
    for (const file of [bytes, bytes.slice().buffer, shifted, Buffer.from(bytes)]) {
      const entry = parseSafetensors(file).tensors.get("x");
      expect(entry).toEqual({ name: "x", dtype: "F32", shape: [2], data });
      expect(entry?.data.buffer).toBe(file instanceof Uint8Array ? file.buffer : file);
      expect(entry?.data.constructor).toBe(Uint8Array);
    }
  });
});

describe("the reference writer's layout", () => {
  // Values of its own tests: same JSON, same padding.
  const data = new Uint8Array(new Float32Array([0, 1, 2, 3, 4, 5]).buffer);

  test("a header that is a multiple of 8 bytes has no padding", () => {
    const file = serializeSafetensors(new Map([["attn.0", { dtype: "F32", shape: [1, 2, 3], data }]]));
    expect(headerOf(file)).toBe('{"attn.0":{"dtype":"F32","shape":[1,2,3],"data_offsets":[0,24]}}');
    expect(file.subarray(72)).toEqual(data);
  });

  test("another is padded with spaces", () => {
    const file = serializeSafetensors(new Map([["attn0", { dtype: "F32", shape: [1, 1, 2, 3], data }]]));
    expect(headerOf(file)).toBe('{"attn0":{"dtype":"F32","shape":[1,1,2,3],"data_offsets":[0,24]}}       ');
    expect(file.subarray(80)).toEqual(data);
  });

  test("no tensors; metadata comes first", () => {
    expect([...serializeSafetensors(new Map())]).toEqual([
      8, 0, 0, 0, 0, 0, 0, 0, 123, 125, 32, 32, 32, 32, 32, 32,
    ]);
    const file = serializeSafetensors(new Map(), { framework: "pt" });
    expect(headerOf(file)).toBe('{"__metadata__":{"framework":"pt"}}     ');
  });

  test("the largest alignment first, then names by code point", () => {
    const tensors = new Map<string, SafetensorsTensor>();
    // U+1F600 sorts after U+FFEE, though its first UTF-16 unit is the smaller one.
    for (const name of ["\u{1f600}", "b", "\uffee", "ab", "a"]) {
      tensors.set(`u8 ${name}`, { dtype: "U8", shape: [], data: Uint8Array.of(1) });
    }
    for (const dtype of [...dtypes].reverse()) {
      tensors.set(dtype, { dtype, shape: [1], data: new Uint8Array(safetensorsDtypes[dtype]) });
    }
    const names = [...parseSafetensors(serializeSafetensors(tensors)).tensors.keys()];
    const before = ["U64", "I64", "F64", "F32", "U32", "I32", "BF16", "F16", "U16", "I16", "I8", "U8"];
    const bytes = ["u8 a", "u8 ab", "u8 b", "u8 \uffee", "u8 \u{1f600}"];
    expect(names).toEqual([...before, ...bytes, "BOOL"]);
  });
});

describe("what the writer refuses", () => {
  const scalar: SafetensorsTensor = { dtype: "U8", shape: [], data: new Uint8Array(1) };
  const write = (name: string, tensor: SafetensorsTensor) => () =>
    serializeSafetensors(new Map([[name, tensor]]));

  test("tensors that do not agree with themselves", () => {
    expect(write("w", { ...scalar, shape: [2] })).toThrow(ShapeError);
    expect(write("w", { ...scalar, shape: [2] })).toThrow('"w" has 1 bytes, but U8 [2] takes 2');
    expect(write("w", { ...scalar, shape: [-1] })).toThrow(ShapeError);
    expect(write("w", { ...scalar, shape: [0.5] })).toThrow(ShapeError);
    expect(write("w", { ...scalar, shape: [2 ** 40, 2 ** 40] })).toThrow(ShapeError);
    expect(write("w", { ...scalar, shape: new Array(65).fill(1) })).toThrow(ShapeError);
    const unknown = JSON.parse('"F8"') as SafetensorsDtype;
    expect(write("w", { ...scalar, dtype: unknown })).toThrow(ArgumentError);
  });

  test("names and texts that a file cannot hold", () => {
    expect(write("__metadata__", scalar)).toThrow(ArgumentError);
    expect(write("half \ud800", scalar)).toThrow(ArgumentError);
    expect(() => serializeSafetensors(new Map(), { key: "\udc00" })).toThrow(ArgumentError);
  });
});
