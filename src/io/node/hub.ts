import { type FileHandle, mkdir, open, rename, rm, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { ArgumentError, FileFormatError, FusegradError } from "../../graph/errors.ts";
import { FileWriteError, reasonOf } from "./files.ts";
import { fileNames, shardsOf } from "./modelFolder.ts";

/** A model that could not be fetched: there is none of that name, it is not open to all, or the connection failed. */
export class DownloadError extends FusegradError {}

/** How much of a download is done, over all of its files. */
export interface DownloadProgress {
  readonly bytes: number;
  readonly totalBytes: number;
  /** The file whose bytes came last. */
  readonly file: string;
}

export interface DownloadOptions {
  /** Branch, tag or commit. "main" by default. */
  readonly revision?: string;
  /** Where models are kept; by default `fusegrad` in the user's cache folder. */
  readonly cacheFolder?: string;
  /** For models that are not open to all. */
  readonly accessToken?: string;
  readonly onProgress?: (progress: DownloadProgress) => void;
  /** Stops the download; the promise is then rejected with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Another hub that speaks the same language. */
  readonly hubUrl?: string;
}

/** A file of the hub's listing. */
interface RemoteFile {
  readonly path: string;
  readonly size: number;
  /** Of the content, so that equal ids mean equal files. */
  readonly id: string;
}

const namePattern = /^[A-Za-z0-9][\w.-]*(\/[A-Za-z0-9][\w.-]*)?$/;
const revisionPattern = /^[A-Za-z0-9][\w.-]*$/;

/** Whether a text could be a model's name on the hub ("bert-base-uncased", "google/electra-small-discriminator"). */
export function isHubName(name: string): boolean {
  return namePattern.test(name) && !name.includes("..");
}

/**
 * Fetches what `readModelFolder` reads (configuration, tokenizer, weights) of a model on the Hugging Face hub into the
 * cache, and gives the folder there. Files that are there already are not fetched again, and without a connection they
 * do. A file is whole before it gets its name: a download that was cut off leaves none that looks finished.
 *
 * Needs the package `@huggingface/hub`, which is imported at the first call.
 *
 * @throws ArgumentError for a name that is none, or without that package; DownloadError as it says; FileFormatError for a
 * model without safetensors; FileWriteError when the disk refuses.
 */
export async function downloadModel(name: string, options: DownloadOptions = {}): Promise<string> {
  const { revision = "main", cacheFolder = defaultCache(), signal } = options;
  if (!isHubName(name)) {
    throw new ArgumentError(`${name}: no name of a model on the hub; wanted "name" or "owner/name"`);
  }
  if (!revisionPattern.test(revision))
    throw new ArgumentError(`revision ${revision}: wanted a branch, tag or commit`);
  const folder = join(cacheFolder, ...name.split("/"), revision);
  const hub = new Hub(await importHub(), name, { ...options, revision });
  let files: ReadonlyMap<string, RemoteFile>;
  try {
    files = await hub.list();
  } catch (error) {
    signal?.throwIfAborted();
    // Without a connection, what was fetched before will do; any answer of the hub counts.
    if (!(error instanceof DownloadError && error.cause instanceof TypeError) || !(await isComplete(folder)))
      throw error;
    return folder;
  }
  await makeFolder(folder);
  const small = [fileNames.config, fileNames.tokenizer].filter((file) => files.has(file));
  if (!files.has(fileNames.config)) throw new FileFormatError(`${name}: it has no ${fileNames.config}`);
  const download = new Download(hub, folder, files, options);
  if (files.has(fileNames.weights)) await download.fetchAll([...small, fileNames.weights]);
  else if (files.has(fileNames.index)) {
    await download.fetchAll([fileNames.index]);
    await download.fetchAll([...small, ...(await shardsOf(folder))]);
  } else {
    throw new FileFormatError(
      `${name}: it has no weights in the safetensors format (${fileNames.weights} or ${fileNames.index}); ` +
        "choose a revision that does, or convert it",
    );
  }
  return folder;
}

type HubPackage = typeof import("@huggingface/hub");

async function importHub(): Promise<HubPackage> {
  try {
    return await import("@huggingface/hub");
  } catch (cause) {
    throw new ArgumentError(
      'models of the hub need the package @huggingface/hub: run "npm install @huggingface/hub"',
      { cause },
    );
  }
}

/** One model on the hub. */
class Hub {
  readonly #package: HubPackage;
  readonly #name: string;
  readonly #request: { readonly repo: string; readonly revision: string; readonly fetch: typeof fetch };

  constructor(
    hubPackage: HubPackage,
    name: string,
    { revision = "main", accessToken, signal, hubUrl }: DownloadOptions,
  ) {
    this.#package = hubPackage;
    this.#name = name;
    this.#request = {
      repo: name,
      revision,
      fetch: (input, init) => fetch(input, { ...init, signal }),
      ...(accessToken !== undefined && { accessToken }),
      ...(hubUrl !== undefined && { hubUrl }),
    };
  }

  /** The files in the model's own folder. */
  async list(): Promise<ReadonlyMap<string, RemoteFile>> {
    return this.#attempt("its files", async () => {
      const files = new Map<string, RemoteFile>();
      for await (const { type, path, size, oid, lfs } of this.#package.listFiles(this.#request)) {
        if (type === "file") files.set(path, { path, size, id: lfs?.oid ?? oid ?? "" });
      }
      return files;
    });
  }

  /** The bytes of a file, piece by piece. */
  async *chunks({ path }: RemoteFile): AsyncGenerator<Uint8Array> {
    const blob = await this.#attempt(path, () =>
      this.#package.downloadFile({ ...this.#request, path, xet: false }),
    );
    if (blob === null) throw new DownloadError(`${this.#name}: the hub lists ${path}, but does not have it`);
    const reader = blob.stream().getReader();
    try {
      for (;;) {
        const { done, value } = await this.#attempt(path, () => reader.read());
        if (done) return;
        yield value;
      }
    } finally {
      // What was not read to its end is let go; if it broke, it is gone already.
      await reader.cancel().catch(() => undefined);
    }
  }

  async #attempt<T>(what: string, run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (cause) {
      throw new DownloadError(`${this.#name}: ${what} could not be fetched: ${this.#reasonOf(cause)}`, {
        cause,
      });
    }
  }

  #reasonOf(error: unknown): string {
    if (error instanceof this.#package.HubApiError) {
      switch (error.statusCode) {
        case 401:
        case 403:
          return "it is not there, or not open to all; check the name, or give an accessToken that may read it";
        case 404:
          return "the hub has no model of that name and revision";
        default:
          return `the hub answered with status ${error.statusCode}`;
      }
    }
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return cause instanceof Error ? cause.message : String(cause);
  }
}

