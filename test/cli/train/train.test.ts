import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseSafetensors } from "../../../src/io/index.ts";
import { fusegrad, jsonLines, sampleText, tiny } from "../samples.ts";

let folder: string;
let text: string;
let model: string;
const train = (...more: readonly string[]): string[] => [
  "train",
  "--model",
  "bert",
  "--text",
  text,
  ...tiny,
  ...more,
];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "fusegrad-train-"));
  text = join(folder, "text.txt");
  model = join(folder, "models", "first");
  await writeFile(text, sampleText(200));
});

afterAll(() => rm(folder, { recursive: true }));

describe("train", () => {
  it("prints a JSON object for each step and one for the result, and nothing else", async () => {
    const { status, stdout, stderr } = await fusegrad(train("--steps", "3", "--json"));
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const lines = jsonLines(stdout);
    expect(lines.map(({ step }) => step)).toEqual([1, 2, 3, undefined]);
    for (const line of lines.slice(0, 3)) {
      expect(Object.keys(line)).toEqual(["step", "loss", "tokensPerSecond"]);
      // Near the logarithm of the vocabulary at the start.
      expect(line.loss).toBeGreaterThan(3);
      expect(line.loss).toBeLessThan(6);
      expect(line.tokensPerSecond).toBeGreaterThan(0);
    }
    const result = lines[3];
    expect(Object.keys(result)).toEqual(["final", "heldOutLoss", "unigramLoss", "accuracy"]);
    expect(result.final).toBe(true);
    expect(result.heldOutLoss).toBeCloseTo(Math.log(120), 0);
    expect(result.unigramLoss).toBeLessThan(Math.log(120));
    expect(result.accuracy).toBeLessThanOrEqual(1);
  });

  it("gives the same losses for the same seed, and others for another", async () => {
    const losses = async (seed: string): Promise<unknown[]> => {
      const { stdout } = await fusegrad(train("--steps", "3", "--json", "--seed", seed));
      return jsonLines(stdout).map(({ loss, heldOutLoss }) => loss ?? heldOutLoss);
    };
    const first = await losses("7");
    expect(await losses("7")).toEqual(first);
    expect(await losses("8")).not.toEqual(first);
  });

  it("learns", async () => {
    const { stdout } = await fusegrad(train("--steps", "80", "--lr", "1e-2", "--dropout", "0", "--json"));
    const lines = jsonLines(stdout);
    expect(lines.at(-1)?.heldOutLoss).toBeLessThan(Number(lines[0].loss) - 0.5);
  });

  it("says in one line that it diverged", async () => {
    const { status, stderr } = await fusegrad(train("--steps", "20", "--lr", "1e9"));
    expect(status).toBe(2);
    expect(stderr).toMatch(/^error: the loss of step \d+ is .*lower --lr\n$/);
  });

  it("stops after the step during which it is interrupted", async () => {
    const controller = new AbortController();
    const onOutput = (output: string): void => {
      if (output.includes('"step":2')) controller.abort();
    };
    const { status, stdout, stderr } = await fusegrad(train("--steps", "50", "--json"), {
      signal: controller.signal,
      onOutput,
    });
    expect({ status, stderr }).toEqual({ status: 130, stderr: "interrupted\n" });
    expect(jsonLines(stdout).map(({ step }) => step)).toEqual([1, 2]);
  });

  it("draws a bar on a terminal and gives the cursor back", async () => {
    const { status, stdout } = await fusegrad(train("--steps", "3"), { isTTY: true });
    expect(status).toBe(0);
    expect(stdout).toMatch(/█+ step 3\/3 \| loss \d\.\d{3} \| [\d,]+ tokens\/s/);
    expect(stdout.lastIndexOf("\u001b[?25h")).toBeGreaterThan(stdout.lastIndexOf("\u001b[?25l"));
  });
});

