import { describe, expect, it } from "vitest";
import { ArgumentError } from "../../../src/graph/errors.ts";
import { attentionSections, modelFor } from "../../../src/models/index.ts";
import { onReferenceDevice } from "../../nn/reference.ts";
import { tinyConfig } from "../tiny.ts";

onReferenceDevice();

const text = { ids: [2, 5, 7, 3], labels: ["[CLS]", "a", "b", "[SEP]"], specialIds: [2, 3] };

const tiny = (name: string) => {
  const { create, modelType } = modelFor(name);
  return create(tinyConfig(modelType));
};

describe("attentionSections", () => {
  it.each([
    ["BertForMaskedLM", ["Layer 0", "Layer 1"]],
    ["TransformerForConditionalGeneration", ["Layer 0"]],
    ["TtaModel", ["Layer 0", "Layer 1"]],
    [
      "SynthesizerModel",
      ["Layer 0, synthesized scores", "Layer 0", "Layer 1, synthesized scores", "Layer 1"],
    ],
  ])("of %s are those of its layers, each with its heads", async (name, titles) => {
    const sections = await attentionSections(tiny(name), text);
    expect(sections.map(({ title }) => title)).toEqual(titles);
    for (const { layer, matrices, title } of sections) {
      expect(title).toContain(`Layer ${layer}`);
      expect(matrices).toHaveLength(2);
      if (title.endsWith("scores")) continue;
      for (const row of matrices.flatMap(({ values }) => values)) {
        expect(row.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 5);
      }
    }
  });

  it("of XLNet begin with its order, in which special tokens are not predicted", async () => {
    const [order, ...layers] = await attentionSections(tiny("XLNetModel"), text);
    expect(["Order of prediction: a b", "Order of prediction: b a"]).toContain(order.title);
    expect(order.layer).toBeUndefined();
    expect(layers.map(({ layer }) => layer)).toEqual([0, 0, 1, 1]);
  });

  it("want a label for each id", async () => {
    const wrong = { ...text, labels: ["a"] };
    await expect(attentionSections(tiny("BertModel"), wrong)).rejects.toThrow(ArgumentError);
  });
});
