import { expect, it, beforeEach } from "vitest";
import { setEngine } from "../../src/engine/current.ts";
import { Engine } from "../../src/engine/engine.ts";
import { WasmDevice } from "../../src/runtime/wasm/device.ts";
import { ReferenceDevice } from "../../src/runtime/reference/device.ts";
import { compile } from "../../src/tensor/compile.ts";
import { full, ones, rand, tensor, zeros } from "../../src/tensor/create.ts";
import { Buffer, Parameter } from "../../src/tensor/parameter.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
for (const [name, make] of [["wasm", () => new WasmDevice()], ["reference", () => new ReferenceDevice()]] as const) {
  const go = (what: string, fn: () => Promise<void>) => it(`${name}: ${what}`, async () => { setEngine(new Engine(make, 1)); await fn(); });
  go("swap compiled", async () => {
    const a = new Buffer(tensor([1, 2, 3])), b = new Buffer(tensor([4, 5, 6]));
    compile(() => { const t = a.detach(); a.assign(b); b.assign(t); })();
    expect([await a.array(), await b.array()]).toEqual([[4, 5, 6], [1, 2, 3]]);
  });
  go("copy and change", async () => {
    const a = new Buffer(tensor([1, 2, 3])), b = new Buffer(tensor([4, 5, 6]));
    compile(() => { a.assign(b); b.assign(b.add(1)); })();
    expect([await a.array(), await b.array()]).toEqual([[4, 5, 6], [5, 6, 7]]);
  });
  go("return old", async () => {
    const p = new Buffer(tensor([1, 2, 3]));
    const r = compile(() => { const t = p.detach(); p.assign(p.add(1)); return [t, t.reshape([3, 1])]; })();
    expect([await r[0].array(), await r[1].array(), await p.array()]).toEqual([[1, 2, 3], [[1],[2],[3]], [2, 3, 4]]);
  });
  go("alias of assigned value", async () => {
    const p = new Buffer(tensor([1, 2, 3]));
    const v = p.mul(2);
    p.assign(v);
    p.assign(v.flip(0).add(p));
    expect(await p.array()).toEqual([8, 8, 8]);
    const w = p.add(tensor([0, 1, 2]));
    p.assign(w);
    p.assign(w.sum().add(p).add(w.flip(0)));
    expect(await p.array()).toEqual([45, 45, 45]);
  });
  go("init depends on other parameter", async () => {
    const a = new Parameter(tensor([1, 2, 3]));
    const b = new Parameter(a.mul(2));
    expect(await a.add(b).array()).toEqual([3, 6, 9]);
    const c = new Parameter(tensor([1, 2, 3]));
    const d = new Parameter(c.mul(2));
    c.assign(zeros([3]));
    expect(await d.array()).toEqual([2, 4, 6]);
  });
  go("hand sgd", async () => {
    const a = new Parameter(tensor([1, 2, 3]));
    const b = new Parameter(tensor([1, 2, 3]));
    a.mul(b).sum().backward();
    a.assign(a.sub(a.grad!.mul(0.5)));
    b.assign(b.sub(b.grad!.mul(0.5)));
    expect([await a.array(), await b.array()]).toEqual([[0.5, 1, 1.5], [0.5, 1, 1.5]]);
  });
  go("assign self", async () => {
    const a = new Parameter(tensor([1, 2, 3]));
    a.assign(a); a.assign(a.reshape([3, 1]).reshape([3])); a.assign(a.flip(0));
    expect(await a.array()).toEqual([3, 2, 1]);
  });
  go("captured grad leaf", async () => {
    const a = new Parameter(tensor([1, 2, 3]));
    const step = compile(() => { a.mul(2).sum().backward(); });
    step();
    const g = a.grad!;
    const f = compile(() => g.add(0));
    expect(await f().array()).toEqual([2, 2, 2]);
    step();
    expect(await f().array()).toEqual([2, 2, 2]);
  });
  go("argument returned", async () => {
    const f = compile((x: Tensor) => [x, x.t(), x]);
    const x = rand([2, 3]);
    const r = f(x);
    expect(await r[0].array()).toEqual(await x.array());
    expect(await r[1].array()).toEqual(await x.t().array());
  });
}
