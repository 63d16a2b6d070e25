import { PassThrough } from "node:stream";
import { run } from "../../src/cli/program.ts";
import { hashRandom } from "../../src/text/index.ts";

const subjects = ["The whale", "A sailor", "The captain", "An old man", "The harpooner", "The mate"];
const verbs = ["sees", "follows", "hunts", "fears", "loves", "calls"];
const objects = ["the sea", "a ship", "the white whale", "the storm", "a boat", "the island"];
const places = ["at night", "in the morning", "with great care", "without hope", "near the shore"];

/** Sentences of a small grammar, one a line; the same for the same arguments. */
export function sampleText(sentences: number, seed = 1): string {
  const random = hashRandom(seed);
  const pick = (items: readonly string[]): string => items[random.below(items.length)];
  const line = (): string => `${pick(subjects)} ${pick(verbs)} ${pick(objects)} ${pick(places)}.`;
  return Array.from({ length: sentences }, line).join("\n");
}

/** Options that make a model and a batch tiny, and compute them on the device that is always there. */
export const tiny = [
  "--layers",
  "1",
  "--width",
  "16",
  "--heads",
  "2",
  "--batch",
  "4",
  "--length",
  "16",
].concat(["--vocab", "120", "--device", "reference"]);

export interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command in this process. `onOutput` sees what is written as it is written. */
export async function fusegrad(
  args: readonly string[],
  options: {
    readonly signal?: AbortSignal;
    readonly onOutput?: (text: string) => void;
    readonly isTTY?: boolean;
  } = {},
): Promise<Outcome> {
  const written = { stdout: "", stderr: "" };
  const collect = (name: "stdout" | "stderr") => {
    const stream = Object.assign(new PassThrough(), { isTTY: options.isTTY ?? false });
    stream.on("data", (chunk) => {
      written[name] += String(chunk);
      options.onOutput?.(String(chunk));
    });
    return stream;
  };
  const [stdout, stderr] = [collect("stdout"), collect("stderr")];
  const status = await run(args, { stdout, stderr, signal: options.signal ?? new AbortController().signal });
  return { status, ...written };
}

/** Lines of JSON objects. */
export function jsonLines(text: string): Record<string, unknown>[] {
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** Documents of the same sentences, with blank lines between them. */
export function documents(count: number, sentences: number): string {
  return Array.from({ length: count }, (_, i) => sampleText(sentences, i)).join("\n\n");
}
