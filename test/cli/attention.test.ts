import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fusegrad, jsonLines, sampleText, tiny } from "./samples.ts";

let folder: string;
let model: string;
const onReference = ["--device", "reference"];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "fusegrad-attention-"));
  const text = join(folder, "text.txt");
  model = join(folder, "tta");
  await writeFile(text, sampleText(200));
  const args = ["train", "--model", "tta", "--text", text, ...tiny, "--steps", "2", "--out", model];
  expect(await fusegrad(args)).toMatchObject({ status: 0, stderr: "" });
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

  it("refuses a layer that there is not, and a page where there is no folder", async () => {
    const layer = await fusegrad(["attention", model, "the sea", "--layer", "1", ...onReference]);
    expect(layer).toMatchObject({ status: 2, stderr: "error: --layer 1: the model has 1, counted from 0\n" });
    const nowhere = join(folder, "no", "page.html");
    const page = await fusegrad(["attention", model, "the sea", "--html", nowhere, ...onReference]);
    expect(page.status).toBe(2);
    expect(page.stderr).toMatch(/cannot be written \(no such file or folder\)/);
  });
});
