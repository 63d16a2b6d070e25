import { readFile, rename, writeFile } from "node:fs/promises";
import { Command, InvalidArgumentError, Option } from "commander";
import { currentEngine } from "../engine/current.ts";
import {
  type BoundedName,
  boundedFunctions,
  floatsFrom,
  measureUlps,
  type UlpError,
} from "../testing/ulps.ts";
import { type DeviceName, deviceNames, onDevice } from "./devices.ts";

const block = 2 ** 20;

/** How far the measurement of a function has come: the next float's bits, and the worst so far. */
interface Progress extends UlpError {
  readonly next: number;
}

interface Options {
  readonly device: DeviceName;
  readonly every: number;
  readonly only?: BoundedName;
  readonly state?: string;
}

const names = Object.keys(boundedFunctions) as BoundedName[];

function stride(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new InvalidArgumentError("wanted an integer of at least 1");
  return value;
}

/** What earlier runs have measured; nothing where there is no such file. */
async function load(file: string | undefined): Promise<Record<string, Progress>> {
  if (file === undefined) return {};
  try {
    return JSON.parse(await readFile(file, "utf8")) as Record<string, Progress>;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return {};
    throw error;
  }
}

async function measure(
  name: BoundedName,
  { device, every }: Options,
  start: Progress,
  keep: (progress: Progress) => Promise<void>,
): Promise<Progress> {
  let worst = start;
  for (let first = start.next; first < 2 ** 32; first += every * block) {
    const count = Math.min(block, Math.ceil((2 ** 32 - first) / every));
    const found = await measureUlps(currentEngine().defaultDevice, name, floatsFrom(first, every, count), {
      mayFlush: device === "webgpu",
    });
    const next = first + every * block;
    worst = found.ulps > worst.ulps ? { ...found, next } : { ...worst, next };
    await keep(worst);
    if (process.stderr.isTTY) process.stderr.write(`\r${name} ${((100 * next) / 2 ** 32).toFixed(1)} %   `);
  }
  return worst;
}

const command = new Command("ulp")
  .description("Measure the greatest errors of math functions over all floats; of pow, over a pair for each.")
  .addOption(new Option("--device <name>", "what computes").choices(deviceNames).default(deviceNames[0]))
  .option("--every <n>", "take every nth float; 1 takes all, which is hours of work", stride, 997)
  .addOption(new Option("--only <name>", "one function alone").choices(names))
  .option("--state <file>", "go on where an earlier run with this file was stopped")
  .action(async (options: Options) => {
    const { device, every, only, state } = options;
    const known = await load(state);
    await onDevice(device, 0, async () => {
      console.log(
        `| function on ${device} | floats | greatest error, ulp | at | bound |\n|---|---|--:|--:|--:|`,
      );
      for (const name of only ? [only] : names) {
        const key = `${device} ${name} every ${every}`;
        const keep = async (progress: Progress): Promise<void> => {
          known[key] = { ...progress, at: progress.at };
          if (state === undefined) return;
          await writeFile(`${state}.part`, JSON.stringify(known));
          await rename(`${state}.part`, state);
        };
        const start = known[key] ?? { ulps: 0, at: 0, next: 0 };
        const { ulps, at, second } = await measure(name, options, start, keep);
        const { bound } = boundedFunctions[name];
        const floats = every === 1 ? "all" : `every ${every}th`;
        const where = second === undefined ? `${at}` : `${at}, ${second}`;
        console.log(`| ${name} | ${floats} | ${ulps.toFixed(3)} | ${where} | ${bound} |`);
        if (ulps > bound) process.exitCode = 1;
      }
    });
  });
await command.parseAsync();
