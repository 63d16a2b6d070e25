import type { Device, KernelInfo } from "../../runtime/device.ts";
import {
  buildGraph,
  type Disagreement,
  type Found,
  type FuzzCase,
  type FuzzReport,
  formatGraph,
  programOf,
  valuesOf,
} from "../../testing/index.ts";

/** One line of how far a run has come. */
export function progressLine({ graphs, seconds, coverage, disagreements }: FuzzReport): string {
  const { ops, opsTotal, opDTypes, templates, views } = coverage;
  return (
    `${graphs} graphs, ${(graphs / Math.max(seconds, 1e-9)).toFixed(1)} a second; ${ops} of ${opsTotal} ops, ${opDTypes} with ` +
    `dtypes, ${templates.length} templates, ${views.length} views; ${disagreements.length} disagreements`
  );
}

/** The same as plain data. */
export function progressData(report: FuzzReport, final: boolean): object {
  const { graphs, seconds, compared, undecided, seed, coverage, disagreements } = report;
  const { missing, ...covered } = coverage;
  return {
    final,
    seed,
    graphs,
    seconds: Number(seconds.toFixed(3)),
    cpuSeconds: cpuSeconds(),
    graphsPerSecond: Number((graphs / Math.max(seconds, 1e-9)).toFixed(2)),
    compared,
    undecided,
    coverage: final ? coverage : { ...covered, missing: missing.length },
    disagreements: disagreements.length,
  };
}

/** What this process has used of the processor. */
function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** What was found, with the graph. */
export function describeFound({ number, seed, smallest, disagreement }: Found): string {
  return `disagreement in case ${number} of seed ${seed}: ${describeDisagreement(disagreement)}\n${describeCase(smallest)}`;
}

export function describeDisagreement({ oracle, device, message }: Disagreement): string {
  return `${oracle} on ${device}: ${message}`;
}

/** The graph of a case, and what is asked of it. */
export function describeCase({ check, graph, cells = [] }: FuzzCase): string {
  const written = cells.flatMap(({ leaf, takes }) =>
    takes === undefined ? [] : [`leaf ${leaf} takes result ${takes}`],
  );
  return `check: ${check}${written.length > 0 ? `; ${written.join(", ")}` : ""}${formatGraph(buildGraph(graph, "f32").outputs)}`;
}

/** The kernels that a device makes of a case's graph. */
export function kernelsOf(fuzzCase: FuzzCase, device: Device): readonly KernelInfo[] {
  const executable = device.prepare(programOf(valuesOf(fuzzCase, "f32")).program);
  try {
    return executable.kernels.map((kernel) => ({ ...kernel, source: kernel.source }));
  } finally {
    executable.dispose();
  }
}
