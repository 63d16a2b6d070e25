import { spawn } from "node:child_process";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { listCheckpoints, readCheckpoint } from "../../src/io/node/index.ts";
import { hashRandom } from "../../src/text/index.ts";
import { documents } from "./samples.ts";

/** What came of killing a training again and again. */
export interface CrashReport {
  readonly kills: number;
  /** Kills that left a half-written file behind: they fell into the writing of a checkpoint. */
  readonly duringWrite: number;
  /** Kills after which there was no checkpoint yet. */
  readonly withoutCheckpoint: number;
  /** Steps of the last checkpoint at the end. */
  readonly steps: number;
  /** What went wrong; empty when all is well. */
  readonly problems: readonly string[];
}

/** Sizes at which a checkpoint takes about as long to write as a step to compute. */
const options = [
  ["--layers", "1", "--width", "64", "--heads", "2", "--batch", "2", "--length", "16", "--vocab", "400"],
  [
    "--steps",
    "1000000",
    "--checkpoint-every",
    "1",
    "--keep",
    "2",
    "--device",
    "reference",
    "--json",
    "--resume",
  ],
].flat();

/**
 * Starts a training `kills` times in one folder and kills it (SIGKILL) at moments that `seed` draws: mostly between and
 * during steps and writes, at times before the first. After each kill every checkpoint there must load, the next start
 * must go on from the last of them, and a step that is taken again must have the same loss as before.
 *
 * @param command The bundled command's file. @param folder An empty one.
 */
export async function killRepeatedly(
  command: string,
  folder: string,
  kills: number,
  seed: number,
): Promise<CrashReport> {
  const text = join(folder, "text.txt");
  const out = join(folder, "out");
  await writeFile(text, documents(8, 12));
  const random = hashRandom(seed);
  const losses = new Map<number, number>();
  const problems: string[] = [];
  let [duringWrite, withoutCheckpoint, last] = [0, 0, 0];
  for (let kill = 1; kill <= kills; kill++) {
    const taken = await runAndKill([command, "train", "--text", text, "--out", out, ...options], {
      steps: random.uniform() < 0.1 ? 0 : 1 + random.below(4),
      delay: random.uniform() * 40,
    });
    const fail = (what: string): unknown => problems.push(`kill ${kill}: ${what}`);
    if (taken.stderr !== "") fail(taken.stderr.trim());
    const [first] = taken.results;
    if (first !== undefined && first.step !== last + 1)
      fail(`went on at step ${first.step}, not ${last + 1}`);
    for (const { step, loss } of taken.results) {
      if ((losses.get(step) ?? loss) !== loss)
        fail(`step ${step} has the loss ${loss}, before ${losses.get(step)}`);
      losses.set(step, loss);
    }
    const files = await listCheckpoints(join(out, "checkpoints"));
    for (const { path, step } of files) {
      const found = await readCheckpoint(path).catch((error: Error) => error);
      if (found instanceof Error) fail(found.message);
      else if (found.step !== step || found.optimizer.steps !== step)
        fail(`${path} is of step ${found.step}`);
    }
    const names = await readdir(join(out, "checkpoints")).catch(() => []);
    if (names.some((name) => name.endsWith(".new"))) duringWrite++;
    if (files.length === 0) withoutCheckpoint++;
    const now = files.at(-1)?.step ?? 0;
    if (now < last) fail(`the last checkpoint is of step ${now}, it was of ${last}`);
    last = now;
  }
  return { kills, duringWrite, withoutCheckpoint, steps: last, problems };
}

interface Taken {
  readonly results: readonly { readonly step: number; readonly loss: number }[];
  readonly stderr: string;
}

/** Kills it so many milliseconds after so many steps were printed; of none, after its start. */
async function runAndKill(
  args: readonly string[],
  { steps, delay }: { readonly steps: number; readonly delay: number },
): Promise<Taken> {
  const child = spawn(process.execPath, args);
  const results: { step: number; loss: number }[] = [];
  let stderr = "";
  child.stderr.on("data", (chunk) => {
    stderr += String(chunk);
  });
  const killSoon = (factor: number): unknown => setTimeout(() => child.kill("SIGKILL"), delay * factor);
  createInterface(child.stdout).on("line", (line) => {
    results.push(JSON.parse(line));
    if (results.length === steps) killSoon(1);
  });
  // Starting takes some tenths of a second.
  if (steps === 0) killSoon(20);
  await new Promise((resolve, reject) => child.on("error", reject).on("close", resolve));
  return { results, stderr };
}
