import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { DisagreementsFound, UsageError } from "../errors.ts";
import { print, type Terminal } from "../terminal.ts";
import { plants } from "./plants/index.ts";
import type { Plant } from "./plants/plant.ts";

/** The part of rolldown's interface that is used. */
interface Rolldown {
  build(options: object): Promise<unknown>;
}

/** Prints the names of all faults, with what each is. */
export function listPlants(terminal: Terminal): void {
  for (const [name, { file, fault }] of Object.entries(plants))
    print(terminal, `${name}: ${fault} (${file})`);
}

/** The folder of the package, two above this file in its source and one more in its bundle. */
function packageRoot(): string {
  for (const up of ["../../", "../../../"]) {
    const folder = fileURLToPath(new URL(up, import.meta.url));
    if (existsSync(join(folder, "package.json"))) return folder;
  }
  throw new UsageError("the package's folder was not found");
}

/**
 * Builds the command with one place of its source changed, into the cache, and gives the file. Nothing of the source is
 * touched.
 * @throws UsageError for an unknown name, and where the package was installed without its source.
 */
export async function buildPlanted(name: string): Promise<string> {
  if (!Object.hasOwn(plants, name))
    throw new UsageError(`no fault is named ${name}; "fuzz --plant list" prints their names`);
  const plant: Plant = plants[name];
  const root = packageRoot();
  if (!existsSync(join(root, "src", plant.file)))
    throw new UsageError(
      `--plant needs the source, which an installed package has not: clone the repository`,
    );
  const patched = patchedSource(root, plant);
  const { build } = loadRolldown(root);
  const out = join(root, ".cache", "plant", `${name}.mjs`);
  await build({
    input: join(root, "src", "cli", "fusegrad.ts"),
    platform: "node",
    external: ["webgpu", "@huggingface/hub", "@sparticuz/chromium"],
    logLevel: "silent",
    plugins: [
      {
        name: "plant",
        load(id: string) {
          return id === patched.file ? { code: patched.code, moduleType: "ts" } : undefined;
        },
      },
    ],
    output: { file: out, format: "esm", codeSplitting: false },
  });
  return out;
}

function patchedSource(
  root: string,
  { file, text, becomes }: Plant,
): { readonly file: string; readonly code: string } {
  const path = join(root, "src", file);
  const [before, ...after] = readFileSync(path, "utf8").split(text);
  if (after.length !== 1)
    throw new UsageError(`${file} has the text of the fault ${after.length} times, wanted once`);
  return { file: path, code: before + becomes + after[0] };
}

/** The bundler comes with the tools of the repository. */
function loadRolldown(root: string): Rolldown {
  try {
    const tools = createRequire(join(root, "package.json")).resolve("tsdown");
    return createRequire(tools)("rolldown") as Rolldown; // its own interface, of which this is a part
  } catch (cause) {
    throw new UsageError("--plant needs the tools of the repository: run npm ci", { cause });
  }
}

/** Runs the same command, without `--plant`, with a fault in it. @throws DisagreementsFound where the fault was found. */
export async function runPlanted(name: string, terminal: Terminal): Promise<void> {
  const file = await buildPlanted(name);
  const given = process.argv.slice(2);
  const at = given.indexOf("--plant");
  const args = at < 0 ? given.filter((arg) => !arg.startsWith("--plant=")) : given.toSpliced(at, 2);
  const status = await runNode([file, ...args], terminal);
  if (status === 1) throw new DisagreementsFound("devices disagree");
  if (status !== 0) throw new UsageError(`the command with the fault ${name} ended with status ${status}`);
}

function runNode(args: readonly string[], terminal: Terminal): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, {
      stdio: ["ignore", "pipe", "pipe"],
      signal: terminal.signal,
    });
    child.stdout.pipe(terminal.stdout, { end: false });
    child.stderr.pipe(terminal.stderr, { end: false });
    child.on("error", reject);
    child.on("close", (status) => resolve(status ?? 2));
  });
}
