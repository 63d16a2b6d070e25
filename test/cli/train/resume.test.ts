import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { recipeNames } from "../../../src/cli/train/recipes.ts";
import { parseSafetensors, serializeSafetensors } from "../../../src/io/index.ts";
import { listCheckpoints } from "../../../src/io/node/index.ts";
import { documents, fusegrad, jsonLines, type Outcome, sampleText } from "../samples.ts";

let folder: string;
let text: string;
let whole: string;
const sizes = [
  "--layers",
  "1",
  "--width",
  "16",
  "--heads",
  "2",
  "--batch",
  "4",
  "--length",
  "16",
  "--vocab",
  "400",
];
const onText = (...more: readonly string[]): string[] => [
  "train",
  "--text",
  text,
  "--device",
  "reference",
  ...more,
];
const small = (...more: readonly string[]): string[] => onText(...sizes, ...more);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "fusegrad-resume-"));
  text = join(folder, "text.txt");
  whole = join(folder, "whole");
  await writeFile(text, documents(7, 12));
  await fusegrad(small("--steps", "8", "--checkpoint-every", "3", "--out", whole));
});

afterAll(() => rm(folder, { recursive: true }));

/** Runs until a step was printed, then interrupts. */
function interrupted(args: readonly string[], step: number): Promise<Outcome> {
  const controller = new AbortController();
  return fusegrad(args, {
    signal: controller.signal,
    onOutput: (output) => {
      if (output.includes(`"step":${step},`)) controller.abort();
    },
  });
}

/** What a training came to, without how long it took. */
function numbersOf({ stdout }: Outcome): unknown[] {
  return jsonLines(stdout).map(({ tokensPerSecond: _, ...rest }) => rest);
}

const stepsIn = async (out: string): Promise<number[]> =>
  (await listCheckpoints(join(out, "checkpoints"))).map(({ step }) => step);

describe("a training that was interrupted goes on", () => {
  it.each([...recipeNames.map((model) => [model, "reference"] as const), ["bert", "wasm"] as const])(
    "to the same bits as one that was not: %s on %s",
    async (model, device) => {
      const [one, two] = [join(folder, `${model}-${device}-one`), join(folder, `${model}-${device}-two`)];
      const same = ["--text", text, "--device", device, "--json"];
      // Enough steps to pass the end of an epoch, and so a batch that is not full.
      const options = [...same, ...sizes, "--model", model, "--steps", "16", "--checkpoint-every", "4"];
      const unbroken = await fusegrad(["train", ...options, "--out", one]);
      expect(unbroken).toMatchObject({ status: 0, stderr: "" });
      const first = await interrupted(["train", ...options, "--out", two], 6);
      expect(first).toMatchObject({ status: 130, stderr: "interrupted\n" });
      expect(await stepsIn(two)).toEqual([4, 6]);
      const second = await interrupted(["train", ...same, "--out", two, "--resume"], 13);
      expect(second.status).toBe(130);
      const third = await fusegrad(["train", ...same, "--out", two, "--resume"]);
      expect(third).toMatchObject({ status: 0, stderr: "" });
      expect([first, second, third].flatMap(numbersOf)).toEqual(numbersOf(unbroken));
      const [left, right] = [one, two].map((out) => readFile(join(out, "model.safetensors")));
      expect(await right).toEqual(await left);
    },
    60_000,
  );

  it("when it had finished: nothing is left to do but the judgement", async () => {
    const again = await fusegrad(onText("--out", whole, "--resume", "--json"));
    expect(again).toMatchObject({ status: 0, stderr: "" });
    expect(jsonLines(again.stdout)).toHaveLength(1);
  });
});

describe("checkpoints", () => {
  it("are written at intervals and at the end; the last two stay", async () => {
    expect(await stepsIn(whole)).toEqual([6, 8]);
  });

  it("are as many as asked for", async () => {
    const out = join(folder, "many");
    await fusegrad(small("--steps", "4", "--checkpoint-every", "1", "--keep", "3", "--out", out));
    expect(await stepsIn(out)).toEqual([2, 3, 4]);
  });

  it("are not needed to begin", async () => {
    const out = join(folder, "fresh");
    expect((await fusegrad(small("--steps", "1", "--out", out, "--resume"))).status).toBe(0);
    expect(await stepsIn(out)).toEqual([1]);
  });
});

