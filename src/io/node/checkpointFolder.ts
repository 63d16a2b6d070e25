import { readdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import { ArgumentError, FileFormatError } from "../../graph/errors.ts";
import { checkpointChunks, parseCheckpoint, type TrainingCheckpoint } from "../trainingCheckpoint.ts";
import { codeOf, FileWriteError, readFileBytes, reasonOf } from "./files.ts";
import { diskOperations, type FileOperations, replaceFiles } from "./replaceFiles.ts";

/** A checkpoint in a folder; its step is known from its name. */
export interface CheckpointFile {
  readonly step: number;
  readonly path: string;
}

const namePattern = /^step-(\d{8,15})\.safetensors$/;
/** What a process that was killed while it wrote leaves behind; see `replaceFiles`. */
const leftoverPattern = /^\.step-\d{8,15}\.safetensors\.[0-9a-f-]{36}\.(new|old)$/;

const nameOf = (step: number): string => `step-${String(step).padStart(8, "0")}.safetensors`;

/**
 * The checkpoints in a folder, the earliest first; none where there is no folder.
 * @throws FileFormatError naming a folder that cannot be looked into.
 */
export async function listCheckpoints(folder: string): Promise<CheckpointFile[]> {
  const files = (await namesIn(folder)).flatMap((name) => {
    const step = namePattern.exec(name)?.[1];
    return step === undefined ? [] : [{ step: Number(step), path: join(folder, name) }];
  });
  return files.sort((a, b) => a.step - b.step);
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return [];
    throw new FileFormatError(`${folder}: ${reasonOf(cause)}; expected a folder of checkpoints`, { cause });
  }
}

export interface SaveOptions {
  /** How many checkpoints stay in the folder: the latest. Default: all. */
  readonly keep?: number;
  readonly disk?: FileOperations;
}

/**
 * Writes a checkpoint as `step-<step>.safetensors` (the folder is made where missing): in full beside its target, synced,
 * then renamed. Whenever the process ends, each checkpoint in the folder is whole. Only when the new one stands, all but
 * the last `keep` are removed.
 * @throws ArgumentError for a `keep` below 1; FileWriteError naming the path and the reason (a full disk, say): every
 * earlier checkpoint is still there then.
 */
export async function saveCheckpoint(
  folder: string,
  checkpoint: TrainingCheckpoint,
  { keep = Number.POSITIVE_INFINITY, disk = diskOperations }: SaveOptions = {},
): Promise<CheckpointFile> {
  if (!(keep >= 1)) throw new ArgumentError(`saveCheckpoint: keep ${keep} is not at least 1`);
  const { step } = checkpoint;
  await replaceFiles(folder, [{ name: nameOf(step), chunks: checkpointChunks(checkpoint) }], disk);
  const files = await listCheckpoints(folder);
  for (const { path } of files.slice(0, Math.max(0, files.length - keep))) {
    try {
      await disk.remove(path);
    } catch (cause) {
      throw new FileWriteError(`${path}: an old checkpoint cannot be removed (${reasonOf(cause)})`, {
        cause,
      });
    }
  }
  return { step, path: join(folder, nameOf(step)) };
}

/** @throws FileFormatError naming the path and what is wrong with the file. */
export async function readCheckpoint(path: string): Promise<TrainingCheckpoint> {
  const bytes = await readFileBytes(path, "a checkpoint of a training");
  try {
    return parseCheckpoint(bytes);
  } catch (cause) {
    if (!(cause instanceof FileFormatError)) throw cause;
    throw new FileFormatError(`${path}: ${cause.message}`, { cause });
  }
}

/**
 * Removes the half-written files of processes that were killed, as far as possible. Not while another process writes
 * there.
 */
export async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await namesIn(folder)) {
    if (leftoverPattern.test(name)) await unlink(join(folder, name)).catch(() => undefined);
  }
}
