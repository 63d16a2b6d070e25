import type { Value } from "../../graph/node.ts";
import type { Group } from "../schedule/groups.ts";
import type { Target } from "../target.ts";
import { lowerAttend } from "./attend.ts";
import { lowerAttendGradient } from "./attendGradient.ts";
import { Names } from "./block.ts";
import type { LoweringScope } from "./compute.ts";
import { lowerContract } from "./contract.ts";
import type { LoweredGroup } from "./loops.ts";
import { lowerMap } from "./map.ts";
import { lowerReduce } from "./reduce.ts";
import { lowerRow } from "./row.ts";
import { lowerScatter } from "./scatter.ts";
import { lowerSort } from "./sort.ts";

/** Writes a group as loops. `inMemory` tells what other kernels or the program's inputs have put in memory. */
export function lowerGroup(
  group: Group,
  inMemory: (value: Value) => boolean,
  target: Target,
  names?: Names,
): LoweredGroup {
  const scope: LoweringScope = { group, inMemory, target, names };
  const { template } = group;
  const schedules = target.workgroup?.schedules;
  switch (template.kind) {
    case "map":
      return lowerMap(scope, template);
    case "row":
      return schedules?.row(scope, template) ?? lowerRow(scope, template);
    case "reduce":
      return lowerReduce(scope, template);
    case "contract":
      return (schedules?.contract ?? lowerContract)(scope, template);
    case "sort":
      return lowerSort(scope, template);
    case "attend":
      return (schedules?.attend ?? lowerAttend)(scope, template);
    case "attendGradient":
      return (schedules?.attendGradient ?? lowerAttendGradient)(scope, template);
    case "scatter":
      return lowerScatter(scope, template);
  }
}

/** Groups that have nothing to do with each other as one kernel, which computes them one after the other. */
export function lowerTogether(
  groups: readonly Group[],
  inMemory: (value: Value, group: Group) => boolean,
  target: Target,
): LoweredGroup {
  const names = new Names();
  const parts = groups.map((group) => lowerGroup(group, (value) => inMemory(value, group), target, names));
  const union = <T>(of: (group: Group) => Iterable<T>): Set<T> =>
    new Set(groups.flatMap((group) => [...of(group)]));
  return {
    group: {
      ...groups[0],
      stores: union(({ stores }) => stores),
      members: union(({ members }) => members),
      stopped: union(({ stopped }) => stopped),
    },
    body: parts.flatMap(({ body }) => body),
    buffers: new Map(parts.flatMap(({ buffers }) => [...buffers])),
    scratch: [],
    shared: parts.flatMap(({ shared = [] }) => shared),
    flops: parts.reduce((total, { flops }) => total + flops, 0),
  };
}
