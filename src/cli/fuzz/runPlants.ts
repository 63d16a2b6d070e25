import { spawn } from "node:child_process";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { Command } from "commander";
import { integer, path } from "../arguments.ts";
import { buildPlanted } from "./plant.ts";
import { plants } from "./plants/index.ts";

/** What became of one fault. */
interface Outcome {
  readonly name: string;
  /** Which comparison found it, on which device; undefined for a survivor. */
  readonly by?: string;
  readonly graphs: number;
  /** Of the processor, the start of the program and shrinking included. */
  readonly seconds: number;
  /** Steps of the smallest case. */
  readonly steps?: number;
}

interface Line {
  readonly final: boolean;
  readonly oracle?: string;
  readonly device?: string;
  readonly steps?: number;
  readonly case?: number;
  readonly graphs?: number;
}

/** Faults of WGSL need what runs WGSL; GPUs' loops are run step by step, which finds races; wasm runs all others, and fast. */
function deviceFor(name: string): string {
  const { file } = plants[name];
  if (file.includes("/wgsl/")) return "webgpu";
  return file.includes("/workgroup/") ? "interpreted" : "wasm";
}

/** Runs the fuzzer with a fault in it for so many seconds of the processor at most. */
async function tryPlant(name: string, seconds: number, seed: number): Promise<Outcome> {
  const file = await buildPlanted(name);
  const args = [
    "fuzz",
    "--json",
    "--runs",
    "100000",
    "--seed",
    String(seed),
    "--device",
    deviceFor(name),
    "--limit",
    "1",
  ];
  // ulimit counts the processor's seconds, which a loaded machine does not stretch.
  const command = `ulimit -t ${seconds}; exec "$0" "$@"`;
  const child = spawn("sh", ["-c", command, process.execPath, file, ...args], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (part: string) => {
    text += part;
  });
  await new Promise((resolve, reject) => child.on("close", resolve).on("error", reject));
  await rm(file, { force: true });
  const lines = text
    .split("\n")
    .flatMap((line): Line[] => (line.startsWith("{") ? [JSON.parse(line) as Line] : []));
  const found = lines.find(({ oracle }) => oracle !== undefined);
  const last = lines.findLast(({ graphs }) => graphs !== undefined);
  const graphs = found?.case !== undefined ? found.case + 1 : (last?.graphs ?? 0);
  const used = (last as { readonly cpuSeconds?: number } | undefined)?.cpuSeconds ?? seconds;
  if (!found) return { name, graphs, seconds };
  return { name, by: `${found.oracle} on ${found.device}`, graphs, seconds: used, steps: found.steps };
}

function table(outcomes: readonly Outcome[], seconds: number): string {
  const caught = outcomes.filter(({ by }) => by !== undefined).length;
  const rows = outcomes.map(({ name, by, graphs, seconds: used, steps }) => {
    const { fault } = plants[name];
    return `| ${name} | ${fault} | ${by ?? "not found"} | ${graphs} | ${used.toFixed(1)} | ${steps ?? ""} |`;
  });
  return [
    "# Planted faults",
    "",
    `${caught} of ${outcomes.length} are found within ${seconds} seconds of one core each. Made by \`npm run plant\`; seconds are`,
    "those of the processor until the smallest case was known, and graphs how many had been drawn when the fault was found.",
    "",
    "| fault | what is wrong | found by | graphs | s | steps |",
    "|---|---|---|--:|--:|--:|",
    ...rows,
    "",
  ].join("\n");
}

const command = new Command("plant")
  .description("Plant each fault, run the fuzzer, and write a table of which are found.")
  .option("--only <text>", "names that contain this", path)
  .option("--seconds <n>", "the most seconds of the processor for each", integer(1, 3600), 60)
  .option("--seed <n>", "seed of what is drawn", integer(0, 2 ** 32 - 1), 1)
  .option("--jobs <n>", "how many at a time", integer(1, 64), 1)
  .option("--out <file>", "the table", path)
  .action(
    async (options: {
      readonly only?: string;
      readonly seconds: number;
      readonly seed: number;
      readonly jobs: number;
      readonly out?: string;
    }) => {
      const names = Object.keys(plants).filter(
        (name) => options.only === undefined || name.includes(options.only),
      );
      await mkdir(".cache/plant", { recursive: true });
      const outcomes = new Map<string, Outcome>();
      const waiting = [...names];
      const work = async (): Promise<void> => {
        for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
          const outcome = await tryPlant(name, options.seconds, options.seed);
          outcomes.set(name, outcome);
          console.log(JSON.stringify(outcome));
          if (options.out === undefined) continue;
          const inOrder = names.flatMap((one) => outcomes.get(one) ?? []);
          await writeFile(options.out, table(inOrder, options.seconds));
        }
      };
      await Promise.all(Array.from({ length: options.jobs }, work));
    },
  );
await command.parseAsync();
