import { createRequire } from "node:module";
import { join } from "node:path";
import { UsageError } from "./errors.ts";

/** Where packages of texts are looked for: beside the command, then in the working folder. */
const usualPlaces = (): string[] => [import.meta.url, join(process.cwd(), "package.json")];

/**
 * What a package of texts gives when its function is called, as files at `places` would import it. The packages are not
 * part of the command: each reads files that lie next to it.
 * @throws UsageError when it is not installed, with what else to do (`instead`).
 */
export function loadTexts(
  packageName: string,
  instead: string,
  places: readonly string[] = usualPlaces(),
): unknown {
  for (const place of places) {
    let load: unknown;
    try {
      load = createRequire(place)(packageName);
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "MODULE_NOT_FOUND") continue;
      throw error;
    }
    if (typeof load === "function") return load();
  }
  throw new UsageError(
    `the package ${packageName} is not installed: run "npm install ${packageName}", or ${instead}`,
  );
}
