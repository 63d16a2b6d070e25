import { describe, expect, it } from "vitest";
import { ArgumentError, DTypeError, StateDictError, TraceError } from "../../src/graph/errors.ts";
import { Embedding } from "../../src/nn/embedding.ts";
import { Linear } from "../../src/nn/linear.ts";
import { Module } from "../../src/nn/module.ts";
import { BatchNorm1d } from "../../src/nn/normalization.ts";
import { Sequential } from "../../src/nn/sequential.ts";
import { ReferenceDevice } from "../../src/runtime/reference/device.ts";
import { WasmDevice } from "../../src/runtime/wasm/device.ts";
import { compile } from "../../src/tensor/compile.ts";
import { arange, full, randn, tensor } from "../../src/tensor/create.ts";
import { Buffer, Parameter } from "../../src/tensor/parameter.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { onReferenceDevice } from "./reference.ts";

onReferenceDevice();

class Block extends Module {
  readonly inner = new Linear(2, 3);
  readonly scale = new Parameter(full([3], 2));
  readonly seen = new Buffer(full([1], 0));
  readonly note = "no parameter";

  protected override get names() {
    return { "inner.weight": "dense.kernel", scale: "LayerNorm.weight" };
  }
}

class Model extends Module {
  readonly table = new Embedding(4, 2);
  readonly blocks = [new Block(), new Block()];
  /** The table once more: tied. */
  readonly decoder: Parameter = this.table.weight;

  protected override get names() {
    return { blocks: "encoder.layer", "blocks.1.inner.bias": "special" };
  }

  forward(x: Tensor): Tensor {
    return this.training ? x.mul(2) : x;
  }
}

const expectedNames = [
  "table.weight",
  "encoder.layer.0.dense.kernel",
  "encoder.layer.0.inner.bias",
  "encoder.layer.0.LayerNorm.weight",
  "encoder.layer.1.dense.kernel",
  "special",
  "encoder.layer.1.LayerNorm.weight",
];

describe("walking a module", () => {
  it("names parameters by fields, indices and tables of names, each parameter once", () => {
    const model = new Model();
    expect(model.namedParameters().map(([name]) => name)).toEqual(expectedNames);
    expect(new Set(model.parameters()).size).toBe(7);
    expect(model.namedBuffers().map(([name]) => name)).toEqual([
      "encoder.layer.0.seen",
      "encoder.layer.1.seen",
    ]);
    expect(model.blocks[0].namedParameters().map(([name]) => name)).toEqual([
      "dense.kernel",
      "inner.bias",
      "LayerNorm.weight",
    ]);
    expect(model.children()).toEqual([model.table, ...model.blocks]);
    expect(model.modules()).toHaveLength(6);
  });

  it("gives cells the name that the outermost module gave them", () => {
    const model = new Model();
    model.parameters();
    model.blocks[0].parameters();
    expect(model.blocks[0].inner.weight.cell.name).toBe("encoder.layer.0.dense.kernel");
  });

  it("numbers the layers of a Sequential", () => {
    const model = new Sequential(new Linear(2, 3), (x) => x.relu(), new Linear(3, 1, { bias: false }));
    expect(model.namedParameters().map(([name]) => name)).toEqual(["0.weight", "0.bias", "2.weight"]);
  });

  it("refuses a module that contains itself", () => {
    class Loop extends Module {
      self: Module = this;
    }
    expect(() => new Loop().parameters()).toThrow(ArgumentError);
  });
});

describe("the training flag", () => {
  it("reaches all modules", () => {
    const model = new Model();
    expect(model.eval()).toBe(model);
    expect(model.modules().some((module) => module.training)).toBe(false);
    model.train();
    expect(model.modules().every((module) => module.training)).toBe(true);
  });

  it("that a compiled function read makes it trace again", async () => {
    const model = new Model();
    const run = compile((x: Tensor) => model.forward(x));
    const x = tensor([3]);
    expect(await run(x).item()).toBe(6);
    model.eval();
    expect(await run(x).item()).toBe(3);
    model.train();
    expect(await run(x).item()).toBe(6);
    expect(run.traces).toBe(2);
  });
});

