import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Command, CommanderError, Option } from "commander";
import { FusegradError } from "../../graph/errors.ts";
import { serializeSafetensors } from "../../io/index.ts";
import { path } from "../arguments.ts";
import { type DeviceName, deviceNames, onDevice } from "../devices.ts";
import { isUsersError } from "../errors.ts";
import { print, printJson, type Terminal } from "../terminal.ts";
import type { CaseResult, Results } from "./compare.ts";
import { listCases, type ModelCase, type OperatorCase, readCase, readOperatorCases } from "./files.ts";
import { classNamesOf, classOf, runModelCase } from "./modelCase.ts";
import { runnerOf } from "./operatorCase.ts";

interface ParityOptions {
  readonly device: DeviceName;
  readonly only: string;
  readonly dump?: string;
}

interface Skipped {
  readonly case: string;
  /** The class or operator that is missing. */
  readonly skipped: string;
}

interface Failed {
  readonly case: string;
  readonly ok: false;
  readonly error: string;
}

type Result = CaseResult | Skipped | Failed;

/**
 * Compares models and operators with what a reference computed: prints a line of JSON for each case of a folder and a closing line.
 * Gives the exit status: 0 when no case failed, 1 when one did, 2 for wrong options or files.
 */
export async function runParity(args: readonly string[], terminal: Terminal): Promise<number> {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  const report = (result: Result): void => {
    if ("skipped" in result) counts.skipped++;
    else if (result.ok) counts.passed++;
    else counts.failed++;
    printJson(terminal, result);
  };
  const command = new Command("parity")
    .description("Compare models and operators with what a reference computed.")
    .argument(
      "<folder>",
      "folder of cases: models, each a folder with config.json and case.json, and operator groups, ops-*.json",
    )
    .addOption(new Option("--device <name>", "what computes").choices(deviceNames).default(deviceNames[0]))
    .option("--only <prefix>", "folders and operator groups whose names begin so", "")
    .option("--dump <folder>", "write what was computed, a file a case", path)
    .configureOutput({
      writeOut: (text) => void terminal.stdout.write(text),
      writeErr: (text) => void terminal.stderr.write(text),
    })
    .exitOverride()
    .action((folder: string, options: ParityOptions) => compareAll(folder, options, report));
  try {
    await command.parseAsync(args, { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (!isUsersError(error)) throw error;
    terminal.stderr.write(`error: ${error.message}\n`);
    return 2;
  }
  print(terminal, `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  return counts.failed > 0 ? 1 : 0;
}

async function compareAll(
  folder: string,
  options: ParityOptions,
  report: (result: Result) => void,
): Promise<void> {
  const { models, operators } = await listCases(folder, options.only);
  if (options.dump !== undefined) await mkdir(options.dump, { recursive: true });
  for (const name of models) {
    report(await compareOne(name, options, async () => prepareModelCase(await readCase(folder, name))));
  }
  for (const group of operators) {
    for (const given of await readOperatorCases(folder, group)) {
      report(await compareOne(given.name, options, async () => prepareOperatorCase(given)));
    }
  }
}

/** A case that can be run, or the name of what is missing for it. */
type Prepared = string | ((results: Results) => Promise<CaseResult>);

function prepareModelCase(given: ModelCase): Prepared {
  const known = classOf(given);
  if (known === undefined) return `class ${classNamesOf(given)[0]}`;
  return (results) => runModelCase(given, known, results);
}

function prepareOperatorCase(given: OperatorCase): Prepared {
  const runner = runnerOf(given);
  return runner ?? `operator ${given.op}`;
}

async function compareOne(
  name: string,
  { device, dump }: ParityOptions,
  prepare: () => Promise<Prepared>,
): Promise<Result> {
  const results: Results = new Map();
  try {
    const prepared = await prepare();
    if (typeof prepared === "string") return { case: name, skipped: prepared };
    return await onDevice(device, 0, () => prepared(results));
  } catch (error) {
    // A case that cannot run says so in its line; the others go on. Errors of the program show where they come from.
    if (!(error instanceof Error)) throw error;
    const text = error instanceof FusegradError ? error.message : (error.stack ?? error.message);
    return { case: name, ok: false, error: text };
  } finally {
    if (dump !== undefined && results.size > 0) {
      await writeFile(join(dump, `${name}.safetensors`), serializeSafetensors(results));
    }
  }
}
