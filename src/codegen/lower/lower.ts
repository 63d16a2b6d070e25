import type { Value } from "../../graph/node.ts";
import type { Group } from "../schedule/groups.ts";
import type { Target } from "../target.ts";
import { lowerAttend } from "./attend.ts";
import { lowerAttendGradient } from "./attendGradient.ts";
import type { LoweringScope } from "./compute.ts";
import { lowerContract } from "./contract.ts";
import type { LoweredGroup } from "./loops.ts";
import { lowerMap } from "./map.ts";
import { lowerReduce } from "./reduce.ts";
import { lowerRow } from "./row.ts";
import { lowerScatter } from "./scatter.ts";
import { lowerSort } from "./sort.ts";

/** Writes a group as loops. `inMemory` tells what other kernels or the program's inputs have put in memory. */
export function lowerGroup(group: Group, inMemory: (value: Value) => boolean, target: Target): LoweredGroup {
  const scope: LoweringScope = { group, inMemory, target };
  const { template } = group;
  switch (template.kind) {
    case "map":
      return lowerMap(scope, template);
    case "row":
      return lowerRow(scope, template);
    case "reduce":
      return lowerReduce(scope, template);
    case "contract":
      return lowerContract(scope, template);
    case "sort":
      return lowerSort(scope, template);
    case "attend":
      return lowerAttend(scope, template);
    case "attendGradient":
      return lowerAttendGradient(scope, template);
    case "scatter":
      return lowerScatter(scope, template);
  }
}
