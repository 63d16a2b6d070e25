import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { constants, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { brotliDecompressSync } from "node:zlib";

/** Keeps a library mapped although Node, finding no addon in it, closes it again. */
const keepMapped = 0x1000;

const files = ["libvulkan.so.1", "libvk_swiftshader.so", "vk_swiftshader_icd.json"];

/**
 * Makes the GPU in software (SwiftShader) that the package `@sparticuz/chromium` carries the Vulkan driver of this
 * process. Call it before an adapter is asked for. Returns false where the package is not installed, or elsewhere
 * than on Linux on x64.
 */
export function softwareGpu(): boolean {
  if (process.platform !== "linux" || process.arch !== "x64") return false;
  let archive: string;
  try {
    const entry = createRequire(import.meta.url).resolve("@sparticuz/chromium");
    archive = findArchive(dirname(entry));
  } catch {
    return false;
  }
  const folder = unpack(archive);
  process.env.VK_DRIVER_FILES = join(folder, "vk_swiftshader_icd.json");
  try {
    process.dlopen({ exports: {} }, join(folder, "libvulkan.so.1"), constants.dlopen.RTLD_NOW | keepMapped);
  } catch {
    // It is no addon of Node's, which says so; it is mapped all the same, where Dawn finds it by its name.
  }
  return true;
}

/** Whether this is a Linux without any Vulkan driver: asking for an adapter there would only make noise. */
export function vulkanIsMissing(): boolean {
  if (process.platform !== "linux") return false;
  try {
    process.dlopen({ exports: {} }, "libvulkan.so.1");
  } catch (error) {
    return String(error).includes("cannot open shared object file");
  }
  return false;
}

function findArchive(from: string): string {
  for (let folder = from; folder !== dirname(folder); folder = dirname(folder)) {
    const archive = join(folder, "bin", "swiftshader.tar.br");
    if (existsSync(archive)) return archive;
  }
  throw new Error(`no swiftshader.tar.br above ${from}`);
}

/** Unpacks what is needed into a folder of temporary files, once; the archive's size tells versions apart. */
function unpack(archive: string): string {
  const packed = readFileSync(archive);
  const folder = join(tmpdir(), `fusegrad-swiftshader-${packed.length}-${process.getuid?.() ?? 0}`);
  if (files.every((name) => existsSync(join(folder, name)))) return folder;
  const fresh = `${folder}-${process.pid}`;
  mkdirSync(fresh, { recursive: true, mode: 0o700 });
  for (const { name, content } of entriesOf(brotliDecompressSync(packed))) {
    if (files.includes(name)) writeFileSync(join(fresh, name), content, { mode: 0o755 });
  }
  try {
    renameSync(fresh, folder);
  } catch {
    // Another process was faster, and its folder is as good.
    rmSync(fresh, { recursive: true });
  }
  return folder;
}

/** The files of a tar archive: blocks of 512 bytes, each file headed by one with its name and its size in octal. */
function* entriesOf(tar: Uint8Array): Generator<{ readonly name: string; readonly content: Uint8Array }> {
  const text = (start: number, length: number): string =>
    Buffer.from(tar.subarray(start, start + length))
      .toString("latin1")
      .split("\0")[0];
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0; ) {
    const size = Number.parseInt(text(at + 124, 12), 8);
    yield { name: text(at, 100).replace(/^\.\//, ""), content: tar.subarray(at + 512, at + 512 + size) };
    at += 512 + Math.ceil(size / 512) * 512;
  }
}
