import { describe, expect, it } from "vitest";
import { GradientError, ShapeError, StaleVersionError, TraceError } from "../../src/graph/errors.ts";
import { compile } from "../../src/tensor/compile.ts";
import { full, ones, rand, tensor, zeros } from "../../src/tensor/create.ts";
import { explain } from "../../src/tensor/explain.ts";
import { enableGrad, grad, noGrad } from "../../src/tensor/grad.ts";
import { Buffer, Parameter } from "../../src/tensor/parameter.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { onReferenceDevice } from "../nn/reference.ts";

onReferenceDevice();

describe("backward", () => {
  it("accumulates on leaves until zeroGrad", async () => {
    const x = tensor([1, 2], { requiresGrad: true });
    const p = new Parameter(tensor([3, 4]));
    x.mul(p).sum().backward();
    x.mul(p).sum().backward();
    expect(await x.grad?.array()).toEqual([6, 8]);
    expect(await p.grad?.array()).toEqual([2, 4]);
    x.zeroGrad();
    p.zeroGrad();
    expect([x.grad, p.grad]).toEqual([undefined, undefined]);
  });

  it("works after the loss was read", async () => {
    const p = new Parameter(tensor([3]));
    const loss = p.square().sum();
    expect(await loss.item()).toBe(9);
    loss.backward();
    expect(await p.grad?.item()).toBe(6);
  });

  it("weighs several elements by the gradient given", async () => {
    const x = tensor([1, 2], { requiresGrad: true });
    x.square().backward(tensor([1, 10]));
    expect(await x.grad?.array()).toEqual([2, 40]);
    expect(() => x.square().backward()).toThrow(GradientError);
    expect(() => x.square().backward(ones([3]))).toThrow(ShapeError);
    expect(() => ones([1]).backward()).toThrow("no gradient history");
  });

  it("stops at detach and under noGrad", () => {
    const p = new Parameter(ones([2]));
    expect(p.detach().mul(2).requiresGrad).toBe(false);
    expect(noGrad(() => p.mul(2).requiresGrad)).toBe(false);
    expect(noGrad(() => enableGrad(() => p.mul(2).requiresGrad))).toBe(true);
    expect(p.mul(2).requiresGrad).toBe(true);
  });

  it("differentiates twice", async () => {
    const x = tensor([2], { requiresGrad: true });
    const [first] = grad(x.mul(x).mul(x).sum(), [x]);
    const [second, none] = grad(first, [x, tensor([1], { requiresGrad: true })]);
    expect([await first.item(), await second.item(), await none.item()]).toEqual([12, 12, 0]);
  });
});

describe("assign", () => {
  it("changes later uses and leaves earlier ones as they were", async () => {
    const p = new Parameter(tensor([1]));
    const before = p.add(0).realize();
    p.assign(tensor([5]));
    expect([await before.item(), await p.item()]).toEqual([1, 5]);
  });

  it("makes what was not computed yet fail with a typed error", async () => {
    const p = new Parameter(tensor([1]));
    const y = p.mul(2);
    p.assign(tensor([5]));
    await expect(y.item()).rejects.toThrow(StaleVersionError);
    expect(() => p.assign(ones([2]))).toThrow(ShapeError);
  });
});

describe("compile", () => {
  it("replays one trace for a signature and traces again for another", async () => {
    const double = compile((x: Tensor, factor: number) => ({ doubled: x.mul(factor), shape: x.shape }));
    expect(await double(tensor([1, 2]), 2).doubled.array()).toEqual([2, 4]);
    expect(await double(tensor([3, 4]), 2).doubled.array()).toEqual([6, 8]);
    expect(double.traces).toBe(1);
    expect(double(tensor([3, 4, 5]), 2).shape).toEqual([3]);
    expect(await double(tensor([3, 4]), 3).doubled.array()).toEqual([9, 12]);
    expect(double.traces).toBe(3);
  });

  it("returns tensors that never change", async () => {
    const counter = new Buffer(zeros([1]));
    const next = compile(() => {
      counter.assign(counter.add(1));
      return counter.mul(10);
    });
    const [a, b] = [next(), next()];
    expect([await a.item(), await b.item(), await counter.item()]).toEqual([10, 20, 2]);
    expect(next.traces).toBe(1);
  });

  it("keeps gradients that are left, and takes them up again", async () => {
    const p = new Parameter(tensor([2]));
    const accumulate = compile((x: Tensor) => p.mul(x).sum().backward());
    accumulate(tensor([3]));
    accumulate(tensor([4]));
    accumulate(tensor([5]));
    expect(await p.grad?.item()).toBe(12);
    expect(accumulate.traces).toBe(2);
  });

  it("draws random numbers anew in every call", async () => {
    const draw = compile(() => rand([4]));
    expect(await draw().array()).not.toEqual(await draw().array());
  });

  it("refuses reads, promises, and tensors that have left", async () => {
    expect(() => compile((x: Tensor) => x.realize())(ones([1]))).toThrow(TraceError);
    expect(() => compile(async (x: Tensor) => x)(ones([1]))).toThrow("async");
    let kept: Tensor | undefined;
    compile((x: Tensor) => {
      kept = x.mul(2);
      return x;
    })(ones([1]));
    expect(() => kept?.add(1)).toThrow(TraceError);
    const history = new Parameter(ones([1])).mul(2);
    expect(() => compile(() => history.add(1))()).toThrow(TraceError);
  });

  it("explains what it runs", () => {
    const f = compile((x: Tensor) => x.exp().sum());
    expect(() => explain(f)).toThrow(TraceError);
    f(full([4], 1));
    expect(explain(f).kernels.map(({ ops }) => ops)).toContainEqual(["exp"]);
    expect(explain((x: Tensor) => x.exp(), ones([2])).toString()).toContain("1 kernels");
  });
});
