import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** Puts a section of RESULTS.md in the place of the one of the same heading, or at the end. */
export async function writeResults(heading: string, lines: readonly string[]): Promise<void> {
  const path = join("bench", "RESULTS.md");
  const section = [heading, "", ...lines, ""].join("\n");
  const text = await readFile(path, "utf8").catch(() => "# Results\n");
  const start = text.indexOf(heading);
  const next = start < 0 ? -1 : text.indexOf("\n## ", start + 1);
  const before = start < 0 ? `${text.trimEnd()}\n\n` : text.slice(0, start);
  await writeFile(path, before + section + (next < 0 ? "" : text.slice(next)));
}
