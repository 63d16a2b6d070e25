import type { Value } from "../../graph/node.ts";
import { numel } from "../../graph/shape.ts";
import { definitionOf } from "../../ops/table.ts";
import { costly } from "../schedule/costs.ts";
import { coordinatesOf, placeOf, type Template } from "../schedule/groups.ts";
import { basesOf } from "../schedule/views.ts";
import type { LoweringScope } from "./compute.ts";

export interface Pass {
  /** Reductions that this pass completes. */
  readonly reductions: readonly Value[];
  /** Values that are put into registers at each element, inputs first: kept ones, and scans. */
  readonly bound: readonly Value[];
  /** Scans that run in this pass. */
  readonly scans: readonly Value[];
  /** Wide values stored in this pass. */
  readonly wideStores: readonly Value[];
  /** Values of one element a row, stored after it. */
  readonly narrowStores: readonly Value[];
}

/** What a pass is there for. */
type Computed = Omit<Pass, "bound" | "scans">;

export interface RowPasses {
  readonly passes: readonly Pass[];
  readonly reductions: readonly Value[];
  /** Wide values kept from the pass that first computes them. */
  readonly kept: ReadonlyMap<Value, number>;
  /** Whether a pass needs a kept value. */
  readonly uses: (value: Value, pass: number) => boolean;
  /** Operations an element, over all passes. */
  readonly operations: number;
}

/**
 * Orders what a row kernel computes into passes over the row, and chooses what to keep between them: of what it stores
 * anyway as much as is worth it, of other values up to `mostKept`.
 */
export function planPasses(
  scope: LoweringScope,
  template: Extract<Template, { kind: "row" }>,
  mostKept = Number.POSITIVE_INFINITY,
): RowPasses {
  const { group } = scope;
  const coordinates = coordinatesOf(template);
  const isOwnReduction = (value: Value): boolean =>
    definitionOf(value.node).kind === "reduce" && !scope.inMemory(value);
  const isWide = (value: Value): boolean =>
    numel(value.shape) === numel(coordinates.wideShape) &&
    placeOf(value.shape, coordinates)?.width === "wide";

  const levels = new Map<Value, number>();
  /** How many reductions must have ended, one after the other, before the value can be computed. */
  const levelOf = (value: Value): number => {
    let level = levels.get(value);
    if (level === undefined) {
      level = scope.inMemory(value) ? 0 : Math.max(0, ...value.node.inputs.map(levelOf));
      if (isOwnReduction(value)) level += 1;
      levels.set(value, level);
    }
    return level;
  };
  const reductions = new Set<Value>();
  const seen = new Set<Value>();
  const collect = (value: Value): void => {
    if (seen.has(value) || scope.inMemory(value)) return;
    seen.add(value);
    value.node.inputs.forEach(collect);
    if (isOwnReduction(value)) reductions.add(value);
  };
  for (const value of group.stores) collect(value);

  const last = Math.max(0, ...[...group.stores, ...reductions].map(levelOf));
  const narrowOnly = (value: Value): boolean => isOwnReduction(value) || !isWide(value);
  const passes = Array.from(
    { length: last + 1 },
    (_, pass): Computed => ({
      reductions: [...reductions].filter((value) => levelOf(value) === pass + 1),
      wideStores: [...group.stores].filter((value) => !narrowOnly(value) && levelOf(value) === pass),
      narrowStores: [...group.stores].filter(
        (value) => narrowOnly(value) && Math.max(levelOf(value), 1) === pass + 1,
      ),
    }),
  );
  const { kept, uses, operations } = chooseKept(scope, passes, isOwnReduction, isWide, mostKept);
  const order = inputsFirst(group.stores, scope);
  const complete = passes.map((computed, pass): Pass => {
    const used = order.filter((value) => uses(value, pass) && (kept.get(value) ?? pass) <= pass);
    // A scan that is not kept runs again in every pass that needs it.
    const scans = used.filter((value) => isScan(value) && (kept.get(value) ?? pass) === pass);
    return { ...computed, bound: used.filter((value) => kept.has(value) || isScan(value)), scans };
  });
  return { passes: complete, reductions: [...reductions], kept, uses, operations };
}

function chooseKept(
  scope: LoweringScope,
  passes: readonly Computed[],
  isOwnReduction: (value: Value) => boolean,
  isWide: (value: Value) => boolean,
  mostKept: number,
): { kept: Map<Value, number>; uses: (value: Value, pass: number) => boolean; operations: number } {
  const kept = new Map<Value, number>();
  let reached: Set<Value>[] = [];
  const reach = (): void => {
    reached = passes.map(({ reductions, wideStores }, pass) => {
      const found = new Set<Value>();
      const visit = (value: Value): void => {
        if (found.has(value) || scope.inMemory(value) || isOwnReduction(value)) return;
        found.add(value);
        const from = kept.get(value);
        if (from === undefined || from === pass) value.node.inputs.forEach(visit);
      };
      for (const value of reductions) visit(value.node.inputs[0]);
      wideStores.forEach(visit);
      return found;
    });
  };
  const passesOf = (value: Value): number[] =>
    reached.flatMap((found, pass) => (found.has(value) ? [pass] : []));
  reach();
  // Latest values first: keeping one may make it needless to keep what it is made of.
  const candidates = [...scope.group.members]
    .reverse()
    .filter((value) => isWide(value) && !isOwnReduction(value));
  let inScratch = 0;
  for (const value of candidates) {
    const stored = scope.group.stores.has(value);
    if (!stored && inScratch >= mostKept) continue;
    const used = passesOf(value);
    if (
      used.length < 2 ||
      !(isScan(value) || definitionOf(value.node).kind === "map") ||
      !isWorthKeeping(value, scope, isOwnReduction)
    )
      continue;
    kept.set(value, used[0]);
    if (!stored) inScratch += 1;
    reach();
  }
  const operations = reached.reduce(
    (total, found) => total + [...found].filter((value) => definitionOf(value.node).kind === "map").length,
    passes.reduce((count, { reductions }) => count + reductions.length, 0),
  );
  return { kept, uses: (value, pass) => reached[pass].has(value), operations };
}

/** Something transcendental, several operations or several reads stand below it. */
function isWorthKeeping(
  value: Value,
  scope: LoweringScope,
  isOwnReduction: (value: Value) => boolean,
): boolean {
  let operations = 0;
  let reads = 0;
  const seen = new Set<Value>();
  if (isScan(value)) return true;
  const visit = (part: Value): boolean => {
    if (seen.has(part)) return false;
    seen.add(part);
    if (isOwnReduction(part)) return false;
    if (scope.inMemory(part)) {
      reads += 1;
      return false;
    }
    const { kind } = definitionOf(part.node);
    if (kind === "leaf") return false;
    if (kind === "map") operations += 1;
    return costly.has(part.node.op) || part.node.inputs.some((input) => basesOf(input).some(visit));
  };
  return visit(value) || operations >= 4 || reads >= 3;
}

/** The values below `roots` that this kernel computes, each after what it is made of. */
function inputsFirst(roots: Iterable<Value>, scope: LoweringScope): Value[] {
  const order = new Set<Value>();
  const seen = new Set<Value>();
  const visit = (value: Value): void => {
    if (seen.has(value) || scope.inMemory(value)) return;
    seen.add(value);
    value.node.inputs.forEach(visit);
    order.add(value);
  };
  for (const root of roots) visit(root);
  return [...order];
}

function isScan(value: Value): boolean {
  return definitionOf(value.node).kind === "scan";
}
