import { expect, test } from "vitest";
import { assembleModule, encodeInstruction } from "../../../src/codegen/wasm/assembler.ts";
import { ByteWriter } from "../../../src/codegen/wasm/byteWriter.ts";
import { detectFeatures } from "../../../src/codegen/wasm/features.ts";
import type { Instruction, InstructionName } from "../../../src/codegen/wasm/instructions.ts";
import { InternalError } from "../../../src/graph/errors.ts";

function written(write: (bytes: ByteWriter) => void): number[] {
  const bytes = new ByteWriter();
  write(bytes);
  return [...bytes.finish()];
}

const unsigned = (value: number): number[] => written((bytes) => bytes.unsigned(value));
const signed = (value: number): number[] => written((bytes) => bytes.signed(value));

test("bytes in order, however many", () => {
  const many = Array.from({ length: 1000 }, (_, at) => at % 256);
  const bytes = written((writer) => {
    for (const byte of many) writer.byte(byte);
    writer.append(many);
    writer.word(0x01020304);
  });
  expect(bytes).toEqual([...many, ...many, 4, 3, 2, 1]);
});

test("LEB128", () => {
  expect(unsigned(0)).toEqual([0]);
  expect(unsigned(127)).toEqual([0x7f]);
  expect(unsigned(128)).toEqual([0x80, 0x01]);
  expect(unsigned(624485)).toEqual([0xe5, 0x8e, 0x26]);
  expect(unsigned(2 ** 32 - 1)).toEqual([0xff, 0xff, 0xff, 0xff, 0x0f]);
  expect(signed(63)).toEqual([0x3f]);
  expect(signed(64)).toEqual([0xc0, 0x00]);
  expect(signed(-64)).toEqual([0x40]);
  expect(signed(-123456)).toEqual([0xc0, 0xbb, 0x78]);
  expect(signed(-(2 ** 31))).toEqual([0x80, 0x80, 0x80, 0x80, 0x78]);
  expect(signed(2 ** 32 - 1)).toEqual(signed(-1));
  expect(() => unsigned(-1)).toThrow(InternalError);
  expect(() => signed(0.5)).toThrow(InternalError);
});

function bytesOf(name: InstructionName, ...immediates: number[]): number[] {
  return written((bytes) => encodeInstruction({ name, immediates }, bytes));
}

test("instructions", () => {
  expect(bytesOf("i32.add")).toEqual([0x6a]);
  expect(bytesOf("f32.const", 1)).toEqual([0x43, 0, 0, 0x80, 0x3f]);
  expect(bytesOf("f32.load", 300)).toEqual([0x2a, 2, 0xac, 0x02]);
  expect(bytesOf("f32x4.add")).toEqual([0xfd, 0xe4, 0x01]);
  expect(bytesOf("f32x4.relaxed_madd")).toEqual([0xfd, 0x85, 0x02]);
  expect(bytesOf("v128.store32_lane", 4, 3)).toEqual([0xfd, 0x5a, 2, 4, 3]);
  expect(bytesOf("v128.const", -1, 0, 1, 2).slice(2)).toEqual([
    255, 255, 255, 255, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0,
  ]);
});

test("modules share equal signatures and import their memory", () => {
  const code: Instruction[] = [];
  const two = {
    parameters: ["i32", "i32"] as const,
    locals: ["i32", "i32", "f32", "f32", "v128"] as const,
    code,
  };
  const none = { parameters: [], locals: [], code };
  const functions = [
    { ...two, name: "a" },
    { ...none, name: "b" },
    { ...two, name: "c" },
  ];
  const module = new WebAssembly.Module(assembleModule(functions, { shared: false }));
  expect(WebAssembly.Module.exports(module).map(({ name }) => name)).toEqual(["a", "b", "c"]);
  expect(WebAssembly.Module.imports(module)).toMatchObject([
    { module: "env", name: "memory", kind: "memory" },
  ]);
  const memory = new WebAssembly.Memory({ initial: 1 });
  const instance = new WebAssembly.Instance(module, { env: { memory } });
  expect((instance.exports.a as (x: number, y: number) => void).length).toBe(2);
});

test("a shared memory of any maximum fits a module for shared memories", () => {
  const module = new WebAssembly.Module(assembleModule([], { shared: true }));
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 20, shared: true });
  expect(() => new WebAssembly.Instance(module, { env: { memory } })).not.toThrow();
});

test("features are what the engine validates", () => {
  const features = detectFeatures();
  expect(features.simd).toBe(true);
  expect(features.threads).toBe(true);
  expect(typeof features.relaxedSimd).toBe("boolean");
});
