import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import { ArgumentError } from "../../graph/errors.ts";
import type { Device } from "../../runtime/device.ts";
import { type Found, type FuzzReport, fuzz, writeRepro } from "../../testing/index.ts";
import { integer, path } from "../arguments.ts";
import { DisagreementsFound, InterruptedError, UsageError } from "../errors.ts";
import { print, printJson, type Terminal } from "../terminal.ts";
import { type FuzzDeviceName, fuzzDeviceName, withDevices } from "./devices.ts";
import { listPlants, runPlanted } from "./plant.ts";
import { describeFound, progressData, progressLine } from "./report.ts";

interface FuzzCommandOptions {
  readonly device: readonly FuzzDeviceName[];
  readonly runs: number;
  readonly time?: number;
  readonly seed: number;
  readonly out?: string;
  readonly ops?: string;
  readonly corpus?: string;
  readonly plant?: string;
  readonly limit: number;
  readonly json?: true;
}

const wasmVariants: readonly FuzzDeviceName[] = ["wasm-unfused", "wasm-plain"];

/** Like `90`, `60s`, `5m` or `2h`, in seconds. */
export function duration(text: string): number {
  const [, number, unit = "s"] = /^(\d+(?:\.\d+)?)([smh])?$/.exec(text) ?? [];
  const seconds = Number(number) * (unit === "h" ? 3600 : unit === "m" ? 60 : 1);
  if (seconds > 0) return seconds;
  throw new InvalidArgumentError("It must be a time like 90, 60s, 5m or 2h.");
}

const devices = (text: string, before: readonly FuzzDeviceName[] = []): readonly FuzzDeviceName[] => [
  ...before,
  ...text.split(",").map(fuzzDeviceName),
];

export function addFuzzCommand(program: Command, terminal: Terminal): void {
  program
    .command("fuzz")
    .description("draw random graphs and compare devices with the reference; status 1 where they disagree")
    .option("--device <name>", "what is compared; may be given more than once (default: wasm)", devices)
    .option("--runs <n>", "the most graphs", integer(1, 1e9), 1000)
    .option("--time <duration>", "the longest time, like 60s or 5m", duration)
    .option("--seed <n>", "seed of everything that is drawn", integer(0, 2 ** 32 - 1), 1)
    .option("--out <folder>", "where a repro file of each disagreement is written", path)
    .option("--ops <list>", "names of ops that graphs consist of, separated by commas", path)
    .option("--limit <n>", "stop after so many disagreements", integer(1, 1e6), 10)
    .option("--corpus <folder>", "where the source of each distinct kernel is written", path)
    .option("--plant <name>", "plant a fault by its name (list: print their names)", path)
    .option("--json", "print lines of JSON")
    .action(async (options: FuzzCommandOptions) => {
      if (options.plant === "list") return listPlants(terminal);
      if (options.plant !== undefined) return runPlanted(options.plant, terminal);
      await runFuzz({ ...options, device: options.device ?? ["wasm"] }, terminal);
    });
}

async function runFuzz(options: FuzzCommandOptions, terminal: Terminal): Promise<void> {
  const variants = options.device.includes("wasm")
    ? wasmVariants.filter((name) => !options.device.includes(name))
    : [];
  const report = await withDevices([...options.device, ...variants], (opened) =>
    fuzzOn(opened.slice(0, options.device.length), opened.slice(options.device.length), options, terminal),
  );
  if (options.json) printJson(terminal, progressData(report, true));
  else print(terminal, progressLine(report));
  if (terminal.signal.aborted) throw new InterruptedError("fuzz");
  if (report.disagreements.length > 0) throw new DisagreementsFound("devices disagree");
}

async function fuzzOn(
  on: readonly Device[],
  variants: readonly Device[],
  options: FuzzCommandOptions,
  terminal: Terminal,
): Promise<FuzzReport> {
  const { seed, runs, time, ops, out, corpus, json, limit } = options;
  let shown = performance.now();
  const found: Found[] = [];
  const kernels = corpus === undefined ? undefined : await Corpus.in(corpus);
  if (out !== undefined) await mkdir(out, { recursive: true });
  const judges = kernels ? [...on, ...variants].map((device) => kernels.watch(device)) : [...on, ...variants];
  try {
    return await fuzz({
      seed,
      runs,
      ...(time === undefined ? {} : { time }),
      ...(ops === undefined ? {} : { ops: ops.split(",").map((name) => name.trim()) }),
      devices: judges.slice(0, on.length),
      variants: judges.slice(on.length),
      signal: terminal.signal,
      maxDisagreements: limit,
      onDisagreement: (one) => {
        found.push(one);
        const { oracle, device, message } = one.disagreement;
        if (json)
          printJson(terminal, {
            final: false,
            case: one.number,
            seed,
            oracle,
            device,
            message,
            steps: one.smallest.graph.steps.length,
          });
        else print(terminal, describeFound(one));
      },
      onProgress: (report) => {
        if (performance.now() - shown < 5000) return;
        shown = performance.now();
        if (json) printJson(terminal, progressData(report, false));
        else print(terminal, progressLine(report));
      },
    });
  } catch (error) {
    if (error instanceof ArgumentError) throw new UsageError(error.message, { cause: error });
    throw error;
  } finally {
    if (out !== undefined) for (const one of found) await writeFound(one, out, options, terminal);
    await kernels?.write();
  }
}

async function writeFound(
  found: Found,
  out: string,
  { device, json }: FuzzCommandOptions,
  terminal: Terminal,
): Promise<void> {
  const { seed, number, smallest, disagreement } = found;
  const file = join(out, `case-${seed}-${number}.json`);
  const text = writeRepro({
    fuzzCase: smallest,
    devices: [...new Set([...device, disagreement.device])],
    versions: {
      node: process.versions.node,
      v8: process.versions.v8,
      platform: `${process.platform} ${process.arch}`,
    },
    found: `${disagreement.oracle} on ${disagreement.device}: ${disagreement.message}`,
  });
  await writeFile(file, text);
  if (!json) print(terminal, `wrote ${file}: fusegrad replay ${file}`);
}

/** The sources of distinct kernels, to be written into a folder. */
class Corpus {
  readonly #folder: string;
  readonly #sources = new Map<string, string>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  static async in(folder: string): Promise<Corpus> {
    await mkdir(folder, { recursive: true });
    return new Corpus(folder);
  }

  /** The device itself, whose kernels are kept from now on. */
  watch(device: Device): Device {
    const prepare = device.prepare.bind(device);
    return Object.assign(device, {
      prepare: (program: Parameters<Device["prepare"]>[0]) => {
        const executable = prepare(program);
        const extension = device.name === "webgpu" ? "wgsl" : device.name.startsWith("wasm") ? "wat" : "txt";
        for (const { source } of executable.kernels) {
          const name = createHash("sha256").update(source).digest("hex").slice(0, 16);
          this.#sources.set(`${device.name}-${name}.${extension}`, source);
        }
        return executable;
      },
    });
  }

  async write(): Promise<void> {
    for (const [name, source] of this.#sources) await writeFile(join(this.#folder, name), source);
  }
}
