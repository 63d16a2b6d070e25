import { describe, expect, it } from "vitest";
import { ArgumentError, ShapeError } from "../../src/graph/errors.ts";
import {
  compile,
  customGradient,
  grad,
  Parameter,
  type Tensor,
  tensor,
  withGradientHook,
} from "../../src/index.ts";
import { onReferenceDevice } from "../nn/reference.ts";

onReferenceDevice();

const leaf = (values: number[]) => tensor(values, { dtype: "f64", requiresGrad: true });

describe("customGradient", () => {
  const roundThrough = customGradient(
    (x) => x.round(),
    (gradient) => [gradient],
  );

  it("has the value of the forward function, and the gradient of the backward one", async () => {
    const x = leaf([0.4, 1.6, -2.5]);
    const y = roundThrough(x);
    expect([...(await y.data())]).toEqual([0, 2, -2]);
    const [gradient] = grad(y.mul(tensor([1, 2, 3], { dtype: "f64" })).sum(), [x]);
    expect([...(await gradient.data())]).toEqual([1, 2, 3]);
  });

  it("may use arguments, output and other tensors, which get no gradient", async () => {
    const scale = leaf([10]);
    // x e^(10 x), whose gradient is said to be g (output + 7 x scale).
    const odd = customGradient(
      (x) => x.mul(x.mul(scale).exp()),
      (gradient, { inputs: [x], output }) => [gradient.mul(output.add(x.mul(scale).mul(7)))],
    );
    const x = leaf([0.1, 0.2]);
    const [dx, dscale] = grad(odd(x).sum(), [x, scale]);
    const expected = [0.1, 0.2].map((value) => value * Math.exp(10 * value) + 70 * value);
    for (const [i, value] of (await dx.data()).entries()) expect(value).toBeCloseTo(expected[i], 12);
    expect([...(await dscale.data())]).toEqual([0]);
  });

  it("can be differentiated again, through the backward function", async () => {
    const cube = customGradient(
      (x) => x.mul(x).mul(x),
      (gradient, { inputs: [x] }) => [gradient.mul(x).mul(x).mul(3)],
    );
    const x = leaf([2]);
    const [first] = grad(cube(x).sum(), [x]);
    const [second] = grad(first.sum(), [x]);
    expect([await first.item(), await second.item()]).toEqual([12, 12]);
  });

  it("calls both functions while it is called, and never again", async () => {
    let calls = 0;
    const counted = customGradient(
      (x) => {
        calls += 1;
        return x.mul(2);
      },
      (gradient) => {
        calls += 1;
        return [gradient];
      },
    );
    const step = compile((x: Tensor) => counted(x).sum());
    for (let i = 0; i < 3; i++) expect(await step(tensor([i, 1])).item()).toBe(2 * i + 2);
    expect(calls).toBe(2);
  });

  it("gives arguments that it does not use the gradient that it says", async () => {
    const second = customGradient(
      (_, y) => y,
      (gradient) => [gradient.mul(5), gradient],
    );
    const [x, y] = [leaf([1, 2]), leaf([3, 4])];
    const gradients = grad(second(x, y).sum(), [x, y]);
    expect([...(await gradients[0].data())]).toEqual([5, 5]);
    expect([...(await gradients[1].data())]).toEqual([1, 1]);
  });

  it("refuses gradients that do not fit, and calls without tensors", () => {
    const wrong = customGradient(
      (x) => x,
      (gradient) => [gradient.sum()],
    );
    expect(() => wrong(leaf([1, 2]))).toThrow(ShapeError);
    expect(() => wrong(leaf([1, 2]))).toThrow(/backward gave f64 \[\]; wanted .*f64 \[2\]/);
    expect(() => wrong()).toThrow(ArgumentError);
  });
});

describe("withGradientHook", () => {
  it("lets the hook change the gradient on its way", async () => {
    const weight = new Parameter(tensor([1, -4, 9], { dtype: "f64" }));
    const hooked = withGradientHook(weight.mul(3), (gradient) => gradient.clamp({ min: -1, max: 1 }));
    expect([...(await hooked.data())]).toEqual([3, -12, 27]);
    hooked
      .mul(tensor([0.5, 4, -8], { dtype: "f64" }))
      .sum()
      .backward();
    expect([...((await weight.grad?.data()) ?? [])]).toEqual([1.5, 3, -3]);
  });
});