describe("going on is refused", () => {
  const complaint = async (...args: readonly string[]): Promise<string> => {
    const before = await readdir(join(whole, "checkpoints"));
    const { status, stdout, stderr } = await fusegrad([
      "train",
      "--device",
      "reference",
      "--out",
      whole,
      ...args,
    ]);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toMatch(/^error: [^\n]+\n$/);
    expect(await readdir(join(whole, "checkpoints"))).toEqual(before);
    return stderr;
  };

  it("without --resume: the folder holds another training", async () => {
    expect(await complaint("--text", text)).toContain("--resume");
  });

  it("with another text", async () => {
    const other = join(folder, "other.txt");
    await writeFile(other, sampleText(60));
    expect(await complaint("--text", other, "--resume")).toContain("another text");
  });

  it.each([
    ["--layers", "2", "has 1"],
    ["--steps", "9", "has 8"],
    ["--model", "roberta", "has bert"],
  ])("with another %s", async (option, value, part) => {
    expect(await complaint("--text", text, "--resume", option, value)).toContain(part);
  });

  it("but not with an option that says the same", async () => {
    expect((await fusegrad(onText("--out", whole, "--resume", "--layers", "1"))).status).toBe(0);
  });
});

describe("a damaged checkpoint is refused", () => {
  /** A folder whose only checkpoint is made of that of the whole training. */
  const damaged = async (damage: (bytes: Uint8Array) => Uint8Array): Promise<string> => {
    const out = await mkdtemp(join(folder, "damaged-"));
    const last = (await listCheckpoints(join(whole, "checkpoints"))).at(-1)?.path ?? "";
    await fusegrad(small("--steps", "1", "--out", out));
    const [{ path }] = await listCheckpoints(join(out, "checkpoints"));
    await writeFile(path, damage(await readFile(last)));
    const { status, stdout, stderr } = await fusegrad(onText("--out", out, "--resume"));
    expect(status).toBe(2);
    // Nothing was trained.
    expect(stdout).not.toContain("loss");
    expect(stderr).toMatch(/^error: [^\n]+\n$/);
    return stderr;
  };
  const edited = (edit: (head: { [name: string]: object | number }) => void) => (bytes: Uint8Array) => {
    const { metadata, tensors } = parseSafetensors(bytes);
    const head = JSON.parse(metadata.get("fusegrad.checkpoint") ?? "");
    edit(head);
    return serializeSafetensors(tensors, { "fusegrad.checkpoint": JSON.stringify(head) });
  };

  it("when it is cut off", async () => {
    expect(await damaged((bytes) => bytes.subarray(0, bytes.length / 2))).toContain("truncated");
  });

  it.each<[string, Parameters<typeof edited>[0], string]>([
    ["more steps than there are", (head) => Object.assign(head, { step: 9 }), "9 steps"],
    [
      "an example that is none",
      (head) => Object.assign(head.position, { example: 1e9 }),
      "example 1000000000",
    ],
    ["another seed's random numbers", (head) => Object.assign(head.random, { key: [5, 5] }), "seed"],
    ["no tokenizer", (head) => Object.assign(head.settings, { tokenizer: 1 }), "settings"],
  ])("when it has %s", async (_, edit, part) => {
    expect(await damaged(edited(edit))).toContain(part);
  });

  it.each([
    ["width", "many"],
    ["layers", -1],
    ["dropout", 2],
    ["model", ["bert"]],
  ])("when its setting %s is %j", async (name, value) => {
    const edit = edited((head) => {
      Object.assign((head.settings as { readonly options: object }).options, { [name]: value });
    });
    expect(await damaged(edit)).toContain(name);
  });

  it("when its tensors are those of other sizes", async () => {
    const edit = edited((head) => {
      Object.assign((head.settings as { readonly options: object }).options, { layers: 2 });
    });
    expect(await damaged(edit)).toMatch(/does not fit|missing/);
  });
});
