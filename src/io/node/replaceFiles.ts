import { constants } from "node:fs";
import { copyFile, mkdir, open, rename, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { codeOf, FileWriteError, reasonOf } from "./files.ts";

/** The calls to the file system that replacing files makes; tests let them fail one by one. */
export interface FileOperations {
  makeFolder(path: string): Promise<void>;
  /** Whether a regular file stands at `path`; false for nothing, an error for anything else. */
  isFile(path: string): Promise<boolean>;
  /** Writes a new file, and returns when it is on the disk. */
  writeNew(path: string, chunks: readonly Uint8Array[]): Promise<void>;
  copyNew(from: string, to: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Brings a folder's own entries to the disk, where the system can. */
  syncFolder(path: string): Promise<void>;
}

/** One write asks for at most this much: Linux and Node cap a single write below 2 GiB. */
const writeBytes = 2 ** 30;

export const diskOperations: FileOperations = {
  async makeFolder(path) {
    await mkdir(path, { recursive: true });
  },
  async isFile(path) {
    try {
      const stats = await stat(path);
      if (!stats.isFile()) throw new FileWriteError("what stands there is not a file; move it away");
      return true;
    } catch (error) {
      if (codeOf(error) === "ENOENT") return false;
      throw error;
    }
  },
  async writeNew(path, chunks) {
    // "wx" refuses what is already there, a symbolic link that someone planted included.
    const handle = await open(path, "wx");
    try {
      for (const chunk of chunks) {
        for (let offset = 0; offset < chunk.byteLength; ) {
          const { bytesWritten } = await handle.write(
            chunk,
            offset,
            Math.min(chunk.byteLength - offset, writeBytes),
          );
          offset += bytesWritten;
        }
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
  async copyNew(from, to) {
    await copyFile(from, to, constants.COPYFILE_EXCL);
  },
  rename,
  async remove(path) {
    await unlink(path).catch((error: unknown) => {
      if (codeOf(error) !== "ENOENT") throw error;
    });
  },
  async syncFolder(path) {
    try {
      const handle = await open(path, "r");
      await handle.sync().finally(() => handle.close());
    } catch (error) {
      // Windows opens no folders, and some file systems do not sync them: then the rename alone must do.
      if (!["EPERM", "EACCES", "EISDIR", "EINVAL", "ENOTSUP"].includes(codeOf(error) ?? "")) throw error;
    }
  },
};

/** A file to be put into a folder: its name there, and its bytes in pieces. */
export interface NewFile {
  readonly name: string;
  readonly chunks: readonly Uint8Array[];
}

interface Replacement {
  readonly target: string;
  readonly temporary: string;
  /** A copy of the file that the target held; undefined where there was none. */
  readonly backup: string | undefined;
}

/**
 * Writes several files into a folder (made where missing), replacing those of the same names, in the order
 * given.
 *
 * 1. Each file is written in full beside its target under a temporary name, and brought to the disk; each old
 *    one is copied likewise. Until here the old files are untouched.
 * 2. Each is renamed over its target, which is atomic; a symbolic link at the target is replaced, not
 *    followed.
 *
 * An error undoes what was done: the old files stand as before. After a crash each file is whole, the old or
 * the new one, and all of them are old unless it fell between the renames of step 2; temporary files
 * (`.<name>.<id>.new` and `.old`) may be left, which nothing reads.
 *
 * @throws FileWriteError naming the path and the reason.
 */
export async function replaceFiles(
  folder: string,
  files: readonly NewFile[],
  disk: FileOperations = diskOperations,
): Promise<void> {
  const id = globalThis.crypto.randomUUID();
  const temporaries: string[] = [];
  const done: Replacement[] = [];
  let current = folder;
  try {
    await disk.makeFolder(folder);
    const replacements: Replacement[] = [];
    for (const { name, chunks } of files) {
      const target = join(folder, name);
      current = target;
      const temporary = join(folder, `.${name}.${id}.new`);
      const old = join(folder, `.${name}.${id}.old`);
      const isReplaced = await disk.isFile(target);
      temporaries.push(temporary);
      await disk.writeNew(temporary, chunks);
      if (isReplaced) {
        temporaries.push(old);
        await disk.copyNew(target, old);
      }
      replacements.push({ target, temporary, backup: isReplaced ? old : undefined });
    }
    for (const replacement of replacements) {
      current = replacement.target;
      // Noted before the call, which may have worked although it reports an error.
      done.push(replacement);
      await disk.rename(replacement.temporary, replacement.target);
    }
    current = folder;
    await disk.syncFolder(folder);
  } catch (cause) {
    const lost = await undo(done, disk);
    await removeAll(temporaries, lost, disk);
    const left = lost.map(({ target, backup }) =>
      backup ? `${target} (its old content is in ${backup})` : target,
    );
    const state =
      left.length === 0 ? "the folder's files are as before" : `could not be restored: ${left.join(", ")}`;
    throw new FileWriteError(`${current}: cannot be written (${reasonOf(cause)}); ${state}`, { cause });
  }
  await removeAll(temporaries, [], disk);
}

/** Puts the old files back, the last replaced first; returns those for which that failed. */
async function undo(done: readonly Replacement[], disk: FileOperations): Promise<Replacement[]> {
  const lost: Replacement[] = [];
  for (const replacement of [...done].reverse()) {
    try {
      if (replacement.backup === undefined) await disk.remove(replacement.target);
      else await disk.rename(replacement.backup, replacement.target);
    } catch {
      lost.push(replacement);
    }
  }
  return lost;
}

/**
 * Removes temporary files as far as possible (what stays does no harm), but never the last copy of an old
 * file.
 */
async function removeAll(
  paths: readonly string[],
  lost: readonly Replacement[],
  disk: FileOperations,
): Promise<void> {
  for (const path of paths) {
    if (lost.some(({ backup }) => backup === path)) continue;
    await disk.remove(path).catch(() => undefined);
  }
}
