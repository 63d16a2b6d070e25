import { constants, type Stats } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { FileFormatError, FusegradError } from "../../graph/errors.ts";

/**
 * A file or folder that could not be written; what stood there before still stands, unless the message says
 * otherwise.
 */
export class FileWriteError extends FusegradError {}

/** Text beyond this many bytes may not fit into one string (V8 holds 2^29 - 24 characters). */
const maximumTextBytes = 2 ** 29 - 24;

/** One read asks for at most this much: Linux and Node cap a single read below 2 GiB. */
const readBytes = 2 ** 30;

/**
 * The text of a UTF-8 file; a byte order mark at its start is dropped. `expected` names for messages what the
 * file should hold.
 * @throws FileFormatError naming the path for a file that is missing, empty, unreadable, a folder, a device
 * or a pipe, above 512 MiB, or not valid UTF-8 (with the position of the first bad byte).
 */
export async function readTextFile(path: string, expected = "UTF-8 text"): Promise<string> {
  const bytes = await readFileBytes(path, expected, maximumTextBytes);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    const message = `${path}: expected ${expected}, but byte ${firstInvalidByte(bytes)} is not valid UTF-8`;
    throw new FileFormatError(`${message}; convert the file to UTF-8`, { cause });
  }
}

/**
 * The bytes of a regular file that is not empty, in a buffer of their own.
 * @throws FileFormatError naming the path, what was expected, and why it could not be read.
 */
export async function readFileBytes(
  path: string,
  expected: string,
  maximumBytes = Number.MAX_SAFE_INTEGER,
): Promise<Uint8Array> {
  // Asked before opening: opening a pipe would wait for whoever writes into it.
  checkRegular(path, expected, await statOrFail(path, expected));
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, constants.O_RDONLY);
    const stats = await handle.stat();
    checkRegular(path, expected, stats);
    if (stats.size > maximumBytes) {
      throw new FileFormatError(
        `${path}: ${stats.size} bytes, expected ${expected} of at most ${maximumBytes} bytes`,
      );
    }
    return await readWhole(handle, path, stats.size);
  } catch (cause) {
    if (cause instanceof FusegradError) throw cause;
    throw new FileFormatError(`${path}: cannot be read (${reasonOf(cause)}); expected ${expected}`, {
      cause,
    });
  } finally {
    await handle?.close();
  }
}

async function readWhole(handle: FileHandle, path: string, size: number): Promise<Uint8Array> {
  // A RangeError here (more than one buffer may hold) is reported by the caller.
  const bytes = new Uint8Array(size);
  let offset = 0;
  while (offset < size) {
    const { bytesRead } = await handle.read(bytes, offset, Math.min(size - offset, readBytes), offset);
    if (bytesRead === 0) {
      throw new FileFormatError(
        `${path}: it shrank from ${size} to ${offset} bytes while it was read; read it again`,
      );
    }
    offset += bytesRead;
  }
  return bytes;
}

async function statOrFail(path: string, expected: string): Promise<Stats> {
  try {
    return await stat(path);
  } catch (cause) {
    throw new FileFormatError(`${path}: ${reasonOf(cause)}; expected ${expected}`, { cause });
  }
}

function checkRegular(path: string, expected: string, stats: Stats): void {
  if (stats.isDirectory()) throw new FileFormatError(`${path}: it is a folder; expected ${expected}`);
  if (!stats.isFile())
    throw new FileFormatError(`${path}: it is a device or a pipe; expected ${expected} in a file`);
  if (stats.size === 0) throw new FileFormatError(`${path}: the file is empty; expected ${expected}`);
}

/**
 * Checks that `path` is a folder that can be looked into.
 * @throws FileFormatError naming the path otherwise.
 */
export async function checkFolder(path: string, expected: string): Promise<void> {
  if (!(await statOrFail(path, expected)).isDirectory()) {
    throw new FileFormatError(`${path}: it is a file; expected ${expected}`);
  }
}

/**
 * Whether something stands at `path`, be it a file or not.
 * @throws FileFormatError when that cannot be found out (no permission, say).
 */
export async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return false;
    throw new FileFormatError(`${path}: ${reasonOf(cause)}`, { cause });
  }
}

/** Whether a folder stands at `path`. */
export async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
}

/** The system's code of an error ("ENOENT"), if it has one. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** Why a call to the file system failed, in words. */
export function reasonOf(error: unknown): string {
  switch (codeOf(error)) {
    case "ENOENT":
      return "no such file or folder";
    case "EACCES":
    case "EPERM":
      return "permission denied";
    case "EISDIR":
      return "it is a folder";
    case "ENOTDIR":
      return "a part of the path is not a folder";
    case "ELOOP":
      return "symbolic links in a circle";
    case "ENOSPC":
      return "no space left on the disk";
    default:
      return error instanceof Error ? error.message : String(error);
  }
}

/** The position of the first byte at which `bytes` stop being UTF-8. */
function firstInvalidByte(bytes: Uint8Array): number {
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  const encoder = new TextEncoder();
  let position = 0;
  // What could not be decoded became U+FFFD; a U+FFFD that the file itself holds has its own three bytes
  // there.
  for (let start = 0; ; ) {
    const at = text.indexOf("\ufffd", start);
    if (at < 0) return bytes.length;
    position += encoder.encode(text.slice(start, at)).byteLength;
    if (bytes[position] !== 0xef || bytes[position + 1] !== 0xbf || bytes[position + 2] !== 0xbd)
      return position;
    position += 3;
    start = at + 1;
  }
}
