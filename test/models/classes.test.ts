import { describe, expect, it } from "vitest";
import { currentEngine } from "../../src/engine/current.ts";
import type { SafetensorsEntry } from "../../src/io/index.ts";
import {
  fromPretrained,
  modelClasses,
  modelFor,
  type PretrainedModel,
  savePretrained,
} from "../../src/models/index.ts";
import { onReferenceDevice } from "../nn/reference.ts";
import { objective, tinyConfig } from "./tiny.ts";

onReferenceDevice();

describe.each(modelClasses.map((known) => [known.name, known] as const))("%s", (name, known) => {
  const { modelType } = known;

  it("computes, and has a gradient for every parameter", async () => {
    const model = modelFor(name).create(tinyConfig(modelType)).train(false) as PretrainedModel;
    const loss = objective(model, known);
    loss.backward();
    expect(loss.shape).toEqual([]);
    expect(Number.isFinite(await loss.item())).toBe(true);
    currentEngine().settleGradients(model.parameters().map(({ cell }) => cell));
    for (const [parameter, { grad }] of model.namedParameters()) {
      const gradient = await grad?.data();
      expect(gradient?.every(Number.isFinite), parameter).toBe(true);
    }
  });

  it("is the same model when it was saved and loaded", async () => {
    const model = modelFor(name).create({ ...tinyConfig(modelType), hidden_act: "relu" });
    model.eval();
    const saved = await savePretrained(model);
    expect(saved.config).toMatchObject({ architectures: [name], model_type: modelType });
    const tensors = new Map<string, SafetensorsEntry>();
    for (const [key, value] of saved.tensors) tensors.set(key, { ...value, name: key });
    const folder = { config: JSON.parse(JSON.stringify(saved.config)) as object, tensors };
    const loaded = fromPretrained(folder, { strict: true });
    expect([...loaded.missing, ...loaded.unexpected]).toEqual([]);
    expect(loaded.model.constructor).toBe(model.constructor);
    expect(loaded.model.config).toEqual(model.config);
    expect(await objective(loaded.model, known).item()).toBe(await objective(model, known).item());
  });
});