describe("state dicts", () => {
  it("copy: later assignments do not reach them", async () => {
    const model = new Model();
    const state = model.stateDict();
    expect([...state.keys()].sort()).toEqual(
      [...expectedNames, "encoder.layer.0.seen", "encoder.layer.1.seen"].sort(),
    );
    model.blocks[0].scale.assign(full([3], 9));
    expect(await state.get("encoder.layer.0.LayerNorm.weight")?.array()).toEqual([2, 2, 2]);
    expect(await model.blocks[0].scale.array()).toEqual([9, 9, 9]);
  });

  it("load into another module of the same form, as tensors or host data", async () => {
    const [from, to] = [new Model(), new Model()];
    to.loadStateDict(from.stateDict());
    expect(await to.table.weight.array()).toEqual(await from.table.weight.array());
    const data = Float32Array.from({ length: 8 }, (_, i) => i);
    to.loadStateDict(new Map([["decoder", { shape: [4, 2], data }]]), { strict: false });
    data.fill(0);
    expect(await to.table.weight.array()).toEqual([
      [0, 1],
      [2, 3],
      [4, 5],
      [6, 7],
    ]);
  });

  it("cast to the dtype of the parameter", async () => {
    const layer = new Linear(2, 1, { bias: false });
    layer.loadStateDict(new Map([["weight", { shape: [1, 2], data: Int32Array.of(3, 4) }]]));
    expect(await layer.weight.array()).toEqual([[3, 4]]);
  });

  it("list everything that does not fit, before anything changes", async () => {
    const layer = new Sequential(new Linear(2, 3), new Linear(3, 1));
    const before = await layer.parameters()[1].array();
    const state = new Map([
      ["0.weight", full([2, 3], 0)],
      ["0.bias", full([3], 0)],
      ["1.bias", full([1], 0)],
      ["extra", full([1], 0)],
    ]);
    expect(() => layer.loadStateDict(state)).toThrow(StateDictError);
    expect(() => layer.loadStateDict(state)).toThrow(
      /1 missing: 1\.weight; 1 unexpected: extra; 1 misshapen: 0\.weight has shape \[2, 3\], wanted \[3, 2\]/,
    );
    expect(() => layer.loadStateDict(state, { strict: false })).toThrow(/1 misshapen/);
    expect(await layer.parameters()[1].array()).toEqual(before);
    state.delete("0.weight");
    expect(layer.loadStateDict(state, { strict: false })).toEqual({
      missing: ["0.weight", "1.weight"],
      unexpected: ["extra"],
    });
    expect(await layer.parameters()[1].array()).toEqual([0, 0, 0]);
  });

  it("are no business of a compiled function", () => {
    const layer = new Linear(2, 1);
    expect(() => compile(() => layer.stateDict())()).toThrow(TraceError);
    const state = layer.stateDict();
    expect(() => compile(() => layer.loadStateDict(state))()).toThrow(TraceError);
  });
});

describe("to", () => {
  it("moves a module that was not used yet, tied parameters together", async () => {
    const model = new Model();
    const device = new ReferenceDevice();
    model.to(device);
    expect(model.parameters().every((parameter) => parameter.device === device)).toBe(true);
    expect(model.decoder).toBe(model.table.weight);
    const rows = model.table.forward(arange(0, 4, 1, { device }));
    expect(rows.device).toBe(device);
    expect(await rows.array()).toEqual(await model.table.weight.array());
  });

  it("takes content along, the buffers' and what training made of the parameters", async () => {
    const norm = new BatchNorm1d(3);
    norm.forward(randn([4, 3]));
    norm.weight?.assign(tensor([1, 2, 3]));
    const before = await Promise.all([...norm.stateDict().values()].map((entry) => entry.array()));
    const device = new WasmDevice();
    norm.to(device);
    expect(norm.buffers().every((buffer) => buffer.device === device)).toBe(true);
    const after = await Promise.all([...norm.stateDict().values()].map((entry) => entry.array()));
    expect(after).toEqual(before);
    expect((await norm.forward(randn([4, 3], { device })).array()) as number[]).toHaveLength(4);
  });

  it("refuses what cannot be read at once, and moves it in time", async () => {
    const slow = new ReferenceDevice();
    Object.defineProperty(slow, "readNow", { value: undefined });
    Object.defineProperty(slow, "read", { value: async () => Float32Array.of(1, 2) });
    const layer = new Linear(2, 1, { bias: false, device: slow });
    layer.weight.assign(tensor([[1, 2]], { device: slow }));
    const device = new WasmDevice();
    expect(() => layer.to(device)).toThrow(/toAsync/);
    expect(layer.weight.device).toBe(slow);
    await layer.toAsync(device);
    expect(await layer.weight.array()).toEqual([[1, 2]]);
  });

  it("moves nothing when the device lacks a dtype", async () => {
    const layer = new Linear(2, 1, { dtype: "f64" });
    await layer.weight.data();
    expect(() => layer.to(new WasmDevice())).toThrow(DTypeError);
    expect(layer.weight.device.name).toBe("reference");
  });
});
