import { spread } from "../../transform/spread.ts";
import type { WorkgroupSchedules } from "../schedules.ts";
import { lowerAttendWorkgroups } from "./attend.ts";
import { lowerAttendGradientWorkgroups } from "./attendGradient.ts";
import { lowerContractTiles } from "./contract.ts";
import { lowerRowWorkgroups } from "./row.ts";

/** Loops for devices whose kernels run as workgroups of invocations. */
export const workgroupSchedules: WorkgroupSchedules = {
  row: lowerRowWorkgroups,
  contract: lowerContractTiles,
  attend: lowerAttendWorkgroups,
  attendGradient: lowerAttendGradientWorkgroups,
  spread,
};
