import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readLabelled, splitTexts } from "../../../src/cli/classify/labelled.ts";
import { readSpam } from "../../../src/cli/classify/spam.ts";
import { FileFormatError } from "../../../src/graph/errors.ts";
import { hashRandom } from "../../../src/text/index.ts";
import { fusegrad, jsonLines, tiny } from "../samples.ts";

let folder: string;
const onReference = ["--device", "reference"];
const columns = { text: "text", label: "label" };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "fusegrad-classify-"));
});

afterAll(() => rm(folder, { recursive: true }));

async function file(name: string, content: string): Promise<string> {
  await writeFile(join(folder, name), content);
  return join(folder, name);
}

/** Weather reports that are told apart by one word. */
function reports(count: number): { text: string; label: string }[] {
  const random = hashRandom(3);
  const pick = (words: readonly string[]): string => words[random.below(words.length)];
  return Array.from({ length: count }, () => {
    const label = pick(["wet", "dry"]);
    const word = label === "wet" ? pick(["rain", "storm"]) : pick(["sun", "heat"]);
    const places = ["coast", "hills", "town", "north", "south", "lake", "woods", "plain"];
    return {
      text: `much ${word} over the ${pick(places)} and the ${pick(places)} from ${pick(places)}`,
      label,
    };
  });
}

describe("labelled files", () => {
  it("are read alike from .csv, .tsv and .jsonl", async () => {
    const expected = [
      { text: 'one, "two"', label: "a" },
      { text: "three", label: "b" },
    ];
    const csv = await file("a.csv", '\ufefflabel,text\na,"one, ""two"""\nb,three\n');
    const tsv = await file("a.tsv", 'text\tlabel\none, "two"\ta\nthree\tb\n');
    const jsonl = await file("a.jsonl", expected.map((entry) => JSON.stringify(entry)).join("\n"));
    for (const path of [csv, tsv, jsonl]) expect(await readLabelled(path, columns)).toEqual(expected);
  });

  it("are refused with the place of what is wrong", async () => {
    const read = async (name: string, content: string) => readLabelled(await file(name, content), columns);
    await expect(read("b.csv", "text,label\na,b,c\n")).rejects.toThrow(FileFormatError);
    await expect(read("b.csv", "text,class\na,b\n")).rejects.toThrow(
      /entry 1 has no "label"; it has text, class/,
    );
    await expect(read("b.jsonl", '{"text":"a","label":"b"}\n{')).rejects.toThrow(/b\.jsonl, line 2/);
    await expect(read("b.txt", "a")).rejects.toThrow(/ends in \.csv, \.tsv or \.jsonl/);
  });

  it("are split without a copy in both parts", () => {
    const texts = ["Call 123 now", "call 456  NOW", "other", "call 999 now"].map((text) => ({
      text,
      label: "a",
    }));
    const { training, heldOut, copies } = splitTexts(texts, 0.5, 1);
    expect(copies).toBe(2);
    expect([...training, ...heldOut].map(({ text }) => text).sort()).toEqual(["Call 123 now", "other"]);
    const many = splitTexts(reports(400), 0.25, 2);
    expect(many.heldOut.length / (many.heldOut.length + many.training.length)).toBeCloseTo(0.25, 1);
    expect(splitTexts(reports(400), 0.25, 2)).toEqual(many);
  });
});

describe("the mails of the example", () => {
  it("are subject and body, without the headers that give them away", () => {
    const mails = readSpam();
    expect(mails).toHaveLength(6046);
    expect(mails.filter(({ label }) => label === "spam")).toHaveLength(1896);
    const first = mails[0].text;
    expect(first.startsWith("Re: New Sequences Window\n")).toBe(true);
    expect(first).not.toMatch(/^(Return-Path|Delivered-To|Received):/m);
  });
});

describe("classify", () => {
  it("learns to tell classes apart, saves the classifier, and applies it", { timeout: 90_000 }, async () => {
    const text = await file(
      "weather.jsonl",
      reports(120)
        .map((entry) => JSON.stringify(entry))
        .join("\n"),
    );
    const out = join(folder, "classifier");
    const args = [
      "classify",
      "train",
      "--file",
      text,
      ...tiny,
      "--epochs",
      "6",
      "--lr",
      "1e-2",
      "--dropout",
      "0",
    ];
    const { status, stdout, stderr } = await fusegrad([...args, "--device", "wasm", "--out", out, "--json"]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const [result] = jsonLines(stdout);
    expect(result.accuracy).toBeGreaterThan(0.9);
    expect(result.majorityAccuracy).toBeLessThan(0.8);
    expect(Object.keys(result.recall as object).sort()).toEqual(["dry", "wet"]);
    const lines = await file(
      "lines.txt",
      "much storm over the lake and the town from south\nmuch sun over the hills\n",
    );
    const applied = await fusegrad(["classify", "apply", out, lines, "--json", ...onReference]);
    expect(jsonLines(applied.stdout).map(({ label }) => label)).toEqual(["wet", "dry"]);
    for (const { probability } of jsonLines(applied.stdout)) expect(probability).toBeGreaterThan(0.5);

    const further = await fusegrad([
      ...["classify", "train", "--file", text, "--model", out, "--epochs", "1", "--json"],
      ...["--batch", "8", "--length", "16", ...onReference],
    ]);
    expect(jsonLines(further.stdout)[0].accuracy).toBeGreaterThan(0.9);
  });

  it("wants a source of texts, and two classes", async () => {
    const none = await fusegrad(["classify", "train"]);
    expect(none).toMatchObject({ status: 2, stderr: expect.stringMatching(/give either --file/) });
    const one = await file("one.csv", "text,label\na b,x\nc d,x\ne f,x\n");
    const { status, stderr } = await fusegrad(["classify", "train", "--file", one, ...tiny]);
    expect(status).toBe(2);
    expect(stderr).toMatch(/1 classes, .*wanted two classes or more/);
  });
});

describe("embed", () => {
  it("gives vectors that do not depend on what a line is batched with, and the nearest lines", async () => {
    const model = join(folder, "classifier");
    const lines = await file("embed.txt", "much rain over the lake\nmuch rain over the lake\nmuch sun\n");
    const embed = async (...more: readonly string[]) =>
      jsonLines((await fusegrad(["embed", model, lines, ...onReference, "--json", ...more])).stdout);
    const together = await embed("--batch", "3", "--normalize");
    const alone = await embed("--batch", "1", "--normalize");
    for (const [i, { vector }] of together.entries()) {
      const found = vector as number[];
      expect(Math.hypot(...found)).toBeCloseTo(1, 6);
      for (const [j, value] of (alone[i].vector as number[]).entries())
        expect(found[j]).toBeCloseTo(value, 5);
    }
    const [first] = await embed("--nearest", "1", "--pooling", "cls");
    expect(first.nearest).toEqual([{ text: "much rain over the lake", similarity: expect.closeTo(1, 5) }]);
  });
});
