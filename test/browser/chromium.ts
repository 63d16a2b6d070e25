import { readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { brotliDecompressSync } from "node:zlib";
import { readArchive, writeFolder } from "../../src/runtime/webgpu/node/archive.ts";

/** How to start the Chromium of the package `@sparticuz/chromium`, with a GPU in software, WebGPU and WebGL 2. */
export interface ChromiumLaunch {
  readonly executablePath: string;
  readonly args: string[];
  readonly env: Record<string, string>;
}

const flags = [
  "--headless=new",
  "--no-sandbox",
  "--enable-unsafe-webgpu",
  "--use-webgpu-adapter=swiftshader",
  // Clearing the memory of workgroups in unrolled loops keeps the compiler of a GPU in software busy for seconds.
  "--enable-dawn-features=disable_workgroup_init",
  "--enable-unsafe-swiftshader",
  "--use-angle=swiftshader",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
  "--disable-quic",
];

/** Unpacks Chromium with the libraries that it needs into a folder of temporary files, once. Undefined where it does not run. */
export function chromium(): ChromiumLaunch | undefined {
  if (process.platform !== "linux" || process.arch !== "x64") return undefined;
  const bin = join(dirname(createRequire(import.meta.url).resolve("@sparticuz/chromium")), "..", "..", "bin");
  const packed = join(bin, "chromium.br");
  const name = `fusegrad-browser-${statSync(packed).size}-${process.getuid?.() ?? 0}`;
  const folder = join(tmpdir(), name);
  writeFolder(folder, () => [
    { name: "chromium", content: brotliDecompressSync(readFileSync(packed)) },
    ...["al2023", "fonts", "swiftshader"].flatMap((archive) => readArchive(join(bin, `${archive}.tar.br`))),
    { name: "fonts.conf", content: Buffer.from(fontConfiguration(folder)) },
  ]);
  return {
    executablePath: join(folder, "chromium"),
    args: flags,
    // For Chromium alone: a path of libraries set for this process would change what Node itself loads.
    env: { ...environment(), LD_LIBRARY_PATH: join(folder, "lib"), FONTCONFIG_PATH: folder },
  };
}

/** Where the fonts are: the package's own configuration names other folders, and Chromium stops where it finds none. */
function fontConfiguration(folder: string): string {
  return (
    '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">' +
    `<fontconfig><dir>${join(folder, "fonts")}</dir><cachedir>${join(folder, "fonts-cache")}</cachedir></fontconfig>`
  );
}

function environment(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
  );
}
