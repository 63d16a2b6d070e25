import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { tokenizerKinds } from "../../src/cli/tokenizers.ts";
import { Tokenizer } from "../../src/text/index.ts";
import { fusegrad, sampleText, tiny } from "./samples.ts";

let folder: string;
const file = (name: string): string => join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "fusegrad-tokenizer-"));
  await writeFile(file("text.txt"), sampleText(100));
});
afterAll(() => rm(folder, { recursive: true }));

const trained = async (kind: string, size: string) => {
  const out = file(`${kind}-${size}.json`);
  const args = [
    "tokenizer",
    "train",
    "--kind",
    kind,
    "--text",
    file("text.txt"),
    "--size",
    size,
    "--out",
    out,
  ];
  return { out, ...(await fusegrad(args)) };
};

describe("tokenizer train", () => {
  it.each(tokenizerKinds)("writes a %s tokenizer that reads its text back", async (kind) => {
    const { out, status, stdout, stderr } = await trained(kind, "320");
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const tokenizer = Tokenizer.fromJSON(JSON.parse(await readFile(out, "utf8")));
    expect(stdout).toBe(`${kind} tokenizer of ${tokenizer.vocabSize} tokens in ${out}\n`);
    expect(tokenizer.vocabSize).toBeLessThanOrEqual(320);
    const { ids } = tokenizer.encode("the captain fears the storm.");
    // It has 29 characters.
    expect(ids.length).toBeLessThan(16);
    expect(tokenizer.decode(ids, { skipSpecialTokens: true }).trim()).toBe("the captain fears the storm.");
  });

  it("says when the characters alone are too many", async () => {
    const { status, stderr } = await trained("bpe", "200");
    expect(status).toBe(2);
    expect(stderr).toContain("raise --size");
  });

  it("makes a tokenizer that train takes", async () => {
    const { out } = await trained("bpe", "300");
    const args = ["train", "--text", file("text.txt"), ...tiny, "--steps", "1", "--out", file("model")];
    const { status, stderr } = await fusegrad([...args, "--tokenizer", out]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const [own, its] = await Promise.all(
      [file("model/tokenizer.json"), out].map(async (path) => JSON.parse(await readFile(path, "utf8"))),
    );
    expect(own).toEqual(its);
  });

  it("refuses one that is none", async () => {
    await writeFile(file("none.json"), "{}");
    const args = ["train", "--text", file("text.txt"), ...tiny, "--tokenizer", file("none.json")];
    const { status, stderr } = await fusegrad(args);
    expect(status).toBe(2);
    expect(stderr).toContain("none.json");
  });
});
