import { builtinModules } from "node:module";
import { posix } from "node:path";
import ts from "typescript";

/** The rooms of `src/`, from top to bottom. A file imports from its own room and from those below it. */
export const ROOMS = [
  "cli",
  "testing",
  "models",
  "io",
  "text",
  "nn",
  "tensor",
  "engine",
  "autograd",
  "runtime",
  "codegen",
  "ops",
  "graph",
] as const;

export type Room = (typeof ROOMS)[number];

/** Where a file belongs: one of the rooms, or the library's front door, `src/index.ts`. */
type Place = Room | "index";

/** A file of the house: its path from the repository's root, with forward slashes, and its text. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** One import: the module it names and its line. `specifier` is null when it is not a string literal. */
export interface ImportSite {
  readonly specifier: string | null;
  readonly line: number;
}

/** A broken rule; `where` is `path:line`. */
export interface Violation {
  readonly where: string;
  readonly problem: string;
}

/** A file has fewer lines than this. */
export const LINE_LIMIT = 450;

const isBuiltin = (specifier: string): boolean =>
  specifier.startsWith("node:") || builtinModules.includes(specifier);

/** Every import of a file: `import`, `export from`, `import()`, `import type` and `import("...")` in types. */
export function importsOf(file: SourceFile): ImportSite[] {
  const source = ts.createSourceFile(file.path, file.text, ts.ScriptTarget.ES2022, true);
  const sites: ImportSite[] = [];
  const add = (node: ts.Node, specifier: ts.Node | undefined): void => {
    const line = source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1;
    const literal = specifier !== undefined && ts.isStringLiteralLike(specifier) ? specifier.text : null;
    sites.push({ specifier: literal, line });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node, node.moduleSpecifier);
    else if (ts.isExportDeclaration(node) && node.moduleSpecifier) add(node, node.moduleSpecifier);
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      add(node, node.arguments[0]);
    } else if (ts.isImportTypeNode(node)) {
      add(node, ts.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return sites;
}

/** The place of a path under `src/`, or null when the house has no such room. */
function placeOf(path: string): Place | null {
  if (path === "src/index.ts") return "index";
  const [top, room, ...rest] = path.split("/");
  if (top !== "src" || rest.length === 0) return null;
  return ROOMS.find((known) => known === room) ?? null;
}

/** Files that may use Node's own modules: the command, and files or folders named `node*` in io and runtime. */
const mayUseNode = (path: string): boolean =>
  path.startsWith("src/cli/") || /^src\/(io|runtime)\/(.+\/)?node[^/]*(\/|\.ts$)/.test(path);

/** Packages that the `node*` files of a room load when they are asked for, if they are installed. */
const optionalPackages: Readonly<Record<string, string>> = { webgpu: "runtime", "@huggingface/hub": "io" };

const mayLoad = (path: string, specifier: string): boolean =>
  mayUseNode(path) && path.split("/")[1] === optionalPackages[specifier];

/** Whether the reference device may import `target`: graph, ops, itself, and the files shared by all devices. */
const referenceMayImport = (target: string): boolean =>
  /^src\/(graph|ops)\//.test(target) ||
  target.startsWith("src/runtime/reference/") ||
  /^src\/runtime\/[^/]+$/.test(target);

/** What is wrong with an import of `target` by `path`, or null. Both are paths under `src/`, in `to` and `from`. */
function brokenRule(path: string, from: Place, target: string, to: Place): string | null {
  if (to === "cli" && from !== "cli") return "nothing imports cli";
  if (to === "testing" && from !== "testing" && from !== "cli") return "only cli imports testing";
  if (to === "index") {
    return from === "cli" || from === "testing" ? null : "only cli and testing import src/index.ts";
  }
  if (from === "index") return null;
  if (path.startsWith("src/runtime/reference/") && !referenceMayImport(target)) {
    return "the reference device imports only graph, ops and the files shared in runtime";
  }
  if (from === "models" && (to === "runtime" || to === "codegen"))
    return "models know no device and no kernel";
  return ROOMS.indexOf(to) < ROOMS.indexOf(from) ? `${from} lies below ${to}: imports point down` : null;
}

/** What is wrong with one import, or null. */
function checkImport(path: string, from: Place, specifier: string | null): string | null {
  if (specifier === null) return "an import of something else than a string literal cannot be checked";
  if (isBuiltin(specifier)) {
    if (!specifier.startsWith("node:")) return `write "node:${specifier}"`;
    return mayUseNode(path) ? null : "only cli and the node* files of io and runtime use Node's modules";
  }
  if (!specifier.startsWith(".")) {
    const allowed = from === "cli" || from === "testing" || mayLoad(path, specifier);
    return allowed ? null : "only cli and testing import packages";
  }
  const target = posix.join(posix.dirname(path), specifier);
  const to = placeOf(target);
  if (to === null) return `${target} lies in no room of the house`;
  return brokenRule(path, from, target, to);
}

function checkFile(file: SourceFile): Violation[] {
  const from = placeOf(file.path);
  if (from === null) return [{ where: `${file.path}:1`, problem: "lies in no room of the house" }];
  const violations: Violation[] = [];
  const lines = file.text.replace(/\n$/, "").split("\n").length;
  if (lines >= LINE_LIMIT) {
    violations.push({
      where: `${file.path}:${lines}`,
      problem: `${lines} lines; the limit is ${LINE_LIMIT - 1}`,
    });
  }
  for (const { specifier, line } of importsOf(file)) {
    const problem = checkImport(file.path, from, specifier);
    if (problem !== null) {
      violations.push({
        where: `${file.path}:${line}`,
        problem: `imports "${specifier ?? "?"}": ${problem}`,
      });
    }
  }
  return violations;
}

/** Every rule of the house that the files break; empty when all is well. */
export function checkHouse(files: readonly SourceFile[]): Violation[] {
  return files.flatMap(checkFile);
}
