import { describe, expect, test } from "vitest";
import { FileFormatError } from "../../src/graph/errors.ts";
import { parseSafetensors } from "../../src/io/index.ts";

/** A file with this header text, or these bytes, and so many bytes of data. */
function fileWith(header: string | Uint8Array, dataBytes = 0, claimedLength?: bigint): Uint8Array {
  const bytes = typeof header === "string" ? new TextEncoder().encode(header) : header;
  const file = new Uint8Array(8 + bytes.length + dataBytes);
  new DataView(file.buffer).setBigUint64(0, claimedLength ?? BigInt(bytes.length), true);
  file.set(bytes, 8);
  return file;
}

function info(dtype: string, shape: string, offsets: string): string {
  return `{"dtype":"${dtype}","shape":${shape},"data_offsets":${offsets}}`;
}

/** [what is wrong, the file, what the message says] */
const crafted: [string, Uint8Array, string][] = [
  ["an empty file", new Uint8Array(0), "it has 0 bytes"],
  ["half a header length", new Uint8Array(7), "it has 7 bytes"],
  ["a header of no bytes", fileWith(""), 'does not start with "{"'],
  ["a header length of 2^64 - 1", fileWith("{}", 0, 2n ** 64n - 1n), "18446744073709551615, above the limit"],
  ["a header length of 2^53", fileWith("{}", 0, 2n ** 53n), "above the limit"],
  ["a header length just above the limit", fileWith("{}", 0, 100_000_001n), "above the limit"],
  ["a header length of 100 MB in a small file", fileWith("{}", 0, 100_000_000n), "but 2 bytes follow"],
  ["a header one byte beyond the file", fileWith("{}", 0, 3n), "but 2 bytes follow"],
  ["invalid UTF-8", fileWith(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x7d)), "not valid UTF-8"],
  [
    "an overlong encoding of NUL",
    fileWith(Uint8Array.of(0x7b, 0x22, 0xc0, 0x80, 0x22, 0x7d)),
    "not valid UTF-8",
  ],
  ["a byte order mark", fileWith("\ufeff{}"), 'does not start with "{"'],
  ["white space before the object", fileWith(" {}"), 'does not start with "{"'],
  ["an array", fileWith("[]"), 'does not start with "{"'],
  ["an object that does not end", fileWith("{"), "found the end"],
  ["something after the object", fileWith("{} {}"), "expected the end"],
  ["a NUL after the object", fileWith("{}\0"), "expected the end"],
  ["a trailing comma", fileWith(`{"a":${info("U8", "[0]", "[0,0]")},}`), "expected a key"],
  ["a comment", fileWith("{/**/}"), "expected a key"],
  [
    "a duplicate tensor",
    fileWith(`{"a":${info("U8", "[1]", "[0,1]")},"a":${info("U8", "[1]", "[1,2]")}}`, 2),
    'the key "a" twice',
  ],
  [
    "a duplicate tensor behind an escape",
    fileWith(`{"a":${info("U8", "[1]", "[0,1]")},"\\u0061":${info("U8", "[1]", "[1,2]")}}`, 2),
    'the key "a" twice',
  ],
  [
    "a duplicate field",
    fileWith('{"a":{"dtype":"U8","dtype":"F64","shape":[0],"data_offsets":[0,0]}}'),
    'the key "dtype" twice',
  ],
  ["duplicate metadata", fileWith('{"__metadata__":{},"__metadata__":{}}'), 'the key "__metadata__" twice'],
  ["a duplicate metadata key", fileWith('{"__metadata__":{"k":"1","k":"2"}}'), 'the key "k" twice'],
  ["metadata that is no object", fileWith('{"__metadata__":"x"}'), "expected __metadata__ to start"],
  ["a metadata value that is no string", fileWith('{"__metadata__":{"k":1}}'), '"k" as a string'],
  ["nested metadata", fileWith('{"__metadata__":{"k":{"k":"v"}}}'), '"k" as a string'],
  ["a tensor that is no object", fileWith('{"a":[]}'), 'expected tensor "a" to start with "{"'],
  ["a tensor that is null", fileWith('{"a":null}'), 'expected tensor "a" to start with "{"'],
  ["a tensor without dtype", fileWith('{"a":{"shape":[0],"data_offsets":[0,0]}}'), "a field is missing"],
  ["a tensor without shape", fileWith('{"a":{"dtype":"U8","data_offsets":[0,0]}}'), "a field is missing"],
  ["a tensor without offsets", fileWith('{"a":{"dtype":"U8","shape":[0]}}'), "a field is missing"],
  [
    "an unknown field",
    fileWith('{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"x":[]}}'),
    'unknown field "x"',
  ],
  ["an unknown dtype", fileWith(`{"a":${info("F8_E4M3", "[0]", "[0,0]")}}`), 'dtype "F8_E4M3" is not one of'],
  ["a dtype in small letters", fileWith(`{"a":${info("f32", "[0]", "[0,0]")}}`), 'dtype "f32"'],
  [
    "a dtype from Object.prototype",
    fileWith(`{"a":${info("__proto__", "[0]", "[0,0]")}}`),
    'dtype "__proto__"',
  ],
  ["a dtype that is a method", fileWith(`{"a":${info("toString", "[0]", "[0,0]")}}`), 'dtype "toString"'],
  ["a dtype that is a number", fileWith('{"a":{"dtype":3}}'), "dtype as a string"],
  ["a negative size", fileWith(`{"a":${info("U8", "[-1]", "[0,0]")}}`), "shape is -1"],
  [
    "two negative sizes with a fitting product",
    fileWith(`{"a":${info("U8", "[-1,-1]", "[0,1]")}}`, 1),
    "shape is -1",
  ],
  ["minus zero", fileWith(`{"a":${info("U8", "[-0]", "[0,0]")}}`), "shape is -0"],
  ["a fraction", fileWith(`{"a":${info("U8", "[1.0]", "[0,1]")}}`, 1), "shape is 1.0"],
  ["an exponent", fileWith(`{"a":${info("U8", "[1e0]", "[0,1]")}}`, 1), "shape is 1e0"],
  [
    "a size beyond 2^53",
    fileWith(`{"a":${info("U8", "[9007199254740992]", "[0,0]")}}`),
    "shape is 9007199254740992",
  ],
  [
    "a size of 5,000 digits",
    fileWith(`{"a":${info("U8", `[${"9".repeat(5000)}]`, "[0,0]")}}`),
    "more than 1000",
  ],
  ["a size that is a string", fileWith(`{"a":${info("U8", '["1"]', "[0,1]")}}`, 1), "shape as a number"],
  ["a shape that is a number", fileWith(`{"a":${info("U8", "1", "[0,1]")}}`, 1), 'shape to start with "["'],
  ["a nested shape", fileWith(`{"a":${info("U8", "[[1]]", "[0,1]")}}`, 1), "shape as a number"],
  [
    "a product that overflows to 0 in 64 bits",
    fileWith(`{"a":${info("U8", "[4294967296,4294967296]", "[0,0]")}}`),
    "larger than any file",
  ],
  [
    "an overflow by the element size alone",
    fileWith(`{"a":${info("F64", "[2251799813685248]", "[0,0]")}}`),
    "larger than any file",
  ],
  [
    "an overflow hidden behind a size of 0",
    fileWith(`{"a":${info("U8", "[9007199254740991,9007199254740991,0]", "[0,0]")}}`),
    "larger than any file",
  ],
  [
    "a shape of 65 dims",
    fileWith(`{"a":${info("U8", `[${"1,".repeat(64)}1]`, "[0,1]")}}`, 1),
    "more than 64 numbers",
  ],
  [
    "a shape of a million zeros",
    fileWith(`{"a":${info("U8", `[${"0,".repeat(1e6)}0]`, "[0,0]")}}`),
    "more than 64 numbers",
  ],
  ["one offset", fileWith(`{"a":${info("U8", "[0]", "[0]")}}`), "data_offsets has 1 numbers, expected 2"],
  ["three offsets", fileWith(`{"a":${info("U8", "[0]", "[0,0,0]")}}`), "more than 2 numbers"],
  ["a negative offset", fileWith(`{"a":${info("U8", "[1]", "[-1,0]")}}`), "data_offsets is -1"],
  ["offsets in reverse", fileWith(`{"a":${info("U8", "[1]", "[1,0]")}}`, 1), "end before they begin"],
  [
    "offsets that are too few for the shape",
    fileWith(`{"a":${info("F32", "[2]", "[0,4]")}}`, 4),
    "span 4 bytes",
  ],
  ["offsets for a scalar of no bytes", fileWith(`{"a":${info("F32", "[]", "[0,0]")}}`), "F32 [] takes 4"],
  ["offsets beyond the file", fileWith(`{"a":${info("U8", "[4]", "[0,4]")}}`, 3), "beyond the 3 bytes"],
  [
    "a tensor of 8 PB",
    fileWith(`{"a":${info("U8", "[8000000000000000]", "[0,8000000000000000]")}}`, 3),
    "beyond the 3 bytes",
  ],
  [
    "an overlap",
    fileWith(`{"a":${info("U8", "[2]", "[0,2]")},"b":${info("U8", "[2]", "[1,3]")}}`, 3),
    'tensor "b" at [1, 3] overlaps',
  ],
  [
    "two tensors on the same bytes",
    fileWith(`{"a":${info("U8", "[2]", "[0,2]")},"b":${info("U8", "[2]", "[0,2]")}}`, 2),
    "overlaps",
  ],
  [
    "an empty tensor within another",
    fileWith(`{"a":${info("U8", "[2]", "[0,2]")},"b":${info("U8", "[0]", "[1,1]")}}`, 2),
    "overlaps",
  ],
  [
    "a hole",
    fileWith(`{"a":${info("U8", "[1]", "[0,1]")},"b":${info("U8", "[1]", "[2,3]")}}`, 3),
    "leaves a hole: bytes 1 to 2",
  ],
  ["a hole at the start", fileWith(`{"a":${info("U8", "[1]", "[1,2]")}}`, 2), "leaves a hole: bytes 0 to 1"],
  ["an empty tensor far outside", fileWith(`{"a":${info("U8", "[0]", "[9,9]")}}`), "leaves a hole"],
  ["trailing bytes", fileWith(`{"a":${info("U8", "[1]", "[0,1]")}}`, 2), "1 bytes follow the last tensor"],
  ["trailing bytes without a tensor", fileWith("{}", 5), "5 bytes follow"],
  [
    "500,001 tensors",
    fileWith(
      `{${Array.from({ length: 500_001 }, (_, i) => `"${i}":${info("U8", "[0]", "[0,0]")}`).join(",")}}`,
    ),
    "more than 500000 tensors",
  ],
  [
    "100,001 metadata texts",
    fileWith(`{"__metadata__":{${Array.from({ length: 100_001 }, (_, i) => `"${i}":""`).join(",")}}}`),
    "more than 100000 texts",
  ],
  ["half of a surrogate pair as name", fileWith(`{"\\ud800":${info("U8", "[0]", "[0,0]")}}`), "surrogate"],
  ["arrays nested a million deep", fileWith(`{"a":${"[".repeat(1e6)}`), 'expected tensor "a" to start'],
  ["objects nested a million deep", fileWith('{"a":'.repeat(1e6)), "unknown field"],
  ["a shape nested a million deep", fileWith(`{"a":{"shape":${"[".repeat(1e6)}`), "shape as a number"],
];

