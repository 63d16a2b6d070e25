import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fusegrad, sampleText, tiny } from "./samples.ts";

let folder: string;
const file = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "fusegrad-cli-"));
  await writeFile(file("text.txt"), sampleText(60));
  await writeFile(file("short.txt"), "Too short.");
  await writeFile(file("blank.txt"), " \n\n \n");
  await writeFile(file("empty.txt"), "");
  await writeFile(file("latin1.txt"), Buffer.from([0x63, 0x61, 0x66, 0xe9, 0x20]));
});

afterAll(() => rm(folder, { recursive: true }));

/** Expects status 2, one line on stderr, and nothing on stdout; gives the line. */
async function complaint(...args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await fusegrad(args);
  expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
  expect(stderr).toMatch(/^error: [^\n]+\n$/);
  return stderr;
}

describe("help", () => {
  it("lists the commands", async () => {
    const { status, stdout, stderr } = await fusegrad(["--help"]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    for (const name of ["train", "compare", "fill", "tokenizer", "explain", "demo"])
      expect(stdout).toMatch(new RegExp(`^ {2}${name} `, "m"));
  });

  it.each(["train", "compare", "fill", "explain", "demo"])("of %s lists its options", async (name) => {
    const { status, stdout } = await fusegrad([name, "--help"]);
    expect(status).toBe(0);
    expect(stdout).toContain(`Usage: fusegrad ${name} [options]`);
    expect(stdout).toContain("--json");
  });

  it("is shown, with status 2, when no command is given", async () => {
    const { status, stdout, stderr } = await fusegrad([]);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toContain("Usage: fusegrad");
  });

  it("prints the package's version", async () => {
    const { status, stdout } = await fusegrad(["--version"]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe("wrong options", () => {
  it.each([
    ["an unknown command", ["trian"], "train"],
    ["an unknown option", ["train", "--text", "x", "--step", "3"], "--step"],
    ["an argument too many", ["train", "--text", "x", "y"], "too many arguments"],
    ["an unknown model", ["train", "--text", "x", "--model", "gpt"], "bert"],
    ["an unknown device", ["train", "--text", "x", "--device", "abacus"], "wasm, reference"],
    ["no file for a tokenizer", ["tokenizer", "train"], "--out"],
    ["an unknown kind of tokenizer", ["tokenizer", "train", "--kind", "words", "--out", "x"], "unigram"],
    ["next sentences for another model", ["train", "--model", "roberta", "--nsp"], "--model bert"],
    ["a teacher for another model", ["train", "--teacher", "folder"], "--model distilbert"],
    ["to go on without a folder", ["train", "--resume"], "--out"],
    ["no checkpoints to keep", ["train", "--keep", "0"], "from 1"],
    ["a value that is missing", ["train", "--text"], "--text"],
    ["an empty path", ["train", "--text", ""], "must not be empty"],
    ["no steps", ["train", "--text", "x", "--steps", "0"], "from 1"],
    ["steps that are no number", ["train", "--text", "x", "--steps", "many"], "whole number"],
    ["half a step", ["train", "--text", "x", "--steps", "1.5"], "whole number"],
    ["steps below 0", ["demo", "--steps", "-1"], "whole number"],
    ["a negative seed", ["train", "--text", "x", "--seed", "-1"], "from 0"],
    ["a learning rate of 0", ["train", "--text", "x", "--lr", "0"], "above 0"],
    ["a learning rate that is no number", ["train", "--text", "x", "--lr", "1e"], "above 0"],
    ["an infinite learning rate", ["train", "--text", "x", "--lr", "1e999"], "above 0"],
    ["dropout of everything", ["train", "--text", "x", "--dropout", "1"], "below 1"],
    [
      "heads that do not divide the width",
      ["train", "--text", "x", "--width", "30", "--heads", "4"],
      "divide",
    ],
    ["heads that do not divide the width of a demo", ["demo", "--heads", "3"], "divide"],
    ["heads that do not divide the width to explain", ["explain", "--heads", "3"], "divide"],
    ["a sequence without room", ["explain", "--length", "2"], "from 4"],
    ["no candidates", ["fill", "folder", "[MASK]", "--top", "0"], "from 1"],
    ["a text to fill that is missing", ["fill", "folder"], "text"],
  ])("%s", async (_, args, part) => {
    expect(await complaint(...args)).toContain(part);
  });
});

describe("texts that cannot be trained on", () => {
  it.each([
    ["missing.txt", "no such file"],
    [".", "it is a folder"],
    ["empty.txt", "empty"],
    ["latin1.txt", "not valid UTF-8"],
    ["short.txt", "too short"],
    ["blank.txt", "too short"],
  ])("%s", async (name, part) => {
    const line = await complaint("train", "--text", file(name), ...tiny);
    expect(line).toContain(part);
    expect(line).toContain(file(name));
  });

  it("a text with more characters than the vocabulary has room for", async () => {
    const args = ["train", "--text", file("text.txt"), ...tiny, "--vocab", "12"];
    expect(await complaint(...args)).toContain("raise --vocab");
  });
});

describe("folders that cannot be written", () => {
  it("is said before the training", async () => {
    const args = ["train", "--text", file("text.txt"), ...tiny, "--out", file("short.txt")];
    expect(await complaint(...args)).toContain("it is a file");
  });
});
