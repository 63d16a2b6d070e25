import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fuse } from "../../../src/codegen/schedule/fuse.ts";
import type { Group } from "../../../src/codegen/schedule/groups.ts";
import { orderGroups, readsOf } from "../../../src/codegen/schedule/order.ts";
import { simplify } from "../../../src/codegen/schedule/simplify.ts";
import { takeApart, unfused } from "../../../src/codegen/schedule/unfused.ts";
import type { Value } from "../../../src/graph/node.ts";
import { expandComposites } from "../../../src/ops/expand.ts";
import { definitionOf } from "../../../src/ops/table.ts";
import { randomGraphs } from "../../../src/testing/index.ts";

const attention = new Set(["attention", "attentionGradient"]);

/** A random graph as the planner gives it to fusion. */
function prepared(outputs: readonly Value[]) {
  const isInput = ({ node }: Value): boolean => node.op === "constant";
  const expansion = expandComposites(outputs, isInput, new Map(), attention);
  const expanded = outputs.map(expansion.valueOf);
  const graph = simplify(expanded, isInput);
  return { order: graph.order, roots: expanded.map(graph.valueOf), isInput };
}

/** Every other group taken apart. */
const halfFused: typeof unfused = (order, roots, isInput) =>
  takeApart(fuse(order, roots, isInput), isInput, ({ index }) => index % 2 === 0);

describe.each([
  ["fuse", fuse],
  ["unfused", unfused],
  ["takeApart", halfFused],
])("%s", (_, partition) => {
  it("gives kernels that can be ordered, each reading only what was stored before", () => {
    fc.assert(
      fc.property(randomGraphs({ maxSteps: 16 }), (graph) => {
        const { order, roots, isInput } = prepared(graph.build("f32").outputs);
        const fusion = partition(order, roots, isInput);
        const reads = new Map(fusion.groups.map((group) => [group, readsOf(group, fusion, isInput)]));
        const stored = new Set<Value>();
        // Throws where kernels wait for each other in a circle: groups are convex.
        for (const group of orderGroups(fusion, reads, [])) {
          for (const value of reads.get(group) ?? []) expect(isInput(value) || stored.has(value)).toBe(true);
          for (const value of group.stores) stored.add(value);
        }
        for (const root of roots) expect(stored.has(fusion.rootStorage.get(root) as Value)).toBe(true);
      }),
      { numRuns: 150 },
    );
  });

  it("computes and stores each value in one group at most", () => {
    fc.assert(
      fc.property(randomGraphs({ maxSteps: 16 }), (graph) => {
        const { order, roots, isInput } = prepared(graph.build("f32").outputs);
        const { groups, homeOf, ownerOf } = partition(order, roots, isInput);
        const storing = new Map<Value, Group>();
        for (const group of groups) {
          for (const value of group.stores) {
            expect(storing.has(value)).toBe(false);
            storing.set(value, group);
            expect(homeOf.get(value)).toBe(group);
            expect(ownerOf.get(value)).toBe(group);
          }
          for (const value of group.members) expect(homeOf.get(value)).toBe(group);
        }
        for (const { op, outputs } of order) {
          if (!["reduce", "scan", "contract"].includes(definitionOf(outputs[0].node).kind)) continue;
          expect(homeOf.has(outputs[0]), op).toBe(true);
        }
      }),
      { numRuns: 150 },
    );
  });
});
