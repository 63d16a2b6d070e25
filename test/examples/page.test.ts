import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, chromium as playwright } from "playwright";
import { build, type PreviewServer, preview } from "vite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { chromium } from "../browser/chromium.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const configFile = join(root, "examples/page/vite.config.ts");

/** A text with a rule that is quickly learnt: "the" stands before each animal. */
const text = Array.from({ length: 600 }, (_, i) => {
  const animal = ["whale", "gull", "shark", "seal"][i % 4];
  return `the ${animal} swims in the ${["blue", "cold", "wide"][i % 3]} sea and the ${animal} sleeps`;
}).join("\n");

const launch = chromium();

/** As the warning of vitest.config.ts says, this Chromium runs on Linux on x64 only. */
describe.runIf(launch !== undefined)("the page that trains BERT", () => {
  const outDir = mkdtempSync(join(tmpdir(), "fusegrad-page-"));
  const screenshots = join(root, ".cache/screenshots");
  let server: PreviewServer;
  let browser: Browser;

  beforeAll(async () => {
    mkdirSync(screenshots, { recursive: true });
    await build({ configFile, logLevel: "warn", build: { outDir } });
    server = await preview({ configFile, logLevel: "warn", build: { outDir }, preview: { port: 0 } });
    browser = await playwright.launch(launch);
  }, 60_000);

  afterAll(async () => {
    await browser?.close();
    await server?.close();
    rmSync(outDir, { recursive: true, force: true });
  });

  async function open() {
    const page = await browser.newPage({ viewport: { width: 800, height: 1000 } });
    page.setDefaultTimeout(120_000);
    const problems: string[] = [];
    page.on("pageerror", (error) => problems.push(error.message));
    await page.goto(server.resolvedUrls?.local[0] ?? "");
    await page.locator("#device option", { hasText: "webgpu" }).waitFor({ state: "attached" });
    await page.fill("#text", text);
    return { page, problems };
  }

  // A GPU in software is slow: it shows that the page works with one, not that much can be learnt.
  const trials = [
    { device: "wasm", steps: 200, below: 2.3, answer: /^the \(/ },
    { device: "webgpu", steps: 3, below: 6, answer: /./ },
  ];
  it.each(trials)(
    "learns on $device, shows how, and fills in a word",
    { timeout: 180_000 },
    async ({ device, steps, below, answer }) => {
      const { page, problems } = await open();
      await page.selectOption("#device", device);
      await page.fill("#steps", String(steps));
      await page.click("#start");
      await page.locator("#status", { hasText: "Done." }).waitFor({ timeout: 150_000 });
      const points = (await page.getAttribute("#curve polyline", "points"))?.split(" ") ?? [];
      expect(points).toHaveLength(steps);
      const loss = Number(/loss ([\d.]+)/.exec((await page.textContent("#status")) ?? "")?.[1]);
      expect(loss).toBeLessThan(below);
      await page.fill("#masked", "the whale swims in [MASK] blue sea");
      await page.click("#fill");
      await page.locator("#answers li").first().waitFor();
      expect(await page.locator("#answers li").count()).toBe(5);
      expect(await page.locator("#answers li").first().textContent()).toMatch(answer);
      await page.screenshot({ path: join(screenshots, `page-${device}.png`), fullPage: true });
      expect(problems).toEqual([]);
      await page.close();
    },
  );

  it("stops when asked to, and says what is wrong with a text", { timeout: 60_000 }, async () => {
    const { page, problems } = await open();
    await page.selectOption("#device", "wasm");
    await page.fill("#steps", "100000");
    await page.click("#start");
    await page.locator("#status", { hasText: /^Step/ }).waitFor();
    await page.click("#stop");
    await page.locator("#status", { hasText: "Stopped." }).waitFor();
    expect(await page.isEnabled("#start")).toBe(true);
    await page.fill("#text", "too short");
    await page.click("#start");
    await page.locator("#status.problem").waitFor();
    expect(await page.textContent("#status")).toContain("That did not work");
    expect(problems).toEqual([]);
    await page.close();
  });
});
