import { type ContenderName, contenderNames, peerNames } from "./contenders.ts";

/** A workload's times on one Node. */
export interface Row {
  readonly node: string;
  readonly name: string;
  readonly flops: number;
  readonly bytes: number;
  /** Median ms of each contender that could do it. `machine` is the least that its arithmetic and bytes take. */
  readonly times: Readonly<Partial<Record<ContenderName, number>>>;
  /** Why others could not. */
  readonly problems: readonly string[];
}

/** How many times faster than the fastest peer; undefined without one. */
export function ratioOf({ times }: Row): number | undefined {
  const best = Math.min(...peerNames.flatMap((name) => times[name] ?? []));
  return times.fusegrad && Number.isFinite(best) ? best / times.fusegrad : undefined;
}

/** The rows as Markdown. */
export function table(rows: readonly Row[], head = true): string {
  const lines = rows.map((row) => {
    const { node, name, flops, times } = row;
    const own = times.fusegrad;
    const share = own && times.machine && `${Math.round((100 * times.machine) / own)} %`;
    const cells = [
      ...[node, name],
      ...contenderNames.filter((one) => one !== "machine").map((one) => milliseconds(times[one])),
      ...[ratioOf(row)?.toFixed(2), own && flops ? (flops / own / 1e6).toFixed(1) : undefined, share],
    ];
    return `| ${cells.map((cell) => cell ?? "").join(" | ")} |`;
  });
  const titles = ["Node", "work, ms", ...contenderNames.filter((one) => one !== "machine")];
  const columns = [...titles, "best peer / ours", "GFLOP/s", "of the machine"];
  const rule = `|${columns.map((_, i) => (i < 2 ? "---|" : "--:|")).join("")}`;
  return [...(head ? [`| ${columns.join(" | ")} |`, rule] : []), ...lines].join("\n");
}

function milliseconds(time: number | undefined): string | undefined {
  return time?.toPrecision(3);
}
