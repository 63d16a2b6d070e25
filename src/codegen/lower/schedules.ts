import type { Statement } from "../kernel/ir.ts";
import type { Template } from "../schedule/groups.ts";
import type { LoweringScope } from "./compute.ts";
import type { LoweredGroup } from "./loops.ts";

type Lowering<Kind extends Template["kind"]> = (
  scope: LoweringScope,
  template: Extract<Template, { kind: Kind }>,
) => LoweredGroup;

/**
 * How templates become loops where kernels run as workgroups. A target brings these itself, so that who never computes on
 * a GPU never loads them.
 */
export interface WorkgroupSchedules {
  /** Undefined for rows that are better computed by an invocation each. */
  row(...args: Parameters<Lowering<"row">>): LoweredGroup | undefined;
  readonly contract: Lowering<"contract">;
  readonly attend: Lowering<"attend">;
  readonly attendGradient: Lowering<"attendGradient">;
  /** Gives every independent iteration of loops that are written for one after the other an invocation. */
  spread(body: readonly Statement[]): Statement[];
}
