import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fusegrad, jsonLines, sampleText, tiny } from "../samples.ts";

let folder: string;
let text: string;
const compare = (...more: readonly string[]): string[] => ["compare", "--text", text, ...tiny, ...more];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "fusegrad-compare-"));
  text = join(folder, "text.txt");
  await writeFile(text, sampleText(200));
});

afterAll(() => rm(folder, { recursive: true }));

describe("compare", () => {
  it("trains four models, and gives a table, a page and their folders", async () => {
    const out = join(folder, "out");
    const { status, stdout, stderr } = await fusegrad(compare("--steps", "3", "--out", out));
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    for (const title of ["BERT", "XLNet", "Synthesizer", "T-TA"]) {
      expect(stdout).toMatch(
        new RegExp(`^${title} +\\d\\.\\d{3} +\\d\\.\\d{3} +[−+]\\d\\.\\d{3} +[\\d,]+ `, "m"),
      );
    }
    expect(stdout).toContain("XLNet: held-out loss of the permutation");
    expect((await readdir(out)).sort()).toEqual(["bert", "compare.html", "synthesizer", "tta", "xlnet"]);
    const page = await readFile(join(out, "compare.html"), "utf8");
    expect(page).not.toMatch(/https?:|src=|@import/);
    expect(page.match(/<polyline /g)).toHaveLength(4);
    // Two heads a layer: BERT's, XLNet's two masks and two streams, a Synthesizer's scores and probabilities, T-TA's.
    expect(page.match(/<canvas /g)).toHaveLength(2 + (2 + 4) + 4 + 2);
    // The folders are such as other commands read.
    const score = await fusegrad(["attention", join(out, "tta"), "the sea", "--device", "reference"]);
    expect(score.status).toBe(0);
  });

  it("trains each as train does with the same seed", async () => {
    const steps = ["--steps", "2", "--lr", "1e-3", "--dropout", "0.1", "--seed", "3", "--json"];
    const { stdout } = await fusegrad(compare("--models", "tta,bert", ...steps));
    const lines = jsonLines(stdout);
    expect(lines.map(({ model, step }) => [model, step])).toEqual([
      ["tta", 1],
      ["tta", 2],
      ["bert", 1],
      ["bert", 2],
      [undefined, undefined],
    ]);
    const results = lines[4].models as Record<string, unknown>[];
    for (const [i, model] of ["tta", "bert"].entries()) {
      const alone = await fusegrad(["train", "--model", model, "--text", text, ...tiny, ...steps]);
      const [first, second, final] = jsonLines(alone.stdout);
      const losses = lines.filter((line) => line.model === model).map(({ loss }) => loss);
      expect(losses).toEqual([first.loss, second.loss]);
      const { heldOutLoss, unigramLoss } = final;
      expect(results[i]).toMatchObject({ name: model, heldOutLoss, unigramLoss });
      expect(results[i].difference).toBe(Number(heldOutLoss) - Number(unigramLoss));
    }
  });

  it("stops when it is interrupted", async () => {
    const controller = new AbortController();
    const onOutput = (output: string): void => {
      if (output.includes('"step":2')) controller.abort();
    };
    const outcome = await fusegrad(compare("--steps", "50", "--json"), {
      signal: controller.signal,
      onOutput,
    });
    expect(outcome.status).toBe(130);
    expect(jsonLines(outcome.stdout)).toHaveLength(2);
  });

  it.each([
    ["a model that there is not", ["--models", "bert,gpt"], "each at most once"],
    ["a model twice", ["--models", "bert,bert"], "each at most once"],
    ["heads that do not divide the width", ["--heads", "3"], "divide"],
    ["a folder that is a file", ["--out", "text.txt"], "it is a file"],
  ])("refuses %s", async (_, options, part) => {
    const args = options.map((option) => (option === "text.txt" ? text : option));
    const { status, stdout, stderr } = await fusegrad(compare("--steps", "1", ...args));
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toMatch(/^error: [^\n]+\n$/);
    expect(stderr).toContain(part);
  });
});
