import { access, constants, mkdir, writeFile } from "node:fs/promises";
import { codeOf, FileWriteError, reasonOf } from "../io/node/files.ts";
import { UsageError } from "./errors.ts";

/** Makes the folder that --out names, unless it is there. @throws UsageError where it cannot be written to. */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
    await access(path, constants.W_OK);
  } catch (cause) {
    const reason = codeOf(cause) === "EEXIST" ? "it is a file" : reasonOf(cause);
    throw new UsageError(`${path}: cannot be written to (${reason}); give --out another folder`, { cause });
  }
}

/** Writes a page. @throws FileWriteError naming the file. */
export async function writePage(file: string, page: string): Promise<void> {
  try {
    await writeFile(file, page);
  } catch (cause) {
    throw new FileWriteError(`${file}: cannot be written (${reasonOf(cause)})`, { cause });
  }
}
