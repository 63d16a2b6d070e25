import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fusegrad, jsonLines, sampleText, tiny } from "./samples.ts";

let folder: string;
let model: string;
const onReference = ["--device", "reference"];

/** Trains a tiny model of a family; gives its folder. */
async function trained(name: string): Promise<string> {
  const out = join(folder, name);
  const args = ["train", "--model", name, "--text", join(folder, "text.txt"), ...tiny, "--steps", "2"];
  expect(await fusegrad([...args, "--out", out])).toMatchObject({ status: 0, stderr: "" });
  return out;
}

/** Pictures of a text, by title. */
async function picturesOf(folder: string, ...more: readonly string[]): Promise<Map<unknown, Picture>> {
  const args = ["attention", folder, "the whale sees", "--json", ...onReference, ...more];
  const { status, stdout } = await fusegrad(args);
  expect(status).toBe(0);
  const pictures = jsonLines(stdout) as unknown as Picture[]; // As the command prints them.
  return new Map(pictures.map((picture) => [picture.title, picture]));
}

interface Picture {
  readonly title: string;
  readonly values: readonly (readonly number[])[];
  readonly rowLabels: readonly string[];
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "fusegrad-attention-"));
  await writeFile(join(folder, "text.txt"), sampleText(200));
  model = await trained("tta");
});

afterAll(() => rm(folder, { recursive: true }));

describe("attention", () => {
  it("draws what each token attends to: in T-TA, never to itself", async () => {
    const { status, stdout } = await fusegrad([
      "attention",
      model,
      "the whale sees",
      "--json",
      ...onReference,
    ]);
    expect(status).toBe(0);
    const [{ values, rowLabels }] = jsonLines(stdout);
    expect(rowLabels).toEqual(["[CLS]", "the", "whale", "sees", "[SEP]"]);
    for (const [i, row] of (values as number[][]).entries()) {
      expect(row[i]).toBe(0);
      expect(row.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 5);
    }
    const shown = await fusegrad(["attention", model, "the whale sees", "--head", "1", ...onReference]);
    expect(shown.stdout).toMatch(/^layer 0, head 1 \(0 to 0\.\d+\)\n/);
    expect(shown.stdout).toMatch(/^whale .{10}$/m);
  });

  it("draws the order of XLNet, which both streams keep, and which a seed draws anew", async () => {
    const xlnet = await trained("xlnet");
    const pictures = await picturesOf(xlnet);
    const mean = "mean of 2 heads";
    expect([...pictures.keys()]).toEqual([
      "what the content stream may see",
      "what the query stream may see",
      `Layer 0, content stream, ${mean}`,
      `Layer 0, query stream, ${mean}`,
    ]);
    const [contentMask, queryMask, content, query] = [...pictures.values()].map(({ values }) => values);
    for (const [i, row] of queryMask.entries()) {
      // A token sees itself in the content stream, and not in the query stream unless it is special.
      expect(contentMask[i]).toEqual(row.map((allowed, j) => (i === j ? 1 : allowed)));
      for (const [j, allowed] of row.entries()) {
        if (allowed === 0) expect(query[i][j]).toBe(0);
        if (contentMask[i][j] === 0) expect(content[i][j]).toBe(0);
      }
    }
    const { rowLabels } = [...pictures.values()][0];
    const words = [...rowLabels.keys()].filter((i) => !rowLabels[i].startsWith("["));
    // An order: of any two tokens, one sees the other.
    for (const i of words) {
      for (const j of words) expect(queryMask[i][j] + queryMask[j][i]).toBe(i === j ? 0 : 1);
    }
    const other = await picturesOf(xlnet, "--seed", "1");
    expect(other.get("what the query stream may see")?.values).not.toEqual(queryMask);
  });

  it("draws a Synthesizer's scores before its probabilities, which are their softmax", async () => {
    const pictures = await picturesOf(await trained("synthesizer"), "--layer", "0", "--head", "1");
    const [scores, attended] = [...pictures.values()];
    expect([...pictures.keys()]).toEqual(["layer 0, head 1, synthesized scores", "layer 0, head 1"]);
    for (const [i, row] of scores.values.entries()) {
      const total = row.reduce((sum, score) => sum + Math.exp(score), 0);
      for (const [j, score] of row.entries())
        expect(attended.values[i][j]).toBeCloseTo(Math.exp(score) / total, 5);
    }
  });

  it("writes a page with all heads", async () => {
    const file = join(folder, "page.html");
    const { status, stdout } = await fusegrad([
      "attention",
      model,
      "the sea",
      "--html",
      file,
      ...onReference,
    ]);
    expect({ status, stdout }).toEqual({ status: 0, stdout: `The page is in ${file}\n` });
    expect((await readFile(file, "utf8")).match(/<canvas /g)).toHaveLength(2);
  });

  it("refuses a text that is longer than the model has positions", async () => {
    const long = "the whale sees ".repeat(100);
    const { status, stderr } = await fusegrad(["attention", model, long, ...onReference]);
    expect(status).toBe(2);
    expect(stderr).toMatch(/^error: tta: \d+ tokens, but max_position_embeddings is \d+; cut the sequence/);
  });

  it("refuses a layer that there is not, and a page where there is no folder", async () => {
    const layer = await fusegrad(["attention", model, "the sea", "--layer", "1", ...onReference]);
    expect(layer).toMatchObject({ status: 2, stderr: "error: --layer 1: the model has 1, counted from 0\n" });
    const nowhere = join(folder, "no", "page.html");
    const page = await fusegrad(["attention", model, "the sea", "--html", nowhere, ...onReference]);
    expect(page.status).toBe(2);
    expect(page.stderr).toMatch(/cannot be written \(no such file or folder\)/);
  });
});
