import { describe, expect, it } from "vitest";
import { GradientError, ShapeError } from "../../src/graph/errors.ts";
import { compile } from "../../src/tensor/compile.ts";
import { tensor } from "../../src/tensor/create.ts";
import { grad, jvp, noGrad, valueAndGrad, vjp } from "../../src/tensor/grad.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

const x = tensor([1, 2, 3]);
const y = tensor([4, 5, 6]);

describe("valueAndGrad", () => {
  it("gives the value and a gradient for each argument, and leaves nothing on them", async () => {
    const { value, grads } = valueAndGrad((a, b) => a.square().mul(b).sum())(x, y);
    expect(await value.item()).toBe(4 + 20 + 54);
    expect(await grads[0].array()).toEqual([8, 20, 36]);
    expect(await grads[1].array()).toEqual([1, 4, 9]);
    expect([value, ...grads].some((each) => each.requiresGrad)).toBe(false);
    expect(x.grad).toBeUndefined();
  });

  it("works under noGrad and inside a compiled function", async () => {
    const fn = valueAndGrad((a) => a.exp().sum());
    const found = noGrad(() => fn(tensor([0]))).grads[0];
    expect(await found.array()).toEqual([1]);
    const step = compile((a: Tensor) => fn(a).grads[0]);
    expect(await step(tensor([0, 0])).array()).toEqual([1, 1]);
  });

  it("refuses several elements, and a value that depends on nothing", () => {
    expect(() => valueAndGrad((a) => a)(x)).toThrow(GradientError);
    expect(() => valueAndGrad(() => tensor(1))(x)).toThrow(GradientError);
  });
});

describe("vjp and jvp", () => {
  const mixed = (a: Tensor, b: Tensor): Tensor => a.mul(b).sin();

  it("vjp is the gradient of <value, cotangent>", async () => {
    const cotangent = tensor([1, -1, 2]);
    const { value, grads } = vjp(mixed, [x, y], cotangent);
    expect(value.shape).toEqual([3]);
    const expected = [4 * Math.cos(4), -5 * Math.cos(10), 12 * Math.cos(18)];
    (await grads[0].data()).forEach((found, i) => {
      expect(found).toBeCloseTo(expected[i], 5);
    });
  });

  it("jvp is the derivative in a direction, and its product with a cotangent is vjp's with the tangent", async () => {
    const [u, v, w] = [tensor([0.5, -1, 2]), tensor([1, 0, -1]), tensor([2, 3, -1])];
    const { tangent } = jvp(mixed, [x, y], [u, v]);
    const expected = [1, 2, 3].map((a, i) => {
      const b = [4, 5, 6][i];
      return Math.cos(a * b) * (b * [0.5, -1, 2][i] + a * [1, 0, -1][i]);
    });
    (await tangent.data()).forEach((found, i) => {
      expect(found).toBeCloseTo(expected[i], 5);
    });
    const { grads } = vjp(mixed, [x, y], w);
    const left = await tangent.mul(w).sum().item();
    const right = await grads[0].mul(u).add(grads[1].mul(v)).sum().item();
    expect(left).toBeCloseTo(right, 4);
  });

  it("an argument that does not count has a derivative of 0", async () => {
    const { grads } = vjp((a) => a.mul(2), [x, y], x);
    expect(await grads[1].array()).toEqual([0, 0, 0]);
  });

  it("refuse what is misshapen", () => {
    expect(() => vjp(mixed, [x, y], tensor([1]))).toThrow(ShapeError);
    expect(() => jvp(mixed, [x, y], [x])).toThrow(/input 1 is \[3\], its tangent missing/);
  });
});

it("grad goes to third order", async () => {
  const a = tensor([2], { requiresGrad: true });
  const first = grad(a.pow(4).sum(), [a])[0];
  const second = grad(first.sum(), [a])[0];
  const third = grad(second.sum(), [a])[0];
  expect((await third.data())[0]).toBeCloseTo(48, 3);
});
