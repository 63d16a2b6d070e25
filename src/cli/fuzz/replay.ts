import { readFile, writeFile } from "node:fs/promises";
import type { Command } from "commander";
import { judge, type Repro, readRepro } from "../../testing/index.ts";
import { path } from "../arguments.ts";
import { DisagreementsFound, UsageError } from "../errors.ts";
import { print, printJson, type Terminal } from "../terminal.ts";
import { type FuzzDeviceName, fuzzDeviceName, withDevices } from "./devices.ts";
import { reproPage } from "./page.ts";
import { describeCase, describeDisagreement, kernelsOf } from "./report.ts";

interface ReplayOptions {
  readonly device?: readonly FuzzDeviceName[];
  readonly page?: string;
  readonly json?: true;
}

const mostBytes = 2 ** 28;

export function addReplayCommand(program: Command, terminal: Terminal): void {
  program
    .command("replay")
    .description(
      "run a repro file of fuzz alone: its graph, kernels, and first differing element; status 1 if it still differs",
    )
    .argument("<file>", "the repro file")
    .option(
      "--device <name>",
      "what to run it on (default: the file's devices)",
      (text, before: readonly FuzzDeviceName[] = []) => [...before, fuzzDeviceName(text)],
    )
    .option(
      "--page <file>",
      "write a page that runs the case's WGSL alone, for a report of a driver's bug",
      path,
    )
    .option("--json", "print one JSON object")
    .action((file: string, options: ReplayOptions) => replay(file, options, terminal));
}

async function replay(file: string, options: ReplayOptions, terminal: Terminal): Promise<void> {
  const repro = readRepro(await readText(file));
  const names = options.device ?? [...new Set(repro.devices)].map(fuzzDeviceName);
  await withDevices(names, async (devices) => {
    if (!options.json) {
      print(terminal, `found: ${repro.found}`);
      print(terminal, describeCase(repro.fuzzCase));
      for (const device of devices)
        for (const { name, source } of kernelsOf(repro.fuzzCase, device))
          print(terminal, `-- ${name} on ${device.name} --\n${source}\n`);
    }
    if (options.page !== undefined) await writePage(repro, options.page, terminal);
    const disagreement = await judge(repro.fuzzCase, devices);
    if (options.json) printJson(terminal, { disagreement: disagreement ?? null });
    else
      print(
        terminal,
        disagreement ? describeDisagreement(disagreement) : `${names.join(", ")}: no disagreement`,
      );
    if (disagreement) throw new DisagreementsFound("devices disagree");
  });
}

async function readText(file: string): Promise<string> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(file);
  } catch (cause) {
    throw new UsageError(`${file}: ${(cause as Error).message}`, { cause });
  }
  if (bytes.length > mostBytes)
    throw new UsageError(`${file} has ${bytes.length} bytes, wanted at most ${mostBytes}`);
  return new TextDecoder().decode(bytes);
}

async function writePage(repro: Repro, file: string, terminal: Terminal): Promise<void> {
  await writeFile(file, await reproPage(repro));
  print(terminal, `wrote ${file}`);
}
