import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { CheckedWasmDevice, InterpretedDevice, judge, readRepro } from "../../src/testing/index.ts";

const folder = new URL("./corpus/", import.meta.url);
const files = readdirSync(folder).filter((name) => name.endsWith(".json"));

const devices = [
  new CheckedWasmDevice(),
  new CheckedWasmDevice({ fusion: "none" }, "wasm-unfused"),
  new CheckedWasmDevice({ relaxedSimd: false }, "wasm-plain"),
  new InterpretedDevice(),
];

/** Graphs that compilers have been wrong about, here or elsewhere. */
describe("the corpus", () => {
  it.each(files)("%s is computed right", async (name) => {
    const { fuzzCase } = readRepro(readFileSync(new URL(name, folder), "utf8"));
    expect(await judge(fuzzCase, devices)).toBeUndefined();
  });

  it("holds the cases that it should", () => {
    expect(files.length).toBeGreaterThanOrEqual(6);
  });
});
