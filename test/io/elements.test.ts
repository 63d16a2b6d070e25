import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DTypeError, FileFormatError, ShapeError } from "../../src/graph/errors.ts";
import {
  fromBool,
  fromFloat32,
  fromInt32,
  parseSafetensors,
  type SafetensorsDtype,
  type SafetensorsEntry,
  serializeSafetensors,
  toBool,
  toFloat32,
  toInt32,
} from "../../src/io/index.ts";

type Elements = Float32Array | Float64Array | Int8Array | Int16Array | Int32Array | Uint8Array | Uint16Array;
type WideElements = Uint32Array | BigInt64Array | BigUint64Array;

function entryOf(dtype: SafetensorsDtype, values: Elements | WideElements): SafetensorsEntry {
  return { name: "w", dtype, shape: [values.length], data: new Uint8Array(values.buffer) };
}

/** The same tensor, its bytes at an odd offset. */
function unaligned(entry: SafetensorsEntry): SafetensorsEntry {
  const data = new Uint8Array(entry.data.length + 1).subarray(1);
  data.set(entry.data);
  return { ...entry, data };
}

describe("toFloat32", () => {
  test("F32 is a view where it is aligned, a copy where it is not", () => {
    const values = Float32Array.of(1.5, -0, Number.NaN, Number.POSITIVE_INFINITY);
    const entry = entryOf("F32", values);
    expect(toFloat32(entry)).toEqual(values);
    expect(toFloat32(entry).buffer).toBe(values.buffer);
    expect(toFloat32(unaligned(entry))).toEqual(values);
  });

  test("F64 rounds to nearest", () => {
    fc.assert(
      fc.property(fc.array(fc.double()), (values) => {
        const entry = entryOf("F64", Float64Array.from(values));
        expect(toFloat32(entry)).toEqual(Float32Array.from(values, Math.fround));
        expect(toFloat32(unaligned(entry))).toEqual(toFloat32(entry));
      }),
    );
  });

  test("F16: known values", () => {
    const bits = [
      0x0000, 0x8000, 0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x03ff, 0x7c00, 0xfc00, 0x7e00, 0x3555,
    ];
    const values = [0, -0, 1, -2, 65504, 2 ** -14, 2 ** -24, 1023 * 2 ** -24];
    const special = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN, 0.333251953125];
    expect(toFloat32(entryOf("F16", Uint16Array.from(bits)))).toEqual(Float32Array.of(...values, ...special));
  });

  test("F16: all finite positive numbers are in ascending order, and negation flips the sign bit", () => {
    const positive = toFloat32(
      entryOf(
        "F16",
        Uint16Array.from({ length: 0x7c00 }, (_, i) => i),
      ),
    );
    const negative = toFloat32(
      entryOf(
        "F16",
        Uint16Array.from({ length: 0x7c00 }, (_, i) => i | 0x8000),
      ),
    );
    for (let i = 1; i < positive.length; i++) if (positive[i] <= positive[i - 1]) expect.fail(`at ${i}`);
    expect(negative).toEqual(positive.map((value) => -value));
  });

  test("BF16 is the upper half of a float32", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 0xffff })), (halves) => {
        const entry = entryOf("BF16", Uint16Array.from(halves));
        const bits = new Uint32Array(toFloat32(unaligned(entry)).buffer);
        expect([...bits]).toEqual(halves.map((half) => half * 65536));
      }),
    );
  });

  test("refuses other dtypes and bytes that do not fit", () => {
    expect(() => toFloat32(entryOf("I32", Int32Array.of(1)))).toThrow(DTypeError);
    expect(() => toFloat32({ dtype: "F32", shape: [2], data: new Uint8Array(7) })).toThrow(ShapeError);
  });
});

describe("toInt32", () => {
  const extremes = [-0x80000000, -1, 0, 0x7fffffff];

  test("every integer dtype, aligned and not", () => {
    const entries = [
      entryOf("I64", BigInt64Array.from(extremes, BigInt)),
      entryOf("I32", Int32Array.from(extremes)),
      entryOf("U64", BigUint64Array.of(0n, 0x7fffffffn)),
      entryOf("U32", Uint32Array.of(0, 0x7fffffff)),
      entryOf("I16", Int16Array.of(-32768, 32767)),
      entryOf("U16", Uint16Array.of(0, 65535)),
      entryOf("I8", Int8Array.of(-128, 127)),
      entryOf("U8", Uint8Array.of(0, 255)),
    ];
    const values = [
      extremes,
      extremes,
      [0, 0x7fffffff],
      [0, 0x7fffffff],
      [-32768, 32767],
      [0, 65535],
      [-128, 127],
    ];
    for (const [i, entry] of entries.entries()) {
      const expected = Int32Array.from(values[i] ?? [0, 255]);
      expect(toInt32(entry)).toEqual(expected);
      expect(toInt32(unaligned(entry))).toEqual(expected);
    }
  });

  test("a value beyond int32 is an error that names the tensor and the value", () => {
    const cases: [SafetensorsEntry, string][] = [
      [entryOf("I64", BigInt64Array.of(0n, 0x80000000n)), "2147483648 at element 1"],
      [entryOf("I64", BigInt64Array.of(-0x80000001n)), "-2147483649 at element 0"],
      [entryOf("U64", BigUint64Array.of(2n ** 64n - 1n)), "18446744073709551615"],
      [entryOf("U32", Uint32Array.of(0xffffffff)), "4294967295"],
    ];
    for (const [entry, message] of cases) {
      expect(() => toInt32(entry)).toThrow(FileFormatError);
      expect(() => toInt32(entry)).toThrow(`tensor "w" (${entry.dtype}) holds ${message}`);
    }
  });

  test("refuses other dtypes", () => {
    expect(() => toInt32(entryOf("F32", Float32Array.of(1)))).toThrow(DTypeError);
    expect(() => toInt32(entryOf("BOOL", Uint8Array.of(1)))).toThrow(DTypeError);
  });
});

describe("toBool", () => {
  test("bytes 0 and 1", () => {
    expect(toBool(entryOf("BOOL", Uint8Array.of(0, 1, 1)))).toEqual(Uint8Array.of(0, 1, 1));
    expect(() => toBool(entryOf("BOOL", Uint8Array.of(0, 7)))).toThrow(
      '"w" (BOOL) holds the byte 7 at element 1',
    );
    expect(() => toBool(entryOf("BOOL", Uint8Array.of(2)))).toThrow(FileFormatError);
    expect(() => toBool(entryOf("U8", Uint8Array.of(1)))).toThrow(DTypeError);
  });
});

test("values go into a file and come back", () => {
  const floats = Float32Array.of(0, 1.5, -2, 3, 4, 5).subarray(1, 5);
  const ints = Int32Array.of(-7, 8);
  const bools = Uint8Array.of(1, 0, 1);
  const tensors = new Map([
    ["floats", fromFloat32(floats, [2, 2])],
    ["ints", fromInt32(ints, [2, 1])],
    ["bools", fromBool(bools, [3])],
  ]);
  const read = parseSafetensors(serializeSafetensors(tensors)).tensors;
  expect(read.get("floats")?.shape).toEqual([2, 2]);
  expect(toFloat32(read.get("floats")!)).toEqual(floats);
  expect(toInt32(read.get("ints")!)).toEqual(ints);
  expect(toBool(read.get("bools")!)).toEqual(bools);
});
