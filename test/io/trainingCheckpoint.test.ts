import { describe, expect, it } from "vitest";
import { ArgumentError, FileFormatError, FusegradError, StateDictError } from "../../src/graph/errors.ts";
import {
  captureTraining,
  checkpointChunks,
  parseCheckpoint,
  parseSafetensors,
  restoreTraining,
  serializeSafetensors,
  type TrainingCheckpoint,
} from "../../src/io/index.ts";
import { Linear } from "../../src/nn/linear.ts";
import { AdamW } from "../../src/nn/optim/index.ts";
import { randn } from "../../src/tensor/create.ts";
import { hashRandom } from "../../src/text/index.ts";
import { onReferenceDevice } from "../nn/reference.ts";

onReferenceDevice();

function makeParts(width = 3) {
  const model = new Linear(width, 2);
  const [weight, bias] = model.parameters();
  const optimizer = new AdamW(
    [
      { params: [weight], weightDecay: 0.1 },
      { params: [bias], weightDecay: 0 },
    ],
    { lr: () => 0.1 },
  );
  return { model, optimizer };
}

type Parts = ReturnType<typeof makeParts>;

function takeStep({ model, optimizer }: Parts, width = 3): void {
  optimizer.zeroGrad();
  model
    .forward(randn([4, width]))
    .square()
    .sum()
    .backward();
  optimizer.step();
}

const around = {
  step: 7,
  position: { epoch: 2, example: 5 },
  random: { key: [1, 4_294_967_295], draws: 12 },
  settings: { lr: 0.001, model: "linear", deep: { list: [1, null, true] } },
} as const;

async function makeCheckpoint(parts: Parts): Promise<TrainingCheckpoint> {
  return { ...around, ...(await captureTraining(parts)) };
}

function fileOf(checkpoint: TrainingCheckpoint): Uint8Array {
  const chunks = checkpointChunks(checkpoint);
  return Uint8Array.from(chunks.flatMap((chunk) => [...chunk]));
}

/** Everything that a training is, as text. */
async function stateOf(parts: Parts): Promise<string> {
  return Buffer.from(fileOf(await makeCheckpoint(parts))).toString("latin1");
}

describe("a checkpoint", () => {
  it("is read back to the bit", async () => {
    const parts = makeParts();
    takeStep(parts);
    const checkpoint = await makeCheckpoint(parts);
    // What text would not carry.
    checkpoint.model.get("weight")?.data.set([-0, Number.NaN, 1e-45]);
    expect(parseCheckpoint(fileOf(checkpoint))).toEqual(checkpoint);
  });

  it("makes another training the same, which then goes on the same", async () => {
    const [first, second] = [makeParts(), makeParts()];
    takeStep(first);
    takeStep(first);
    const file = fileOf(await makeCheckpoint(first));
    restoreTraining(second, parseCheckpoint(file));
    expect(await stateOf(second)).toBe(await stateOf(first));
    const input = randn([4, 3]).realize();
    for (const { model, optimizer } of [first, second]) {
      optimizer.zeroGrad();
      model.forward(input).square().sum().backward();
      optimizer.step();
    }
    expect(await stateOf(second)).toBe(await stateOf(first));
  });

  it("is what it was, whatever happens to the training since", async () => {
    const parts = makeParts();
    takeStep(parts);
    const captured = captureTraining(parts);
    takeStep(parts);
    const other = makeParts();
    restoreTraining(other, await captured);
    expect(other.optimizer.steps).toBe(1);
    expect(await stateOf(other)).not.toBe(await stateOf(parts));
  });
});

describe("restoring changes nothing when", () => {
  const refused = async (parts: Parts, checkpoint: TrainingCheckpoint): Promise<void> => {
    const before = await stateOf(parts);
    expect(() => restoreTraining(parts, checkpoint)).toThrow(StateDictError);
    expect(await stateOf(parts)).toBe(before);
  };

  it("a parameter has another shape", async () => {
    await refused(makeParts(3), await makeCheckpoint(makeParts(4)));
  });

  it("only the moments do not fit", async () => {
    const checkpoint = await makeCheckpoint(makeParts());
    const { optimizer } = await makeCheckpoint(makeParts(4));
    await refused(makeParts(), { ...checkpoint, optimizer });
    const [only] = checkpoint.optimizer.parameters;
    await refused(makeParts(), { ...checkpoint, optimizer: { ...checkpoint.optimizer, parameters: [only] } });
  });
});

describe("reading refuses", () => {
  it("a file that is cut off, wherever", async () => {
    const file = fileOf(await makeCheckpoint(makeParts()));
    for (let length = 0; length < file.length; length++) {
      expect(() => parseCheckpoint(file.subarray(0, length))).toThrow(FileFormatError);
    }
  });

  it("weights that are no checkpoint", () => {
    expect(() => parseCheckpoint(serializeSafetensors(new Map()))).toThrow("no checkpoint");
  });

  const edited = async (edit: (head: Record<string, unknown>) => void): Promise<Uint8Array> => {
    const { metadata, tensors } = parseSafetensors(fileOf(await makeCheckpoint(makeParts())));
    const head = JSON.parse(metadata.get("fusegrad.checkpoint") ?? "");
    edit(head);
    return serializeSafetensors(tensors, { "fusegrad.checkpoint": JSON.stringify(head) });
  };

  it.each<[string, (head: Record<string, unknown>) => void, string]>([
    ["another version", (head) => Object.assign(head, { version: 2 }), "version 2"],
    ["no step", (head) => delete head.step, "step"],
    ["half a step", (head) => Object.assign(head, { step: 1.5 }), "step"],
    [
      "a place before the first",
      (head) => Object.assign(head, { position: { epoch: 0, example: -1 } }),
      "example",
    ],
    ["a place that is none", (head) => Object.assign(head, { position: [0, 1] }), "position"],
    ["a key of three words", (head) => Object.assign(head, { random: { key: [1, 2, 3], draws: 0 } }), "key"],
    ["a key out of range", (head) => Object.assign(head, { random: { key: [1, 2 ** 32], draws: 0 } }), "key"],
    ["no settings", (head) => delete head.settings, "settings"],
    [
      "an optimizer without parameters",
      (head) => Object.assign(head.optimizer as object, { parameters: [] }),
      "optimizer",
    ],
  ])("%s", async (_, edit, part) => {
    const file = await edited(edit);
    expect(() => parseCheckpoint(file)).toThrow(FileFormatError);
    expect(() => parseCheckpoint(file)).toThrow(part);
  });

  it("what it does not refuse either fits, or leaves the training as it was", async () => {
    const file = fileOf(await makeCheckpoint(makeParts()));
    let [taken, refused] = [0, 0];
    for (let seed = 0; seed < 1500; seed++) {
      const random = hashRandom(2, seed);
      const damaged = file.slice();
      for (let i = random.below(3); i >= 0; i--) damaged[random.below(damaged.length)] = random.below(256);
      const parts = makeParts();
      try {
        restoreTraining(parts, parseCheckpoint(damaged));
        taken++;
      } catch (error) {
        expect(error).toBeInstanceOf(FusegradError);
        expect(error).not.toBeInstanceOf(ArgumentError);
        if (error instanceof StateDictError) {
          expect(parts.optimizer.steps).toBe(0);
          // Never computed, so never assigned.
          expect(parts.model.parameters().every(({ cell }) => cell.version === 0)).toBe(true);
        }
        refused++;
      }
    }
    expect(taken).toBeGreaterThan(50);
    expect(refused).toBeGreaterThan(50);
  });
});
