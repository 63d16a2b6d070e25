import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { fromFloat32 } from "../../src/io/index.ts";
import { FileWriteError, readModelFolder, writeModelFolder } from "../../src/io/node/index.ts";
import { diskOperations, type FileOperations } from "../../src/io/node/replaceFiles.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "fusegrad-replace-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const contents = (version: number) => ({
  config: { version },
  tensors: new Map([["w", fromFloat32(new Float32Array(1000).fill(version), [1000])]]),
  tokenizerJson: { version },
});

type Failure = "error before" | "error after" | "crash before" | "crash midway";

/**
 * The disk, on which call number `failAt` fails: without effect, or with its effect but an error. In a crash
 * nothing works any more from there on; midway it leaves a new file half written.
 */
function failingDisk(
  failAt: number,
  kind: Failure,
): { disk: FileOperations; calls: () => number; log: string[] } {
  let calls = 0;
  const log: string[] = [];
  const guard = async <T>(name: string, run: () => Promise<T>, half?: () => Promise<void>): Promise<T> => {
    const call = calls++;
    log.push(name);
    const isCrash = kind.startsWith("crash");
    if (isCrash ? call < failAt : call !== failAt) return run();
    if (kind === "error after") await run();
    if (kind === "crash midway" && call === failAt) await half?.();
    throw new Error(`injected into ${name}`);
  };
  const real = diskOperations;
  const disk: FileOperations = {
    makeFolder: (path) => guard("makeFolder", () => real.makeFolder(path)),
    isFile: (path) => guard("isFile", () => real.isFile(path)),
    writeNew: (path, chunks) =>
      guard(
        "writeNew",
        () => real.writeNew(path, chunks),
        () => writeFile(path, chunks[0].subarray(0, 5)),
      ),
    copyNew: (from, to) =>
      guard(
        "copyNew",
        () => real.copyNew(from, to),
        () => writeFile(to, "half"),
      ),
    rename: (from, to) => guard(`rename ${to.slice(folder.length + 1)}`, () => real.rename(from, to)),
    remove: (path) => guard("remove", () => real.remove(path)),
    syncFolder: (path) => guard("syncFolder", () => real.syncFolder(path)),
  };
  return { disk, calls: () => calls, log };
}

const names = ["config.json", "model.safetensors", "tokenizer.json"];

type Files = Record<string, string>;

async function visibleFiles(): Promise<Files> {
  const found = (await readdir(folder)).filter((name) => !name.startsWith("."));
  const texts = await Promise.all(found.map((name) => readFile(join(folder, name), "latin1")));
  return Object.fromEntries(found.map((name, i) => [name, texts[i]]));
}

/** The files of version 1 and version 2, as strings; the folder then holds version 1 alone, or nothing. */
async function prepare(start: "existing" | "empty"): Promise<{ before: Files; after: Files }> {
  await writeModelFolder(folder, contents(2));
  const after = await visibleFiles();
  await writeModelFolder(folder, contents(1));
  if (start === "empty") for (const name of names) await rm(join(folder, name));
  return { before: await visibleFiles(), after };
}

async function reset(before: Files): Promise<void> {
  for (const name of await readdir(folder)) await rm(join(folder, name));
  for (const [name, text] of Object.entries(before)) await writeFile(join(folder, name), text, "latin1");
}

test("files are replaced in the order that is promised, when all of them are written", async () => {
  await writeModelFolder(folder, contents(1));
  const { disk, log } = failingDisk(-1, "error before");
  await writeModelFolder(folder, contents(2), disk);
  expect(log.filter((name) => name.startsWith("rename"))).toEqual([
    "rename tokenizer.json",
    "rename model.safetensors",
    "rename config.json",
  ]);
  expect(log.lastIndexOf("writeNew")).toBeLessThan(log.indexOf("rename tokenizer.json"));
  expect(log.lastIndexOf("copyNew")).toBeLessThan(log.indexOf("rename tokenizer.json"));
  expect((await readdir(folder)).sort()).toEqual(names);
});

describe.each(["existing", "empty"] as const)("into a folder that is %s", (start) => {
  test.each(["error before", "error after"] as const)(
    "%s any call: all files are the old ones",
    async (kind) => {
      const { before, after } = await prepare(start);
      let failures = 0;
      for (let failAt = 0; ; failAt++) {
        await reset(before);
        const { disk, calls } = failingDisk(failAt, kind);
        const error = await writeModelFolder(folder, contents(2), disk).catch((reason: unknown) => reason);
        const files = await visibleFiles();
        if (error === undefined) {
          // Nothing failed, or only the removal of what is no longer needed.
          expect(files).toEqual(after);
          if (calls() <= failAt) break;
          continue;
        }
        failures++;
        expect(error).toBeInstanceOf(FileWriteError);
        expect((error as Error).message).toContain("the folder's files are as before");
        expect(files).toEqual(before);
        const hidden = (await readdir(folder)).filter((name) => name.startsWith("."));
        expect(hidden).toEqual([]);
      }
      // A folder, three files to look at, write, copy and rename, a sync.
      expect(failures).toBe(start === "existing" ? 14 : 11);
    },
  );

  test.each(["crash before", "crash midway"] as const)("%s any call: every file is whole", async (kind) => {
    const { before, after } = await prepare(start);
    for (let failAt = 0; ; failAt++) {
      await reset(before);
      const { disk, calls, log } = failingDisk(failAt, kind);
      await writeModelFolder(folder, contents(2), disk).catch(() => undefined);
      const files = await visibleFiles();
      for (const name of names) expect([before[name], after[name]]).toContain(files[name]);
      const renamed = log.slice(0, failAt).filter((entry) => entry.startsWith("rename")).length;
      if (renamed === 0) expect(files).toEqual(before);
      if (renamed === 3) expect(files).toEqual(after);
      // The configuration comes last: a new folder that has one is finished.
      if (start === "empty" && "config.json" in files) {
        expect((await readModelFolder(folder)).config).toEqual({ version: 2 });
        expect(files).toEqual(after);
      }
      if (calls() <= failAt) break;
    }
  });
});

test("when even putting back fails, the message says where the old content is", async () => {
  await writeModelFolder(folder, contents(1));
  const old = await visibleFiles();
  let renames = 0;
  const disk: FileOperations = {
    ...diskOperations,
    rename: async (from, to) => {
      if (++renames >= 2) throw new Error("injected");
      await diskOperations.rename(from, to);
    },
  };
  const error = await writeModelFolder(folder, contents(2), disk).catch((reason: unknown) => reason as Error);
  expect(error).toBeInstanceOf(FileWriteError);
  const backup = /tokenizer\.json \(its old content is in (.*?\.old)\)/.exec(error?.message ?? "")?.[1];
  expect(await readFile(backup ?? "", "latin1")).toBe(old["tokenizer.json"]);
});
