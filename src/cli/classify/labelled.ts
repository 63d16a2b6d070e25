import { extname } from "node:path";
import { CsvError, parse } from "csv-parse/sync";
import { FileFormatError } from "../../graph/errors.ts";
import { parseJsonObject } from "../../io/index.ts";
import { readTextFile } from "../../io/node/index.ts";
import { hashRandom, splitLines } from "../../text/index.ts";

/** A text with the name of its class. */
export interface LabelledText {
  readonly text: string;
  readonly label: string;
}

export interface Columns {
  readonly text: string;
  readonly label: string;
}

/**
 * The texts of a file: .jsonl with an object a line, .tsv or .csv with a first row of names.
 * @throws FileFormatError naming the line that is malformed, or the column that is missing.
 */
export async function readLabelled(file: string, columns: Columns): Promise<LabelledText[]> {
  const rows = rowsOf(file, await readTextFile(file, "texts with labels: .csv, .tsv or .jsonl"));
  return rows.map((row, i) => {
    const field = (name: string): string => {
      const value = row[name];
      if (typeof value === "string" || typeof value === "number") return String(value);
      throw new FileFormatError(
        `${file}: entry ${i + 1} has no ${JSON.stringify(name)}; it has ${Object.keys(row).join(", ") || "nothing"}`,
      );
    };
    return { text: field(columns.text), label: field(columns.label) };
  });
}

function rowsOf(file: string, content: string): readonly Readonly<Record<string, unknown>>[] {
  switch (extname(file).toLowerCase()) {
    case ".jsonl":
      return splitLines(content).map((line, i) => parseJsonObject(line, `${file}, line ${i + 1}`));
    case ".tsv":
      return delimited(file, content, { delimiter: "\t", quote: null });
    case ".csv":
      return delimited(file, content, { delimiter: "," });
    default:
      throw new FileFormatError(`${file}: wanted a file whose name ends in .csv, .tsv or .jsonl`);
  }
}

function delimited(
  file: string,
  content: string,
  options: { readonly delimiter: string; readonly quote?: null },
): readonly Readonly<Record<string, unknown>>[] {
  try {
    return parse(content, { ...options, columns: true, bom: true, skip_empty_lines: true });
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    throw new FileFormatError(`${file}: ${error.message}`, { cause: error });
  }
}

/** A text without what may differ in copies of one message: letter case, white space, digits. */
function essence(text: string): string {
  return text.toLowerCase().replace(/\d/g, "0").replace(/\s+/g, " ").trim();
}

/** Texts to train on, and others to test with. */
export interface Split {
  readonly training: readonly LabelledText[];
  readonly heldOut: readonly LabelledText[];
  /** Copies that were left out. */
  readonly copies: number;
}

/** Holds out a share of the texts, drawn by the seed. Of copies only the first counts, so that none is in both parts. */
export function splitTexts(texts: readonly LabelledText[], heldOutShare: number, seed: number): Split {
  const seen = new Set<string>();
  const distinct = texts.filter(({ text }) => {
    const key = essence(text);
    return !seen.has(key) && seen.add(key);
  });
  const training: LabelledText[] = [];
  const heldOut: LabelledText[] = [];
  distinct.forEach((text, i) => {
    (hashRandom(seed, i).uniform() < heldOutShare ? heldOut : training).push(text);
  });
  return { training, heldOut, copies: texts.length - distinct.length };
}

/** The names of the classes, in the order of the alphabet. */
export function classesOf(texts: readonly LabelledText[]): readonly string[] {
  return [...new Set(texts.map(({ label }) => label))].sort();
}
