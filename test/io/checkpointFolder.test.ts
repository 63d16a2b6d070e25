import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ArgumentError, FileFormatError } from "../../src/graph/errors.ts";
import type { TrainingCheckpoint } from "../../src/io/index.ts";
import {
  FileWriteError,
  listCheckpoints,
  readCheckpoint,
  removeLeftovers,
  saveCheckpoint,
} from "../../src/io/node/index.ts";
import { diskOperations, type FileOperations } from "../../src/io/node/replaceFiles.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "fusegrad-checkpoints-"));
});
afterEach(() => rm(folder, { recursive: true }));

const checkpoint = (step: number): TrainingCheckpoint => ({
  step,
  position: { epoch: 0, example: step },
  random: { key: [0, 0], draws: step },
  model: new Map([["w", { shape: [1000], data: new Float32Array(1000).fill(step) }]]),
  optimizer: { steps: step, groups: [{ weightDecay: 0 }], parameters: [] },
  settings: {},
});

const stepsIn = async (): Promise<number[]> => (await listCheckpoints(folder)).map(({ step }) => step);

describe("checkpoints in a folder", () => {
  it("are listed in the order of their steps, and nothing else is", async () => {
    for (const step of [100, 9, 123_456_789]) await saveCheckpoint(folder, checkpoint(step));
    for (const name of ["step-1.safetensors", "step-00000007.safetensors.bak", "model.safetensors"]) {
      await writeFile(join(folder, name), "");
    }
    expect(await stepsIn()).toEqual([9, 100, 123_456_789]);
    expect(await listCheckpoints(join(folder, "nowhere"))).toEqual([]);
  });

  it("are read back", async () => {
    const { path } = await saveCheckpoint(join(folder, "new", "one"), checkpoint(5));
    expect(path).toBe(join(folder, "new", "one", "step-00000005.safetensors"));
    expect(await readCheckpoint(path)).toEqual(checkpoint(5));
  });

  it("are kept up to a number, the last ones", async () => {
    for (const step of [1, 2, 3, 4]) await saveCheckpoint(folder, checkpoint(step), { keep: 3 });
    expect(await stepsIn()).toEqual([2, 3, 4]);
    await saveCheckpoint(folder, checkpoint(5), { keep: 1 });
    expect(await stepsIn()).toEqual([5]);
    await expect(saveCheckpoint(folder, checkpoint(6), { keep: 0 })).rejects.toThrow(ArgumentError);
    expect(await stepsIn()).toEqual([5]);
  });

  it("are refused with their path when they are damaged", async () => {
    const { path } = await saveCheckpoint(folder, checkpoint(1));
    const bytes = await readFile(path);
    await writeFile(path, bytes.subarray(0, bytes.length - 1));
    await expect(readCheckpoint(path)).rejects.toThrow(FileFormatError);
    await expect(readCheckpoint(path)).rejects.toThrow(path);
  });

  it("lose what a killed process left behind, and nothing else", async () => {
    const id = "01234567-89ab-cdef-0123-456789abcdef";
    await saveCheckpoint(folder, checkpoint(1));
    const stay = [".step-00000002.safetensors.new", "step-00000001.safetensors", "notes.new"];
    await writeFile(join(folder, stay[0]), "");
    await writeFile(join(folder, stay[2]), "");
    for (const kind of ["new", "old"])
      await writeFile(join(folder, `.step-00000002.safetensors.${id}.${kind}`), "");
    await removeLeftovers(folder);
    expect((await readdir(folder)).sort()).toEqual(stay.sort());
    await removeLeftovers(join(folder, "nowhere"));
  });
});

describe("a disk that is full", () => {
  const noSpace = (): never => {
    throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
  };
  /** Takes so many bytes, as a disk does: up to the last one. */
  const small = (room: number): FileOperations => ({
    ...diskOperations,
    async writeNew(path, chunks) {
      const bytes = Buffer.concat(chunks);
      if (bytes.length <= room) return diskOperations.writeNew(path, chunks);
      await writeFile(path, bytes.subarray(0, room), { flag: "wx" });
      noSpace();
    },
  });

  it.each([0, 1, 500, 4000])("after %i bytes is said, and costs no checkpoint", async (room) => {
    await saveCheckpoint(folder, checkpoint(1));
    await saveCheckpoint(folder, checkpoint(2));
    const error = await saveCheckpoint(folder, checkpoint(3), { keep: 1, disk: small(room) }).catch(
      (reason) => reason,
    );
    expect(error).toBeInstanceOf(FileWriteError);
    expect(error.message).toContain("no space left on the disk");
    expect((await readdir(folder)).sort()).toEqual([
      "step-00000001.safetensors",
      "step-00000002.safetensors",
    ]);
    for (const { path, step } of await listCheckpoints(folder))
      expect(await readCheckpoint(path)).toEqual(checkpoint(step));
  });

  it("while an old checkpoint of the same step is replaced keeps that", async () => {
    await saveCheckpoint(folder, checkpoint(1));
    const other = { ...checkpoint(1), settings: { longer: "x".repeat(100) } };
    await expect(
      saveCheckpoint(folder, other, { disk: { ...diskOperations, copyNew: noSpace } }),
    ).rejects.toThrow("no space left");
    const [{ path }] = await listCheckpoints(folder);
    expect(await readCheckpoint(path)).toEqual(checkpoint(1));
  });
});
