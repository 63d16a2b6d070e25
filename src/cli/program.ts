import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { addAttentionCommand } from "./attention.ts";
import { addClassifyCommand } from "./classify/command.ts";
import { addCompareCommand } from "./compare/command.ts";
import { addDemoCommand } from "./demo.ts";
import { addEmbedCommand } from "./embed.ts";
import { DisagreementsFound, InterruptedError, isUsersError } from "./errors.ts";
import { addExplainCommand } from "./explain.ts";
import { addFillCommand } from "./fill.ts";
import { addFuzzCommand } from "./fuzz/command.ts";
import { addReplayCommand } from "./fuzz/replay.ts";
import { addGenerateCommand } from "./generate.ts";
import { addScoreCommand, addSimilarCommand } from "./score.ts";
import type { Terminal } from "./terminal.ts";
import { addTokenizerCommand } from "./tokenizer.ts";
import { addTrainCommand } from "./train/command.ts";

/**
 * Runs the command with its arguments and gives the exit status: 0; 2 with one line for wrong options and files; 130
 * when it was interrupted (143 by SIGTERM); 1 with a stack trace for anything else.
 */
export async function run(args: readonly string[], terminal: Terminal): Promise<number> {
  try {
    await makeProgram(terminal).parseAsync(args, { from: "user" });
    return 0;
  } catch (error) {
    return statusOf(error, terminal);
  }
}

function makeProgram(terminal: Terminal): Command {
  const program = new Command("fusegrad")
    .description("Train, use and look inside small transformers.")
    .version(version(), "--version", "print the version")
    .helpOption("--help", "print this help")
    .helpCommand(false)
    .configureHelp({ sortSubcommands: false })
    .configureOutput({
      writeOut: (text) => void terminal.stdout.write(text),
      writeErr: (text) => void terminal.stderr.write(text),
      // A suggestion comes on a line of its own; errors here are one line.
      outputError: (text, write) => write(`${oneLine(text)}\n`),
    })
    .exitOverride();
  addTrainCommand(program, terminal);
  addCompareCommand(program, terminal);
  addFillCommand(program, terminal);
  addClassifyCommand(program, terminal);
  addEmbedCommand(program, terminal);
  addAttentionCommand(program, terminal);
  addScoreCommand(program, terminal);
  addSimilarCommand(program, terminal);
  addGenerateCommand(program, terminal);
  addTokenizerCommand(program, terminal);
  addExplainCommand(program, terminal);
  addFuzzCommand(program, terminal);
  addReplayCommand(program, terminal);
  addDemoCommand(program, terminal);
  return program;
}

/** Of the package, which lies two folders above this file in its source and in its bundle. */
function version(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  const { version } = JSON.parse(text) as { readonly version: string }; // Written by us.
  return version;
}

const oneLine = (text: string): string => text.trim().replace(/\s*\n\s*/g, " ");

function statusOf(error: unknown, terminal: Terminal): number {
  // Commander has printed its message already.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  // What was found has been printed.
  if (error instanceof DisagreementsFound) return 1;
  if (error instanceof InterruptedError) {
    terminal.stderr.write("interrupted\n");
    return terminal.signal.reason === "SIGTERM" ? 143 : 130;
  }
  if (isUsersError(error)) {
    terminal.stderr.write(`error: ${oneLine(error.message)}\n`);
    return 2;
  }
  terminal.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return 1;
}
