import { describe, expect, it } from "vitest";
import { takeMarks } from "../../../src/codegen/schedule/marks.ts";
import { topologicalOrder, type Value } from "../../../src/graph/node.ts";
import * as b from "../../../src/ops/builders.ts";

const leaf = (): Value => b.constant([2, 3], "f32", Float32Array.of(1, 2, 3, 4, 5, 6));
const never = (): boolean => false;

function taken(...roots: Value[]) {
  return takeMarks(roots, topologicalOrder(roots, never), never);
}

describe("takeMarks", () => {
  it("leaves a graph without marks as it is", () => {
    const root = b.exp(leaf());
    const { roots, waits } = taken(root);
    expect(roots).toEqual([root]);
    expect(waits.size).toBe(0);
  });

  it("keeps what is computed again apart, and says what it waits for", () => {
    const x = leaf();
    const first = b.exp(x);
    const signal = b.neg(first);
    const again = b.exp(b.permute(b.after(x, [signal]), [1, 0]));
    const {
      roots: [kept, late],
      order,
      waits,
    } = taken(first, again);
    expect(order.some(({ op }) => op === "after")).toBe(false);
    expect(late.node).not.toBe(kept.node);
    expect(late.node.inputs[0].node.inputs[0]).toBe(x);
    // The movement computes nothing: its reader waits.
    expect(waits.get(late.node)).toEqual([signal]);
    expect([...waits.keys()]).toEqual([late.node]);
  });

  it("adds up what marks upon marks wait for", () => {
    const [x, one, two] = [leaf(), b.neg(leaf()), b.exp(leaf())];
    const { roots, waits } = taken(b.abs(b.after(b.after(x, [one]), [two])));
    expect(waits.get(roots[0].node)).toEqual([one, two]);
  });
});
