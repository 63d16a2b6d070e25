import { type Command, Option } from "commander";
import { integer, probability } from "./arguments.ts";
import { type DeviceName, deviceNames } from "./devices.ts";
import { UsageError } from "./errors.ts";
import type { ModelSizes } from "./train/recipe.ts";

/** Options about the shape of a model and of its batches. */
export interface SizeOptions {
  readonly batch: number;
  readonly length: number;
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  readonly intermediate?: number;
  readonly vocab: number;
  readonly dropout: number;
}

/** Options about where and how to run. */
export interface RunOptions {
  readonly device: DeviceName;
  readonly json?: true;
}

/** Sizes of a model that trains for minutes, not hours. */
const usualSizes = { layers: 4, width: 128, heads: 4, vocab: 4096, dropout: 0.1, batch: 8, length: 64 };

/** Adds the options about sizes, with other defaults where some are given. */
export function addSizeOptions(command: Command, others: Partial<SizeOptions> = {}): Command {
  const sizes = { ...usualSizes, ...others };
  return command
    .option("--layers <n>", "layers of the model", integer(1, 1000), sizes.layers)
    .option("--width <n>", "width of the model", integer(1, 65_536), sizes.width)
    .option("--heads <n>", "attention heads; they share the width", integer(1, 65_536), sizes.heads)
    .option(
      "--intermediate <n>",
      "width inside the feed-forward networks (default: 4 times --width)",
      integer(1, 1_000_000),
    )
    .option("--vocab <n>", "most tokens in the vocabulary", integer(6, 1_000_000), sizes.vocab)
    .option("--dropout <p>", "probability of dropping", probability, sizes.dropout)
    .option("--batch <n>", "sequences in a batch", integer(1, 65_536), sizes.batch)
    .option(
      "--length <n>",
      "tokens in a sequence, [CLS] and [SEP] included",
      integer(4, 65_536),
      sizes.length,
    );
}

export function addRunOptions(command: Command, json: string): Command {
  return command
    .addOption(new Option("--device <name>", "what computes").choices(deviceNames).default(deviceNames[0]))
    .option("--json", json);
}

/** @throws UsageError for sizes that do not fit each other. */
export function sizesOf({
  layers,
  width,
  heads,
  intermediate = 4 * width,
  dropout,
}: SizeOptions): ModelSizes {
  if (width % heads !== 0) {
    throw new UsageError(
      `--heads ${heads} does not divide --width ${width}; each head takes an equal part of the width`,
    );
  }
  return { layers, width, heads, intermediate, dropout };
}
