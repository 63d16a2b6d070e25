import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { killRepeatedly } from "./crashes.ts";

// `npm run crashtest [-- KILLS [SEED]]`: kills a training again and again; the tests do so a few times.

const [kills = "100", seed = String(Date.now() % 1_000_000)] = process.argv.slice(2);
const folder = await mkdtemp(join(tmpdir(), "fusegrad-crashtest-"));
const report = await killRepeatedly(join("dist", "cli", "fusegrad.js"), folder, Number(kills), Number(seed));
await rm(folder, { recursive: true });
console.log(JSON.stringify({ seed: Number(seed), ...report }, null, 2));
process.exitCode = report.problems.length === 0 ? 0 : 1;
