import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fusegrad, jsonLines, sampleText, tiny } from "../samples.ts";

let folder: string;
let text: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "fusegrad-streams-"));
  text = join(folder, "text.txt");
  await writeFile(text, sampleText(200));
});

afterAll(() => rm(folder, { recursive: true }));

describe.each([
  ["transformer-xl", "TransfoXLLMHeadModel"],
  ["xlnet", "XLNetLMHeadModel"],
])("train --model %s", (model, architecture) => {
  const train = (...more: readonly string[]): string[] => {
    // Bytes alone are 256 tokens.
    const vocabulary = model === "transformer-xl" ? ["--vocab", "300"] : [];
    return ["train", "--model", model, "--text", text, "--json", ...tiny, ...vocabulary, ...more];
  };

  it("learns", async () => {
    const settings = ["--steps", "60", "--lr", "1e-2", "--dropout", "0"];
    const { status, stdout, stderr } = await fusegrad(train(...settings));
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const lines = jsonLines(stdout);
    expect(lines.at(-1)?.heldOutLoss).toBeLessThan(Number(lines[0].loss) - 0.5);
    expect(Object.keys(lines.at(-1) ?? {})).toEqual(["final", "heldOutLoss", "unigramLoss", "accuracy"]);
  });

  it("goes on from a checkpoint with what it remembered, to the same bits", async () => {
    const out = join(folder, model);
    const lossesOf = (stdout: string): unknown[] =>
      jsonLines(stdout).map(({ loss, heldOutLoss }) => loss ?? heldOutLoss);
    const whole = lossesOf((await fusegrad(train("--steps", "5"))).stdout);
    const controller = new AbortController();
    const onOutput = (output: string): void => {
      if (output.includes('"step":3')) controller.abort();
    };
    const stopped = await fusegrad(train("--steps", "5", "--out", out), {
      signal: controller.signal,
      onOutput,
    });
    expect(stopped.status).toBe(130);
    const resumed = await fusegrad(train("--steps", "5", "--out", out, "--resume"));
    expect([...lossesOf(stopped.stdout), ...lossesOf(resumed.stdout)]).toEqual(whole);
    const config = JSON.parse(await readFile(join(out, "config.json"), "utf8"));
    expect(config.architectures).toEqual([architecture]);
  });

  it("says which texts and lengths it cannot use", async () => {
    const { status, stderr } = await fusegrad(
      model === "xlnet" ? train("--length", "17") : train("--length", "500"),
    );
    expect(status).toBe(2);
    expect(stderr).toMatch(model === "xlnet" ? /^error: --length 17: / : /^error: .*the text is too short/);
  });
});
