import { describe, expect, it } from "vitest";
import { Linear } from "../../src/nn/linear.ts";
import { ReferenceDevice } from "../../src/runtime/reference/device.ts";
import { ones } from "../../src/tensor/create.ts";
import { explainPasses } from "../../src/tensor/explain.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { eachTestAlone } from "../engine/worlds.ts";

describe("explainPasses", () => {
  eachTestAlone();

  it("names every pass, each beginning with what the one before made", () => {
    const linear = new Linear(8, 4);
    const passes = explainPasses((x: Tensor) => linear.forward(x).gelu(), ones([3, 8]));
    expect(passes.map(({ name }) => name)).toEqual([
      "expand",
      "simplify",
      "transposeProducts",
      "cutChains",
      "fuse",
      "order",
      "lower",
      "mergeNeighbours",
      "mergeReductions",
      "memory",
      "expandMath",
      "placeLets",
    ]);
    for (const [i, { before }] of passes.slice(1).entries()) expect(before).toBe(passes[i].after);
    const after = Object.fromEntries(passes.map((pass) => [pass.name, pass.after]));
    expect(passes[0].before).toContain("gelu(");
    expect(after.expand).not.toContain("gelu(");
    expect(after.expand).toContain("erf(");
    expect(after.memory).toContain("bytes of workspace");
    expect(after.lower).toContain("erf:f32");
    expect(after.expandMath).not.toContain("erf:f32");
    expect(after.placeLets).toContain("let ");
  });

  it("shows the groups of a small function, and why they are no larger", () => {
    const passes = explainPasses((x: Tensor) => x.sum({ dim: 0 }).mul(2).add(x), ones([4, 4]));
    expect(passes.find(({ name }) => name === "fuse")?.after).toMatchInlineSnapshot(
      `
      "0 reduce: sum mul; stores mul f32 [4]
        stopped at add: needs the reduction's result for every element
      1 map: add; stores add f32 [4, 4]"
    `,
    );
  });
});

describe("the reasons why a kernel is no larger", () => {
  eachTestAlone();

  it.each<[string, (x: Tensor) => Tensor, string]>([
    ["a product", (x) => x.softmax(-1).matmul(x.t()), "matmul: reads each element many"],
    ["a reduction over other dims", (x) => x.softmax(-1).sum({ dim: 0 }), "sum: runs over other elements"],
    ["a sort", (x) => x.sum({ dim: -1 }).argsort(), "argsort: is a kernel of its own"],
  ])("name %s", (_, fn, reason) => {
    const passes = explainPasses(fn, ones([4, 2]));
    expect(passes.find(({ name }) => name === "fuse")?.after).toContain(`stopped at ${reason}`);
  });
});

describe("explainPasses on the reference device", () => {
  eachTestAlone(() => new ReferenceDevice());

  it("is empty: nothing is planned", () => {
    expect(explainPasses((x: Tensor) => x.add(1), ones([2]))).toEqual([]);
  });
});
