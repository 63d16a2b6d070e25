import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { plants } from "../../../src/cli/fuzz/plants/index.ts";
import { fusegrad, jsonLines } from "../samples.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "fusegrad-fuzz-"));
});
afterAll(() => rm(folder, { recursive: true }));

const corpus = new URL("../../testing/corpus/", import.meta.url);

describe("fuzz", () => {
  it("ends with a line of JSON that says what was covered", async () => {
    const kernels = join(folder, "kernels");
    const { status, stdout } = await fusegrad(["fuzz", "--runs", "8", "--json", "--corpus", kernels]);
    expect(status).toBe(0);
    expect(jsonLines(stdout).at(-1)).toMatchObject({
      final: true,
      graphs: 8,
      disagreements: 0,
      coverage: { ops: expect.any(Number), opsTotal: expect.any(Number) },
    });
    const files = await readdir(kernels);
    expect(files.length).toBeGreaterThan(0);
    expect(files.every((name) => /^wasm[a-z-]*-[0-9a-f]{16}\.wat$/.test(name))).toBe(true);
  });

  it("stops at its time", async () => {
    const { status, stdout } = await fusegrad([
      "fuzz",
      "--time",
      "1s",
      "--device",
      "reference",
      "--ops",
      "add,exp",
    ]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/\d+ graphs, .* 0 disagreements\n$/);
  });

  it.each([
    [["--device", "abacus"], /no device is named abacus/],
    [["--ops", "frobnicate"], /no op is named frobnicate/],
    [["--time", "soon"], /It must be a time like/],
    [["--plant", "nothing"], /no fault is named nothing/],
  ])("refuses %j with one line", async (args, message) => {
    const { status, stdout, stderr } = await fusegrad(["fuzz", ...args]);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toMatch(message);
    expect(stderr).toMatch(/^[^\n]+\n$/);
  });

  it("lists the faults that it can plant", async () => {
    const { status, stdout } = await fusegrad(["fuzz", "--plant", "list"]);
    expect(status).toBe(0);
    expect(stdout.trimEnd().split("\n")).toHaveLength(Object.keys(plants).length);
  });
});

describe("planted faults", () => {
  it("are at least sixty, and each changes one place of the source", async () => {
    expect(Object.keys(plants).length).toBeGreaterThanOrEqual(60);
    for (const [name, { file, text, becomes }] of Object.entries(plants)) {
      const source = await readFile(new URL(`../../../src/${file}`, import.meta.url), "utf8");
      expect(source.split(text), `${name} in ${file}`).toHaveLength(2);
      expect(becomes).not.toBe(text);
    }
  });
});

describe("replay", () => {
  it("prints graph and kernels, and says that all is well", async () => {
    const file = new URL("nan-test.json", corpus).pathname;
    const { status, stdout } = await fusegrad(["replay", file]);
    expect(status).toBe(0);
    expect(stdout).toContain("ne(%0, %0)");
    expect(stdout).toMatch(/-- map0_\w+ on wasm --\n\(func/);
    expect(stdout).toMatch(/wasm: no disagreement\n$/);
  });

  it("ends with status 1 where the devices still disagree", async () => {
    const file = join(folder, "wrong.json");
    // exp(100) is infinite in f32 and a number in f64: the tolerance of a sum allows no such thing.
    const repro = {
      format: "fusegrad-repro",
      version: 1,
      versions: {},
      devices: ["wasm"],
      found: "an overflow",
      check: "op",
      leaves: [{ shape: [1], dtype: "f32", numbers: { kind: "list", values: [100] } }],
      steps: [
        { op: "exp", inputs: [0], attrs: {} },
        { op: "mul", inputs: [1, 1], attrs: {} },
        { op: "div", inputs: [2, 2], attrs: {} },
        { op: "cumsum", inputs: [3], attrs: {} },
      ],
      results: [4],
    };
    await writeFile(file, JSON.stringify(repro));
    const { status, stdout } = await fusegrad(["replay", file, "--json"]);
    expect(status).toBe(1);
    expect(jsonLines(stdout)[0]).toMatchObject({ disagreement: { oracle: "bound", device: "wasm" } });
  });

  it("writes a page that holds the case and no markup of it", async () => {
    const page = join(folder, "page.html");
    const file = new URL("large-stride-pads.json", corpus).pathname;
    const { status } = await fusegrad(["replay", file, "--page", page]);
    expect(status).toBe(0);
    const text = await readFile(page, "utf8");
    expect(text).toContain("@compute @workgroup_size");
    expect(text.match(/<\/script>/g)).toHaveLength(1);
  });

  it("refuses files that are none, with one line", async () => {
    const file = join(folder, "broken.json");
    await writeFile(file, '{"format":"fusegrad-repro"}');
    for (const path of [file, join(folder, "missing.json")]) {
      const { status, stderr } = await fusegrad(["replay", path]);
      expect(status).toBe(2);
      expect(stderr).toMatch(/^error: [^\n]+\n$/);
    }
  });
});
