import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

/** Imports a package that is installed in a folder, by name or by a file in it. */
export async function importFrom(folder: string, name: string, file?: string): Promise<unknown> {
  const path = file
    ? join(folder, "node_modules", name, file)
    : createRequire(join(folder, "package.json")).resolve(name);
  const module: { readonly default?: object } = await import(pathToFileURL(path).href);
  // A CommonJS package is the default export.
  return module.default && Object.keys(module.default).length > 3 ? module.default : module;
}
