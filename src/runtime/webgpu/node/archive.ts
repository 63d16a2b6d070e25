import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { brotliDecompressSync } from "node:zlib";

/** A file of an archive: its path, whether it may be executed, and its bytes. */
export interface ArchiveFile {
  readonly name: string;
  readonly content: Uint8Array;
}

/** The files of `path`, a tar archive packed with Brotli. */
export function readArchive(path: string): ArchiveFile[] {
  return [...entriesOf(brotliDecompressSync(readFileSync(path)))];
}

/** The files of a tar archive: blocks of 512 bytes, each file headed by one with its name and its size in octal. */
function* entriesOf(tar: Uint8Array): Generator<ArchiveFile> {
  const text = (start: number, length: number): string =>
    Buffer.from(tar.subarray(start, start + length))
      .toString("latin1")
      .split("\0")[0];
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0; ) {
    const size = Number.parseInt(text(at + 124, 12), 8);
    const isFile = text(at + 156, 1) !== "5";
    if (isFile)
      yield { name: text(at, 100).replace(/^\.\//, ""), content: tar.subarray(at + 512, at + 512 + size) };
    at += 512 + Math.ceil(size / 512) * 512;
  }
}

/**
 * Writes files into `folder`, all or none: they appear under their folder's name once they are complete. A folder that
 * is there already is left as it is.
 */
export function writeFolder(folder: string, files: () => Iterable<ArchiveFile>): string {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return folder;
  const fresh = `${folder}-${process.pid}`;
  mkdirSync(fresh, { recursive: true, mode: 0o700 });
  for (const { name, content } of files()) {
    mkdirSync(dirname(join(fresh, name)), { recursive: true });
    writeFileSync(join(fresh, name), content, { mode: 0o755 });
  }
  try {
    renameSync(fresh, folder);
  } catch {
    // Another process was faster, and its folder is as good.
    rmSync(fresh, { recursive: true });
  }
  return folder;
}
