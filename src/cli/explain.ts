import Table from "cli-table3";
import type { Command } from "commander";
import { BertConfig, BertForMaskedLM } from "../models/index.ts";
import type { PassInfo } from "../runtime/device.ts";
import { tensor } from "../tensor/create.ts";
import { explain, explainPasses } from "../tensor/explain.ts";
import { hashRandom, predictionCount } from "../text/index.ts";
import { onDevice } from "./devices.ts";
import { UsageError } from "./errors.ts";
import { addRunOptions, addSizeOptions, type RunOptions, type SizeOptions, sizesOf } from "./options.ts";
import { plainTable } from "./plainTable.ts";
import { colorsOf, print, printJson, type Terminal } from "./terminal.ts";
import { encoderFields, maskedObjective } from "./train/objectives.ts";
import { stepToExplain } from "./train/trainer.ts";

interface ExplainOptions extends SizeOptions, RunOptions {
  readonly source?: string;
  readonly passes?: true;
}

type Explanation = ReturnType<typeof explain>;

export function addExplainCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command("explain")
    .description("show the kernels that one training step of BERT becomes")
    .option("--source <name>", "print the source of one kernel instead")
    .option("--passes", "print what each pass of planning makes of the step instead");
  addRunOptions(addSizeOptions(command), "print one JSON object").action(async (options: ExplainOptions) => {
    if (options.passes) {
      const passes = await onDevice(options.device, 0, async () => {
        const { step, inputs } = stepOf(options);
        return explainPasses(step, inputs);
      });
      showPasses(terminal, passes);
      return;
    }
    const explanation = await onDevice(options.device, 0, async () => {
      const { step, inputs } = stepOf(options);
      return explain(step, inputs);
    });
    if (options.source !== undefined) showSource(terminal, explanation, options.source);
    else if (options.json) showJson(terminal, explanation);
    else showTable(terminal, explanation);
  });
}

/** A training step and a batch of these sizes. */
function stepOf(options: ExplainOptions) {
  const { batch, length, vocab } = options;
  const model = new BertForMaskedLM(
    BertConfig.from(encoderFields({ vocabSize: vocab, positions: length, padding: 0 }, sizesOf(options))),
  );
  const step = stepToExplain({ model, ...maskedObjective(model) });
  const random = hashRandom(0);
  const ids = (columns: number, bound: number) =>
    tensor(
      Int32Array.from({ length: batch * columns }, () => random.below(bound)),
      { shape: [batch, columns] },
    );
  const predictions = predictionCount(length, length);
  const inputs = {
    inputIds: ids(length, vocab),
    maskedPositions: ids(predictions, length),
    labels: ids(predictions, vocab),
    attentionMask: undefined,
    tokenTypeIds: undefined,
    pairLabels: undefined,
  };
  return { step, inputs };
}

function showPasses(terminal: Terminal, passes: readonly PassInfo[]): void {
  for (const { name, after } of passes) print(terminal, `== ${name} ==\n${after.trim()}\n`);
}

function showSource(terminal: Terminal, { kernels }: Explanation, name: string): void {
  const sources = new Set(kernels.filter((kernel) => kernel.name === name).map(({ source }) => source));
  if (sources.size === 0) {
    const names = [...new Set(kernels.map((kernel) => kernel.name))];
    throw new UsageError(`no kernel is named ${name}; the kernels are ${names.join(", ")}`);
  }
  for (const source of sources) print(terminal, source);
}

function showJson(terminal: Terminal, { kernels, bytes, flops, peakBytes }: Explanation): void {
  const plain = kernels.map(({ source: _, ...kernel }) => kernel);
  printJson(terminal, { kernels: plain, bytes, flops, peakBytes });
}

function showTable(terminal: Terminal, { kernels, bytes, flops, peakBytes }: Explanation): void {
  const count = (value: number) => value.toLocaleString("en");
  const table = new Table({
    ...plainTable,
    head: ["#", "kernel", "template", "bytes", "flops", "ops"],
    colAligns: ["right", "left", "left", "right", "right", "left"],
    colWidths: [null, null, null, null, null, opsWidth(terminal)],
    wordWrap: true,
  });
  for (const [i, { name, template, bytes, flops, ops }] of kernels.entries()) {
    table.push([i, name, template, count(bytes), count(flops), ops.join(" ")]);
  }
  print(terminal, table.toString().replace(/ +$/gm, ""));
  print(terminal);
  const colors = colorsOf(terminal);
  print(
    terminal,
    `${colors.bold(`${kernels.length} kernels`)}, ${count(bytes)} bytes moved, ${count(flops)} floating-point operations, ` +
      `${count(peakBytes)} bytes of temporary memory`,
  );
}

/** Ops are many: they take what is left of the line, and wrap. */
function opsWidth(terminal: Terminal): number {
  return Math.max(40, (terminal.stdout.columns ?? 160) - 80);
}
