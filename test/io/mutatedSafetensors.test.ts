import { expect, test } from "vitest";
import { FileFormatError } from "../../src/graph/errors.ts";
import { parseSafetensors, type SafetensorsTensor, serializeSafetensors } from "../../src/io/index.ts";

/** A small generator of known sequence (mulberry32), so that a failure comes back. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

function concatenate(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

const snippets = [
  '"',
  "{",
  "}",
  "[",
  "]",
  ",",
  ":",
  "0",
  "1",
  "-1",
  "9007199254740991",
  "1e9",
  "[[[[",
  '"a":',
  '"__proto__"',
  "\\",
  "\\u0000",
  " ",
  '"shape"',
  '"dtype"',
  '"data_offsets"',
  '"__metadata__"',
  '"F64"',
  '"BOOL"',
  "null",
  "\u00e9",
  "[0,0]",
].map((text) => new TextEncoder().encode(text));

type Random = (below: number) => number;
type Mutation = (file: Uint8Array, random: Random) => Uint8Array;

const mutations: Mutation[] = [
  function flipBit(file, random) {
    file[random(file.length)] ^= 1 << random(8);
    return file;
  },
  function setByte(file, random) {
    file[random(file.length)] = random(256);
    return file;
  },
  function changeData(file, random) {
    const start = Math.min(8 + headerBytes(file), file.length - 1);
    file[start + random(file.length - start)] = random(256);
    return file;
  },
  function truncate(file, random) {
    return file.slice(0, random(file.length));
  },
  function extend(file, random) {
    return concatenate(file, new Uint8Array(1 + random(16)));
  },
  function changeHeaderLength(file, random) {
    file[random(8)] = random(256);
    return file;
  },
  function insertSnippet(file, random) {
    const at = 8 + random(headerBytes(file) + 1);
    return keepLength(
      concatenate(file.slice(0, at), snippets[random(snippets.length)], file.slice(at)),
      file,
      random,
    );
  },
  function removePiece(file, random) {
    const at = 8 + random(headerBytes(file) + 1);
    return keepLength(concatenate(file.slice(0, at), file.slice(at + 1 + random(8))), file, random);
  },
  function doublePiece(file, random) {
    const at = 8 + random(headerBytes(file) + 1);
    const end = at + random(80);
    return keepLength(concatenate(file.slice(0, end), file.slice(at)), file, random);
  },
  function changeDigit(file, random) {
    const digits = [...file.keys()].filter(
      (i) => i >= 8 && i < 8 + headerBytes(file) && (file[i] & 0xf0) === 0x30,
    );
    if (digits.length > 0) file[digits[random(digits.length)]] = 0x30 + random(10);
    return file;
  },
];

function headerBytes(file: Uint8Array): number {
  const claimed = file.length < 8 ? 0 : new DataView(file.buffer, file.byteOffset).getUint32(0, true);
  return Math.max(0, Math.min(claimed, file.length - 8));
}

/**
 * Mostly lets the header length follow what an edit added or removed, so that the edit itself is what is
 * read.
 */
function keepLength(edited: Uint8Array, original: Uint8Array, random: Random): Uint8Array {
  if (random(8) > 0 && edited.length >= 8) {
    const length = Math.max(0, headerBytes(original) + edited.length - original.length);
    new DataView(edited.buffer).setUint32(0, length, true);
  }
  return edited;
}

function seedFiles(): Uint8Array[] {
  const tensor = (dtype: SafetensorsTensor["dtype"], shape: number[], bytes: number): SafetensorsTensor => ({
    dtype,
    shape,
    data: Uint8Array.from({ length: bytes }, (_, i) => i),
  });
  const many = new Map([
    ["weight", tensor("F32", [2, 3], 24)],
    ["ids", tensor("I64", [2], 16)],
    ["mask", tensor("BOOL", [1, 3], 3)],
    ["half", tensor("BF16", [2], 4)],
    ["empty", tensor("F16", [0, 4], 0)],
    ["scalar", tensor("F64", [], 8)],
  ]);
  return [
    serializeSafetensors(many, { format: "pt" }),
    serializeSafetensors(new Map([["a", tensor("U8", [1], 1)]])),
    serializeSafetensors(
      new Map([
        ["a", tensor("I16", [1, 1, 2], 4)],
        ["b", tensor("U8", [4], 4)],
      ]),
    ),
    serializeSafetensors(new Map(), { k: "v" }),
  ];
}

/** What must hold of a file that was accepted, found out with other means than the reader's. */
function checkAccepted(file: Uint8Array): void {
  const { tensors, metadata } = parseSafetensors(file);
  const start = 8 + headerBytes(file);
  const header = JSON.parse(new TextDecoder().decode(file.subarray(8, start))) as Record<string, never>;
  const covered = new Uint8Array(file.length - start);
  const listed = Object.entries(header).filter(([name]) => name !== "__metadata__");
  if (listed.length !== tensors.size) expect.fail("the header lists other tensors");
  for (const [name, { dtype, shape, data_offsets: offsets }] of listed as [string, Record<string, never>][]) {
    const entry = tensors.get(name);
    if (entry === undefined) throw new Error(`${name} is not there`);
    const { data } = entry;
    if (entry.dtype !== dtype || String(entry.shape) !== String(shape)) expect.fail(`${name} differs`);
    if (data.buffer !== file.buffer) expect.fail(`${name} was copied`);
    if (data.byteOffset !== file.byteOffset + start + offsets[0]) expect.fail(`${name} starts elsewhere`);
    if (data.byteLength !== offsets[1] - offsets[0]) expect.fail(`${name} ends elsewhere`);
    for (let i = offsets[0]; i < offsets[1]; i++) covered[i]++;
  }
  if (covered.some((count) => count !== 1)) expect.fail("bytes that belong to no tensor, or to two");
  // What was accepted can be written, and reads the same.
  const again = parseSafetensors(serializeSafetensors(tensors, metadata));
  if (again.tensors.size !== tensors.size || again.metadata.size !== metadata.size)
    expect.fail("lost in writing");
}

test("40,000 mutated files: each read consistently or refused, without large buffers", () => {
  const seeds = seedFiles();
  const random = generator(20240607);
  const counts = { accepted: 0, refused: 0 };
  const buffersBefore = process.memoryUsage().arrayBuffers;
  for (let round = 0; round < 40_000; round++) {
    let file: Uint8Array = seeds[random(seeds.length)].slice();
    for (let edits = 1 + (random(4) >> 1); edits > 0 && file.length > 0; edits--) {
      file = mutations[random(mutations.length)](file, random);
    }
    try {
      checkAccepted(file);
      counts.accepted++;
    } catch (error) {
      if (!(error instanceof FileFormatError)) {
        throw new Error(`round ${round}: ${JSON.stringify(new TextDecoder().decode(file))}`, {
          cause: error,
        });
      }
      counts.refused++;
    }
  }
  // Both happen often: neither a reader that takes all nor one that takes nothing would pass.
  expect(counts.accepted).toBeGreaterThan(1000);
  expect(counts.refused).toBeGreaterThan(10_000);
  expect(process.memoryUsage().arrayBuffers - buffersBefore).toBeLessThan(256 * 2 ** 20);
});
