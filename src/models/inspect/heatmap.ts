import { ArgumentError } from "../../graph/errors.ts";

/** Numbers with names for their rows and columns: an attention pattern, a mask, synthesized scores. */
export interface LabelledMatrix {
  readonly title: string;
  /** [rows][columns] */
  readonly values: readonly (readonly number[])[];
  readonly rowLabels: readonly string[];
  readonly columnLabels: readonly string[];
}

const shades = [" ", "░", "▒", "▓", "█"];
const longestLabel = 14;

/** @throws ArgumentError unless there is a label for each row and column. */
export function checkMatrix({ title, values, rowLabels, columnLabels }: LabelledMatrix): void {
  const fits =
    values.length === rowLabels.length && values.every((row) => row.length === columnLabels.length);
  if (!fits) {
    throw new ArgumentError(
      `heatmap ${title}: ${values.length} rows of ${values[0]?.length ?? 0} numbers, but ` +
        `${rowLabels.length} row labels and ${columnLabels.length} column labels`,
    );
  }
}

/** The smallest and the greatest of the finite values; 0 and 1 of none. */
export function rangeOf({ values }: Pick<LabelledMatrix, "values">): {
  readonly low: number;
  readonly high: number;
} {
  const finite = values.flat().filter(Number.isFinite);
  if (finite.length === 0) return { low: 0, high: 1 };
  return { low: Math.min(0, ...finite), high: Math.max(...finite) };
}

/**
 * A matrix as text: a shade for each number, from blank for the smallest (or 0) to full for the greatest; "?" for what is
 * no finite number. Column labels stand above, letter below letter.
 * @throws ArgumentError unless there is a label for each row and column.
 */
export function heatmapText(matrix: LabelledMatrix): string {
  checkMatrix(matrix);
  const { title, values, rowLabels, columnLabels } = matrix;
  const { low, high } = rangeOf(matrix);
  const rows = rowLabels.map(shorten);
  const columns = columnLabels.map(shorten);
  const margin = Math.max(0, ...rows.map((label) => label.length));
  const height = Math.max(0, ...columns.map((label) => label.length));
  const lines = [`${title} (${format(low)} to ${format(high)})`];
  for (let line = 0; line < height; line++) {
    const letters = columns.map((label) => label[line - (height - label.length)] ?? " ");
    lines.push(
      `${" ".repeat(margin + 1)}${letters.map((letter) => letter + letter.replace(/./su, " ")).join("")}`.trimEnd(),
    );
  }
  for (const [i, row] of values.entries()) {
    const cells = row.map((value) => shadeOf(value, low, high).repeat(2)).join("");
    lines.push(`${rows[i].padStart(margin)} ${cells}`);
  }
  return lines.join("\n");
}

function shorten(label: string): string {
  const letters = [...label];
  return letters.length <= longestLabel ? label : `${letters.slice(0, longestLabel - 1).join("")}…`;
}

function shadeOf(value: number, low: number, high: number): string {
  if (!Number.isFinite(value)) return "?";
  const share = high > low ? (value - low) / (high - low) : 0;
  return shades[Math.min(shades.length - 1, Math.floor(share * shades.length))];
}

function format(value: number): string {
  return Number(value.toPrecision(3)).toString();
}
