import { describe, expect, it } from "vitest";
import { ArgumentError } from "../../../src/graph/errors.ts";
import { explain } from "../../../src/index.ts";
import {
  AlbertConfig,
  AlbertModel,
  BertConfig,
  BertForMaskedLM,
  runWithCache,
} from "../../../src/models/index.ts";
import { compile } from "../../../src/tensor/compile.ts";
import type { Tensor } from "../../../src/tensor/tensor.ts";
import { onReferenceDevice } from "../../nn/reference.ts";
import { i32, ids, tinyConfig } from "../tiny.ts";

onReferenceDevice();

const bert = () => new BertForMaskedLM(BertConfig.from(tinyConfig("bert"))).eval();

describe("runWithCache", () => {
  it("gives what the modules gave, by their fields", async () => {
    const model = bert();
    const { output, cache } = runWithCache(
      model,
      () => model.forward(i32(ids), { outputAttentions: true, outputHiddenStates: true }),
      { names: ["base.layers.1.output", /attention\.probabilities$/] },
    );
    expect([...cache.keys()]).toEqual([
      "base.layers.0.attention.probabilities",
      "base.layers.1.attention.probabilities",
      "base.layers.1.output",
    ]);
    expect(await cache.get("base.layers.1.output")?.data()).toEqual(await output.hiddenStates?.[2].data());
    const pattern = cache.get("base.layers.0.attention.probabilities");
    expect(pattern?.shape).toEqual([2, 2, 4, 4]);
    expect(await pattern?.data()).toEqual(await output.attentions?.[0].data());
  });

  it("leaves the model as it was, whether the run succeeds or not", async () => {
    const model = bert();
    const before = await model.forward(i32(ids)).logits.data();
    runWithCache(model, () => model.forward(i32(ids)), { names: [/./] });
    const fail = (): never => {
      throw new Error("no run");
    };
    expect(() => runWithCache(model, fail, { names: [/./] })).toThrow("no run");
    for (const module of model.modules()) expect(Object.hasOwn(module, "forward")).toBe(false);
    expect(await model.forward(i32(ids)).logits.data()).toEqual(before);
    expect(model.namedParameters()).toHaveLength(bert().namedParameters().length);
  });

  it("does not change the plan for what is not asked for", async () => {
    const model = bert();
    const kernels = (run: (x: Tensor) => Tensor): readonly string[] => {
      const compiled = compile(run);
      compiled(i32(ids));
      return explain(compiled).kernels.map(({ name }) => name);
    };
    const plain = kernels((x) => model.forward(x).logits);
    const cached = kernels((x) => {
      const { output } = runWithCache(model, () => model.forward(x), { names: [/probabilities$/] });
      return output.logits;
    });
    expect(cached).toEqual(plain);
  });

  it("works inside a compiled function", async () => {
    const model = bert();
    const names = ["base.layers.0.attention.probabilities"];
    const look = (x: Tensor) => runWithCache(model, () => model.forward(x), { names }).cache.get(names[0]);
    const compiled = compile((x: Tensor) => ({ pattern: look(x) }));
    expect(await compiled(i32(ids)).pattern?.data()).toEqual(await look(i32(ids))?.data());
  });

  it("numbers what a shared module gives each time", () => {
    const albert = new AlbertModel(AlbertConfig.from(tinyConfig("albert")));
    const { cache } = runWithCache(albert, () => albert.forward(i32(ids)), {
      names: [/attention\S*\.output$/],
    });
    expect([...cache.keys()].filter((name) => name.includes("#"))).toHaveLength(1);
  });

  it("names what there is when it is asked for what there is not", () => {
    const model = bert();
    const run = () => runWithCache(model, () => model.forward(i32(ids)), { names: ["base.layers.7"] });
    expect(run).toThrow(ArgumentError);
    expect(run).toThrow(/no activation base\.layers\.7; among those made are base\./);
  });
});
