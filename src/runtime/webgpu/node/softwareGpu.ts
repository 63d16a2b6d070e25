import { existsSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { constants, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { readArchive, writeFolder } from "./archive.ts";

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
  const folder = `fusegrad-swiftshader-${statSync(archive).size}-${process.getuid?.() ?? 0}`;
  return writeFolder(join(tmpdir(), folder), () =>
    readArchive(archive).filter(({ name }) => files.includes(name)),
  );
}
