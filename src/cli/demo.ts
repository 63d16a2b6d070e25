import type { Command } from "commander";
import { readMobyDick } from "./mobyDick.ts";
import { sizesOf, type TrainOptions } from "./options.ts";
import type { Terminal } from "./terminal.ts";
import { addTraining, train } from "./train.ts";

export function addDemoCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command("demo")
    .description("train a small BERT on Moby-Dick and fill in masked words");
  addTraining(command).action(async (options: TrainOptions) => {
    sizesOf(options);
    await train(readMobyDick(), "Moby-Dick", options, terminal);
  });
}
