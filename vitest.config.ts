import { playwright } from "@vitest/browser-playwright";
import { defineConfig, type TestProjectConfiguration } from "vitest/config";
import { chromium } from "./test/browser/chromium.ts";

const timeouts = { testTimeout: 20_000, hookTimeout: 20_000 };

/** What a page may read of the environment, and only if it is set: see test/runtime/agreement/tries.ts. */
const handedOn = ["FUSEGRAD_SEED", "FUSEGRAD_RUNS"].flatMap((name) => {
  const value = process.env[name];
  return value === undefined ? [] : [[name, value]];
});

/** The tests that run in a page, where there is a browser for them. */
function browserProjects(): TestProjectConfiguration[] {
  const launchOptions = chromium();
  if (launchOptions === undefined) {
    console.warn("Tests in a page are left out: their Chromium runs on Linux on x64 only.");
    return [];
  }
  return [
    {
      // Threads share memory only in a page that is isolated from others.
      server: {
        headers: {
          "Cross-Origin-Opener-Policy": "same-origin",
          "Cross-Origin-Embedder-Policy": "require-corp",
        },
      },
      // Known from the start, or the first page would be loaded anew when a package of it is found.
      optimizeDeps: { include: ["fast-check"] },
      test: {
        name: "browser",
        include: ["test/browser/**/*.test.ts"],
        benchmark: { include: [] },
        env: Object.fromEntries(handedOn),
        browser: {
          enabled: true,
          headless: true,
          screenshotFailures: false,
          provider: playwright({ launchOptions }),
          instances: [{ browser: "chromium" }],
        },
        ...timeouts,
      },
    },
  ];
}

export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      {
        test: {
          name: "node",
          include: ["test/**/*.test.ts"],
          exclude: ["test/browser/**"],
          benchmark: { include: ["bench/**/*.bench.ts"] },
          pool: "forks",
          ...timeouts,
        },
      },
      ...browserProjects(),
    ],
  },
});
