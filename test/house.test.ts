import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { checkHouse, importsOf, LINE_LIMIT } from "./house.ts";

const root = fileURLToPath(new URL("../", import.meta.url));

/** The problems of one invented file. */
const problems = (path: string, text: string): string[] => checkHouse([{ path, text }]).map((v) => v.problem);

describe("the house", () => {
  it("has no import that breaks its rules", () => {
    const files = readdirSync(`${root}src`, { recursive: true, encoding: "utf8" })
      .map((name) => `src/${name.replaceAll("\\", "/")}`)
      .filter((path) => path.endsWith(".ts"))
      .sort()
      .map((path) => ({ path, text: readFileSync(`${root}${path}`, "utf8") }));
    expect(files.length).toBeGreaterThan(0);
    expect(checkHouse(files).map(({ where, problem }) => `${where} ${problem}`)).toEqual([]);
  });
});

describe("importsOf", () => {
  it("finds every form of import with its line", () => {
    const text = [
      'import "./a.ts";',
      'import type { B } from "./b.ts";',
      'export * from "./c.ts";',
      'export type { D } from "./d.ts";',
      'const e = async () => (await import("./e.ts")).value;',
      'let f: import("./f.ts").F;',
      "const g = (name: string) => import(name);",
      '// import "./comment.ts"',
      "const text = \"import './string.ts'\";",
    ].join("\n");
    expect(importsOf({ path: "src/graph/x.ts", text })).toEqual([
      { specifier: "./a.ts", line: 1 },
      { specifier: "./b.ts", line: 2 },
      { specifier: "./c.ts", line: 3 },
      { specifier: "./d.ts", line: 4 },
      { specifier: "./e.ts", line: 5 },
      { specifier: "./f.ts", line: 6 },
      { specifier: null, line: 7 },
    ]);
  });
});

describe("checkHouse", () => {
  it.each([
    ["down", "src/tensor/tensor.ts", "../graph/node.ts"],
    ["sideways", "src/nn/linear.ts", "./optim/adamw.ts"],
    ["from the front door down", "src/index.ts", "./tensor/tensor.ts"],
    ["from testing to the front door", "src/testing/fuzz.ts", "../index.ts"],
    ["from cli to testing", "src/cli/fuzz.ts", "../testing/index.ts"],
    ["from the reference device to ops", "src/runtime/reference/evaluate.ts", "../../ops/table.ts"],
    ["from the reference device to a shared file", "src/runtime/reference/device.ts", "../device.ts"],
    ["of a package in cli", "src/cli/fusegrad.ts", "commander"],
    ["of a package in testing", "src/testing/arbitraries.ts", "fast-check"],
    ["of Node's modules in cli", "src/cli/fusegrad.ts", "node:fs"],
    ["of Node's modules in io/node*", "src/io/nodeFiles.ts", "node:fs/promises"],
    ["of Node's modules in a device's node*", "src/runtime/wasm/nodeWorker.ts", "node:worker_threads"],
    ["of an optional package in a device's node*", "src/runtime/webgpu/node/index.ts", "webgpu"],
  ])("allows an import %s", (_, path, target) => {
    expect(problems(path, `import * as x from "${target}";\n`)).toEqual([]);
  });

  it.each([
    ["up", "src/graph/node.ts", "../tensor/tensor.ts", "imports point down"],
    [
      "up from a folder in a room",
      "src/codegen/wasm/print.ts",
      "../../runtime/device.ts",
      "imports point down",
    ],
    ["of the front door", "src/nn/linear.ts", "../index.ts", "only cli and testing"],
    ["of testing by the front door", "src/index.ts", "./testing/index.ts", "only cli imports testing"],
    ["of cli by testing", "src/testing/fuzz.ts", "../cli/fusegrad.ts", "nothing imports cli"],
    [
      "of codegen by the reference device",
      "src/runtime/reference/a.ts",
      "../../codegen/a.ts",
      "reference device",
    ],
    ["of another device by the reference device", "src/runtime/reference/a.ts", "../wasm/a.ts", "reference"],
    ["of runtime by models", "src/models/bert.ts", "../runtime/device.ts", "models know no device"],
    ["of codegen by models", "src/models/bert.ts", "../codegen/target.ts", "models know no device"],
    ["of a package", "src/text/wordPiece.ts", "left-pad", "only cli and testing import packages"],
    ["of an optional package elsewhere", "src/runtime/webgpu/index.ts", "webgpu", "only cli and testing"],
    ["of Node's modules", "src/engine/realize.ts", "node:fs", "Node's modules"],
    ["of Node's modules by graph/node.ts", "src/graph/node.ts", "node:fs", "Node's modules"],
    ["of Node's modules without their prefix", "src/cli/fusegrad.ts", "fs", "node:fs"],
    ["out of src", "src/io/safetensors.ts", "../../bench/data.ts", "no room"],
    ["of an unknown room", "src/io/safetensors.ts", "../attic/data.ts", "no room"],
  ])("reports an import %s", (_, path, target, problem) => {
    expect(problems(path, `import * as x from "${target}";\n`)).toEqual([expect.stringContaining(problem)]);
    expect(problems(path, `export type { X } from "${target}";\n`)).toHaveLength(1);
    expect(problems(path, `const x = () => import("${target}");\n`)).toHaveLength(1);
  });

  it("reports an import that it cannot read", () => {
    expect(problems("src/io/a.ts", "export const load = (name: string) => import(name);\n")).toHaveLength(1);
  });

  it("reports a file that lies in no room", () => {
    expect(problems("src/attic/a.ts", "export {};\n")).toEqual(["lies in no room of the house"]);
    expect(problems("src/other.ts", "export {};\n")).toEqual(["lies in no room of the house"]);
  });

  it("reports a file that is too long, at its last line", () => {
    expect(problems("src/graph/a.ts", "//\n".repeat(LINE_LIMIT - 1))).toEqual([]);
    const long = checkHouse([{ path: "src/graph/a.ts", text: "//\n".repeat(LINE_LIMIT) }]);
    expect(long).toEqual([{ where: `src/graph/a.ts:${LINE_LIMIT}`, problem: "450 lines; the limit is 449" }]);
  });

  it("finds nothing wrong with an empty house", () => {
    expect(checkHouse([])).toEqual([]);
  });
});
