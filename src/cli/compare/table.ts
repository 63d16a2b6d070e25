import Table from "cli-table3";
import { plainTable } from "../plainTable.ts";
import { colorsOf, type Terminal } from "../terminal.ts";
import { recipes } from "../train/recipes.ts";
import type { Contender } from "./contender.ts";

/** What is told of each model, for the terminal and for the page. */
export const columns = [
  "model",
  "held-out loss",
  "by frequency",
  "difference",
  "parameters",
  "tokens/s",
  "kernels a step",
  "seconds",
] as const;

/** A model's row, in the order of `columns`. */
export function cellsOf({
  name,
  score,
  parameters,
  tokensPerSecond,
  kernels,
  seconds,
}: Contender): readonly string[] {
  const difference = score.loss - score.baseline;
  return [
    recipes[name].title,
    score.loss.toFixed(3),
    score.baseline.toFixed(3),
    `${difference < 0 ? "−" : "+"}${Math.abs(difference).toFixed(3)}`,
    parameters.toLocaleString("en"),
    Math.round(tokensPerSecond).toLocaleString("en"),
    String(kernels),
    String(Math.round(seconds)),
  ];
}

/** A row for each model; what is better than frequencies alone stands out. */
export function comparisonTable(contenders: readonly Contender[], terminal: Terminal): string {
  const colors = colorsOf(terminal);
  const table = new Table({
    ...plainTable,
    head: [...columns],
    colAligns: columns.map((_, i) => (i === 0 ? "left" : "right")),
  });
  for (const contender of contenders) {
    const { loss, baseline } = contender.score;
    const cells = cellsOf(contender);
    table.push(cells.map((cell, i) => (i === 3 && loss < baseline ? colors.green(cell) : cell)));
  }
  return table.toString().replace(/ +$/gm, "");
}