/** The fetching of several files, with one progress for all. */
class Download {
  readonly #hub: Hub;
  readonly #folder: string;
  readonly #files: ReadonlyMap<string, RemoteFile>;
  readonly #options: DownloadOptions;
  #bytes = 0;
  #totalBytes = 0;

  constructor(hub: Hub, folder: string, files: ReadonlyMap<string, RemoteFile>, options: DownloadOptions) {
    this.#hub = hub;
    this.#folder = folder;
    this.#files = files;
    this.#options = options;
  }

  /** @throws DownloadError for a file that the hub does not list. */
  async fetchAll(names: readonly string[]): Promise<void> {
    const files = names.map((name) => {
      const file = this.#files.get(name);
      if (file === undefined)
        throw new DownloadError(`the hub does not have ${name}, which its own index names`);
      return file;
    });
    this.#totalBytes += files.reduce((total, { size }) => total + size, 0);
    for (const file of files) {
      if (await isFetched(this.#folder, file)) this.#advance(file, file.size);
      else await this.#fetch(file);
    }
  }

  async #fetch(file: RemoteFile): Promise<void> {
    const target = join(this.#folder, file.path);
    const temporary = `${target}.${process.pid}.part`;
    let written = 0;
    try {
      const handle = await attemptWrite(temporary, () => open(temporary, "w"));
      try {
        for await (const chunk of this.#hub.chunks(file)) {
          written += chunk.byteLength;
          if (written > file.size) break;
          await attemptWrite(temporary, () => writeWhole(handle, chunk));
          this.#advance(file, chunk.byteLength);
        }
        await attemptWrite(temporary, () => handle.sync());
      } finally {
        await handle.close();
      }
      if (written !== file.size) {
        throw new DownloadError(
          `${file.path}: ${written > file.size ? "more than" : `${written} of`} ${file.size} bytes came; try again`,
        );
      }
      // The note comes first: a file without a note of its own content is fetched again.
      await attemptWrite(target, async () => {
        await rm(target, { force: true });
        await writeNote(this.#folder, file);
        await rename(temporary, target);
      });
    } catch (error) {
      await rm(temporary, { force: true });
      this.#options.signal?.throwIfAborted();
      throw error;
    }
  }

  #advance({ path }: RemoteFile, bytes: number): void {
    this.#bytes += bytes;
    this.#options.onProgress?.({ bytes: this.#bytes, totalBytes: this.#totalBytes, file: path });
  }
}

/** Whether a file of this content is in the folder. */
async function isFetched(folder: string, { path, size, id }: RemoteFile): Promise<boolean> {
  const target = join(folder, path);
  const stats = await stat(target).catch(() => undefined);
  return stats?.size === size && (await readNote(folder, path)) === id;
}

/** Whether a folder of the cache has everything that a model needs, from an earlier download. */
async function isComplete(folder: string): Promise<boolean> {
  const there = async (name: string): Promise<boolean> =>
    (await stat(join(folder, name)).catch(() => undefined))?.isFile() ?? false;
  if (!(await there(fileNames.config))) return false;
  if (await there(fileNames.weights)) return true;
  if (!(await there(fileNames.index))) return false;
  const shards = await shardsOf(folder).catch(() => []);
  return shards.length > 0 && (await Promise.all(shards.map(there))).every(Boolean);
}

// Beside each file lies a note with the hub's id of its content.

const noteOf = (path: string): string => `.${path}.id`;

async function readNote(folder: string, path: string): Promise<string | undefined> {
  const handle = await open(join(folder, noteOf(path))).catch(() => undefined);
  if (handle === undefined) return undefined;
  return handle.readFile("utf8").finally(() => handle.close());
}

async function writeNote(folder: string, { path, id }: RemoteFile): Promise<void> {
  const handle = await open(join(folder, noteOf(path)), "w");
  await handle.writeFile(id).finally(() => handle.close());
}

async function writeWhole(handle: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let offset = 0; offset < chunk.byteLength; ) {
    offset += (await handle.write(chunk, offset)).bytesWritten;
  }
}

async function makeFolder(folder: string): Promise<void> {
  await attemptWrite(folder, () => mkdir(folder, { recursive: true }));
}

async function attemptWrite<T>(path: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    throw new FileWriteError(`${path}: cannot be written (${reasonOf(cause)})`, { cause });
  }
}

function defaultCache(): string {
  return join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "fusegrad");
}