function refusal(file: Uint8Array): Error | undefined {
  try {
    parseSafetensors(file);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : undefined;
  }
}

describe("crafted files", () => {
  test.each(crafted)("%s", (_, file, message) => {
    const error = refusal(file);
    expect(error).toBeInstanceOf(FileFormatError);
    expect(error?.message).toContain(message);
  });

  test("a message stays short and printable, whatever the name", () => {
    const name = `\\u001b[2J${"x".repeat(100_000)}`;
    const message = refusal(fileWith(`{"${name}":${info("U8", "[1]", "[0,0]")}}`))?.message ?? "";
    expect(message).toContain("span 0 bytes");
    expect(message.length).toBeLessThan(400);
    expect(message).not.toContain("\u001b");
  });
});

describe("unusual files that are right", () => {
  test("tensors named like members of Object.prototype", () => {
    const names = ["__proto__", "constructor", "hasOwnProperty", "toString", ""];
    const members = names.map((name, i) => `"${name}":${info("U8", "[1]", `[${i},${i + 1}]`)}`);
    const metadata = '"__metadata__":{"__proto__":"text"}';
    const file = parseSafetensors(fileWith(`{${[metadata, ...members].join(",")}}`, names.length));
    expect([...file.tensors.keys()]).toEqual(names);
    expect([...file.metadata]).toEqual([["__proto__", "text"]]);
    expect(file.tensors.get("valueOf")).toBe(undefined);
    expect(Object.getPrototypeOf(file.tensors)).toBe(Map.prototype);
  });

  test("tensors in another order than their bytes, empty ones between, white space, no padding", () => {
    const members = [
      `"b" : ${info("U8", "[2]", "[1,3]")}`,
      `"none":${info("F32", "[0,7]", "[1,1]")}`,
      `"a":${info("U8", "[]", "[0,1]")}`,
    ];
    const file = parseSafetensors(fileWith(`{\t${members.join(" ,\r\n")} }\t`, 3));
    expect([...file.tensors.keys()]).toEqual(["b", "none", "a"]);
    expect(file.tensors.get("none")?.data.length).toBe(0);
  });

  test("200,000 tensors are read in linear time", () => {
    /** Milliseconds of this process alone, whatever else the machine is doing. */
    const timeOf = (count: number): number => {
      const members = Array.from(
        { length: count },
        (_, i) => `"t${i}":${info("U8", "[1]", `[${i},${i + 1}]`)}`,
      );
      const file = fileWith(`{${members.join(",")}}`, count);
      const start = process.cpuUsage();
      expect(parseSafetensors(file).tensors.size).toBe(count);
      const { user, system } = process.cpuUsage(start);
      return (user + system) / 1000;
    };
    timeOf(20_000);
    // Linear is 4 times; quadratic would be 16.
    expect(timeOf(200_000)).toBeLessThan(10 * Math.max(50, timeOf(50_000)));
  });
});
