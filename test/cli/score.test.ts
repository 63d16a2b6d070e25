import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { onDevice } from "../../src/cli/devices.ts";
import { readModel } from "../../src/cli/modelFolder.ts";
import {
  type BertForMaskedLM,
  MaskedScorer,
  TtaForLanguageAutoencoding,
  TtaScorer,
} from "../../src/models/index.ts";
import { fusegrad, jsonLines, sampleText, tiny } from "./samples.ts";

let folder: string;
let text: string;

/** The device comes with the sizes of `tiny`. */
const onReference = ["--device", "reference"];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "fusegrad-score-"));
  text = join(folder, "text.txt");
  await writeFile(text, sampleText(200));
});

afterAll(() => rm(folder, { recursive: true }));

const folders = new Set<string>();

/** The folder of a model, trained when it is first asked for. */
async function trained(model: string, steps: number, ...more: readonly string[]): Promise<string> {
  const out = join(folder, `${model}-${steps}`);
  if (folders.has(out)) return out;
  const args = ["train", "--model", model, "--text", text, ...tiny, "--steps", String(steps)];
  const { status, stderr } = await fusegrad([
    ...args,
    "--lr",
    "1e-2",
    "--dropout",
    "0",
    "--out",
    out,
    ...more,
  ]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  folders.add(out);
  return out;
}

describe("score", () => {
  it.each(["tta", "bert"])(
    "sums what the model makes of each token between the special ones (%s)",
    async (name) => {
      const folder = await trained(name, 2);
      const lines = join(folder, "lines.txt");
      await writeFile(lines, "The whale sees the sea.\n\nno hope\n");
      const { status, stdout } = await fusegrad(["score", folder, lines, "--json", ...onReference]);
      expect(status).toBe(0);
      const found = jsonLines(stdout);
      expect(found.map(({ text }) => text)).toEqual(["The whale sees the sea.", "no hope"]);
      await onDevice("reference", 0, async () => {
        const { model, tokenizer } = await readModel(folder);
        const scorer =
          model instanceof TtaForLanguageAutoencoding
            ? new TtaScorer(model)
            : new MaskedScorer(model as BertForMaskedLM, tokenizer.tokenToId("[MASK]") ?? -1);
        for (const { text, tokens, logLikelihood } of found) {
          const [scores] = await scorer.tokenScores([tokenizer.encode(String(text)).ids]);
          expect(tokens).toBe(scores.length - 2);
          const inner = scores.slice(1, -1).reduce((sum, score) => sum + score, 0);
          expect(logLikelihood).toBeCloseTo(inner, 5);
        }
      });
      const shown = await fusegrad(["score", folder, lines, ...onReference]);
      expect(shown.stdout.split("\n")[0]).toMatch(/^ +-\d+\.\d{3} {2}The whale sees the sea\.$/);
    },
  );

  it("refuses a line that is too long, and a model that predicts no tokens by both sides", async () => {
    const model = await trained("transformer", 1);
    const long = join(folder, "long.txt");
    await writeFile(long, "the whale ".repeat(20));
    const other = await fusegrad(["score", model, long, ...onReference]);
    expect(other.status).toBe(2);
    expect(other.stderr).toMatch(/model_type is "transformer_encdec"; expected a masked language model/);
    const tta = await trained("tta", 2);
    const { status, stderr } = await fusegrad(["score", tta, long, ...onReference]);
    expect(status).toBe(2);
    expect(stderr).toMatch(/^error: a text has \d+ tokens, the model takes at most 16: the whale/);
  });
});

describe("similar", () => {
  it("finds a text most like itself", async () => {
    const model = await trained("tta", 2);
    const similarity = async (a: string, b: string): Promise<number> => {
      const { stdout } = await fusegrad(["similar", model, a, b, "--json", ...onReference]);
      return Number(jsonLines(stdout)[0].similarity);
    };
    const [first, second] = ["The whale sees the sea.", "An old man calls a boat without hope."];
    expect(await similarity(first, first)).toBeCloseTo(1, 5);
    const between = await similarity(first, second);
    expect(between).toBeLessThan(0.9999);
    expect(await similarity(second, first)).toBeCloseTo(between, 5);
  });
});

describe("generate", () => {
  it("continues a text, within the length and the same each time", async () => {
    const model = await trained("transformer", 120);
    const args = ["generate", model, "The whale sees", "--max-length", "6", ...onReference];
    const { status, stdout } = await fusegrad([...args, "--json"]);
    expect(status).toBe(0);
    const [{ output }] = jsonLines(stdout);
    expect(typeof output).toBe("string");
    expect(output).not.toBe("");
    expect((await fusegrad(args)).stdout).toBe(`${output}\n`);
  });

  it("refuses a model that gives nothing token by token", async () => {
    const { status, stderr } = await fusegrad(["generate", await trained("tta", 2), "a", ...onReference]);
    expect(status).toBe(2);
    expect(stderr).toMatch(/a TtaForLanguageAutoencoding gives no output token by token/);
  });
});

describe("train --model synthesizer", () => {
  it("takes the kinds of scores, and refuses others", async () => {
    await trained("synthesizer", 2, "--scores", "random,vanilla");
    const args = ["train", "--text", text, ...tiny, "--steps", "1"];
    const wrong = await fusegrad([...args, "--model", "synthesizer", "--scores", "random,random"]);
    expect(wrong.status).toBe(2);
    expect(wrong.stderr).toMatch(/each at most once/);
    const other = await fusegrad([...args, "--model", "bert", "--scores", "random"]);
    expect(other.stderr).toMatch(/--scores is for --model synthesizer, not for bert/);
  });
});