describe("train, then fill", () => {
  it("writes a folder with the names and shapes of Hugging Face", async () => {
    const { status, stdout, stderr } = await fusegrad(train("--steps", "3", "--out", model));
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toMatch(/^step 3\/3 {2}loss \d\.\d{4} {2}\d+ tokens\/s {2}0 s left$/m);
    expect(stdout).toMatch(/^Held-out masked loss \d\.\d{3}, by frequency alone \d\.\d{3}; [\d.]+ %/m);
    expect(stdout.match(/\[MASK\].*\n.*\(it was: \w+\)/g)).toHaveLength(3);
    expect((await readdir(model)).sort()).toEqual([
      "checkpoints",
      "config.json",
      "model.safetensors",
      "tokenizer.json",
    ]);
    const config = JSON.parse(await readFile(join(model, "config.json"), "utf8"));
    expect(config).toMatchObject({
      architectures: ["BertForMaskedLM"],
      model_type: "bert",
      hidden_size: 16,
      intermediate_size: 64,
      num_attention_heads: 2,
      num_hidden_layers: 1,
      max_position_embeddings: 16,
    });
    const { tensors } = parseSafetensors(await readFile(join(model, "model.safetensors")));
    const shapeOf = (name: string) => tensors.get(name)?.shape;
    expect(shapeOf("bert.embeddings.word_embeddings.weight")).toEqual([config.vocab_size, 16]);
    expect(shapeOf("bert.encoder.layer.0.attention.self.query.weight")).toEqual([16, 16]);
    expect(shapeOf("bert.encoder.layer.0.intermediate.dense.weight")).toEqual([64, 16]);
    expect(shapeOf("cls.predictions.transform.LayerNorm.bias")).toEqual([16]);
    expect(shapeOf("cls.predictions.bias")).toEqual([config.vocab_size]);
  });

  it("fills in every mask with candidates by probability", async () => {
    const args = ["fill", model, "The [MASK] sees the [MASK].", "--device", "reference"];
    const { status, stdout } = await fusegrad([...args, "--json", "--top", "200"]);
    expect(status).toBe(0);
    const masks = jsonLines(stdout) as unknown as {
      position: number;
      candidates: { id: number; token: string; probability: number }[];
    }[];
    expect(masks.map(({ position }) => position)).toEqual([2, 5]);
    const { vocab } = JSON.parse(await readFile(join(model, "tokenizer.json"), "utf8")).model;
    for (const { candidates } of masks) {
      // All there are: the probabilities of the whole vocabulary.
      expect(candidates).toHaveLength(Object.keys(vocab).length);
      const probabilities = candidates.map(({ probability }) => probability);
      expect(probabilities).toEqual(probabilities.toSorted((a, b) => b - a));
      expect(probabilities.reduce((sum, p) => sum + p)).toBeCloseTo(1, 4);
      for (const { id, token } of candidates) expect(vocab[token]).toBe(id);
    }
    const plain = await fusegrad([...args, "--top", "2"]);
    const [first] = masks[0].candidates;
    const percent = (100 * first.probability).toFixed(2);
    expect(plain.stdout).toMatch(new RegExp(`^\\[MASK\\] 1\n${first.token} +${percent} %\n`));
  });

  it("fills in what the trained model says, not what it was before", async () => {
    const other = join(folder, "models", "other");
    await fusegrad(train("--steps", "30", "--lr", "1e-2", "--out", other));
    const args = ["The [MASK] sees.", "--device", "reference", "--json"];
    const outcomes = await Promise.all([fusegrad(["fill", model, ...args])]);
    expect((await fusegrad(["fill", other, ...args])).stdout).not.toBe(outcomes[0].stdout);
  });
});

describe("fill refuses", () => {
  const damaged = async (name: string, content: string | Buffer): Promise<string> => {
    const copy = await mkdtemp(join(folder, "damaged-"));
    for (const file of ["config.json", "model.safetensors", "tokenizer.json"])
      await writeFile(join(copy, file), await readFile(join(model, file)));
    await writeFile(join(copy, name), content);
    return copy;
  };
  const complaint = async (where: string, words = "The [MASK] sees."): Promise<string> => {
    const { status, stdout, stderr } = await fusegrad(["fill", where, words, "--device", "reference"]);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toMatch(/^error: [^\n]+\n$/);
    return stderr;
  };

  it("a folder that is missing", async () => {
    expect(await complaint(join(folder, "nowhere"))).toContain("no such file or folder");
  });

  it("a text without [MASK], or too long", async () => {
    expect(await complaint(model, "The whale sees.")).toContain("[MASK]");
    expect(await complaint(model, "[MASK] ".repeat(15))).toContain("17 tokens, the model takes at most 16");
  });

  it("weights that are cut off, or not weights", async () => {
    const weights = await readFile(join(model, "model.safetensors"));
    expect(await complaint(await damaged("model.safetensors", weights.subarray(0, 500)))).toContain(
      "truncated",
    );
    expect(await complaint(await damaged("model.safetensors", "no weights at all"))).toContain(
      "model.safetensors",
    );
  });

  it("weights of another shape than the configuration's", async () => {
    const config = await readFile(join(model, "config.json"), "utf8");
    const deeper = config.replace('"num_hidden_layers": 1', '"num_hidden_layers": 2');
    expect(await complaint(await damaged("config.json", deeper))).toContain("missing");
  });

  it("another kind of model", async () => {
    expect(await complaint(await damaged("config.json", '{"model_type": "gpt2"}'))).toContain('"gpt2"');
  });

  it("the tokenizer of another model", async () => {
    const json = JSON.parse(await readFile(join(model, "tokenizer.json"), "utf8"));
    json.model.vocab.extra = Object.keys(json.model.vocab).length;
    const wrong = await damaged("tokenizer.json", JSON.stringify(json));
    expect(await complaint(wrong)).toContain("do not belong together");
    expect(await complaint(await damaged("tokenizer.json", "{}"))).toContain("tokenizer.json");
  });
});
