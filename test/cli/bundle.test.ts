import { spawn } from "node:child_process";
import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "tsdown";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { listCheckpoints, readCheckpoint } from "../../src/io/node/index.ts";
import { killRepeatedly } from "./crashes.ts";
import { sampleText, tiny } from "./samples.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
let folder: string;
let train: readonly string[];

/** The command as it is shipped, in a package of its own: libraries of this checkout are not found from there. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "fusegrad-bundle-"));
  await copyFile(join(root, "package.json"), join(folder, "package.json"));
  await build({
    config: false,
    cwd: root,
    entry: { fusegrad: "src/cli/fusegrad.ts" },
    outDir: join(folder, "dist", "cli"),
    platform: "node",
    target: "node20",
    fixedExtension: false,
    dts: false,
    deps: { alwaysBundle: ["fast-check"], onlyBundle: false },
    logLevel: "silent",
  });
  const text = join(folder, "text.txt");
  await writeFile(text, sampleText(100));
  train = ["train", "--text", text, ...tiny];
});

afterAll(() => rm(folder, { recursive: true }));

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the bundle; `during` sees the process and what it has written so far. */
function command(
  args: readonly string[],
  during: (child: ReturnType<typeof spawn>, stdout: string) => void = () => undefined,
): Promise<Ended> {
  const child = spawn(process.execPath, [join(folder, "dist", "cli", "fusegrad.js"), ...args], {
    cwd: folder,
  });
  const written = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk) => {
    written.stdout += String(chunk);
    during(child, written.stdout);
  });
  child.stderr.on("data", (chunk) => {
    written.stderr += String(chunk);
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status) => resolve({ status, ...written }));
  });
}

describe("the bundled command", () => {
  it("ends with the status of what it did", async () => {
    expect(await command(["--version"])).toMatchObject({ status: 0, stderr: "" });
    const wrong = await command(["train", "--steps", "0"]);
    expect(wrong).toMatchObject({ status: 2, stdout: "" });
    expect(wrong.stderr).toMatch(/^error: [^\n]+\n$/);
  });

  it("trains", async () => {
    const { status, stdout, stderr } = await command([...train, "--steps", "2", "--json"]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout.trimEnd().split("\n")).toHaveLength(3);
  });

  it("stops at Ctrl-C", async () => {
    let sent = false;
    const { status, stderr } = await command([...train, "--steps", "100000"], (child, stdout) => {
      if (!sent && stdout.includes("step 1/")) sent = child.kill("SIGINT");
    });
    expect({ status, stderr }).toEqual({ status: 130, stderr: "interrupted\n" });
  });

  it("leaves checkpoints that load whenever it is killed", async () => {
    const inside = await mkdtemp(join(folder, "killed-"));
    const seed = Date.now() % 1_000_000;
    const report = await killRepeatedly(join(folder, "dist", "cli", "fusegrad.js"), inside, 6, seed);
    expect({ seed, ...report }).toMatchObject({ problems: [] });
    expect(report.steps).toBeGreaterThan(0);
  }, 90_000);

  it("leaves a checkpoint at SIGTERM", async () => {
    const out = join(folder, "terminated");
    let sent = false;
    const args = [...train, "--steps", "100000", "--out", out];
    const { status, stderr } = await command(args, (child, stdout) => {
      if (!sent && stdout.includes("step 1/")) sent = child.kill("SIGTERM");
    });
    expect({ status, stderr }).toEqual({ status: 143, stderr: "interrupted\n" });
    const [{ path, step }] = await listCheckpoints(join(out, "checkpoints"));
    expect(await readCheckpoint(path)).toMatchObject({ step, optimizer: { steps: step } });
  });

  it("ends quietly when nobody reads on", async () => {
    const { stderr } = await command([...train, "--steps", "100000", "--json"], (child) =>
      child.stdout?.destroy(),
    );
    expect(stderr).toBe("");
  });
});
