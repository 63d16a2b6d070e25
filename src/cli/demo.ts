import type { Command } from "commander";
import { readMobyDick } from "./mobyDick.ts";
import type { Terminal } from "./terminal.ts";
import { train } from "./train/command.ts";
import { addTrainOptions, type TrainOptions } from "./train/options.ts";

export function addDemoCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command("demo")
    .description("train a small BERT on Moby-Dick and fill in masked words");
  addTrainOptions(command).action((options: TrainOptions) =>
    train({ name: "Moby-Dick", read: async () => readMobyDick() }, options, command, terminal),
  );
}
