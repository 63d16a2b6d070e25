import { describe, expect, it } from "vitest";
import { referenceDevice } from "../../src/index.ts";
import { arange, tensor, zeros } from "../../src/tensor/create.ts";
import { Parameter } from "../../src/tensor/parameter.ts";
import { onReferenceDevice } from "../nn/reference.ts";

onReferenceDevice();

// The expected texts are what PyTorch prints.
describe("format", () => {
  it("prints numbers, integers, booleans and scalars as PyTorch does", async () => {
    expect(await tensor([1, 2, 3]).format()).toBe("tensor([1., 2., 3.])");
    expect(await tensor([1, 2.5]).format()).toBe("tensor([1.0000, 2.5000])");
    expect(await tensor([-1, 22], { dtype: "i32" }).format()).toBe("tensor([-1, 22], dtype=i32)");
    expect(await tensor([true, false]).format()).toBe("tensor([ True, False])");
    expect(await tensor(3.5).format()).toBe("tensor(3.5000)");
    expect(await tensor([]).format()).toBe("tensor([])");
    expect(await zeros([0, 3]).format()).toBe("tensor([], size=(0, 3))");
  });

  it("aligns rows and separates blocks", async () => {
    expect(
      await tensor([
        [1, -2],
        [10, 4],
      ]).format(),
    ).toBe("tensor([[ 1., -2.],\n        [10.,  4.]])");
    expect(await zeros([2, 1, 2]).format()).toBe("tensor([[[0., 0.]],\n\n        [[0., 0.]]])");
  });

  it("turns to exponents, and names what is no number", async () => {
    expect(await tensor([1e-5, 1]).format()).toBe("tensor([1.0000e-05, 1.0000e+00])");
    expect(await tensor([1, Number.NaN, Number.NEGATIVE_INFINITY]).format()).toBe("tensor([1., nan, -inf])");
  });

  it("takes exponents as soon as numbers are far apart or large, whole or not", async () => {
    expect(await tensor([1, 1000]).format()).toBe("tensor([   1., 1000.])");
    expect(await tensor([1, 2000]).format()).toBe("tensor([1.0000e+00, 2.0000e+03])");
    expect(await tensor([1e8]).format()).toBe("tensor([100000000.])");
    expect(await tensor([2e8]).format()).toBe("tensor([2.0000e+08])");
    expect(await tensor([0.5, 501]).format()).toBe("tensor([5.0000e-01, 5.0100e+02])");
    expect(await tensor([0, -3e10, 1e10]).format()).toBe("tensor([ 0.0000e+00, -3.0000e+10,  1.0000e+10])");
    expect(await tensor(1e-5).format()).toBe("tensor(1.0000e-05)");
    expect(await tensor([1e-100], { dtype: "f64" }).format()).toBe("tensor([1.0000e-100], dtype=f64)");
  });

  it("rounds ties to the even digit, and keeps the sign of zero", async () => {
    expect(await tensor([0.03125, 0.09375, -0.03125]).format()).toBe("tensor([ 0.0312,  0.0938, -0.0312])");
    expect(await tensor([1.03125e-5, 9.99995e9], { dtype: "f64" }).format()).toBe(
      "tensor([1.0312e-05, 1.0000e+10], dtype=f64)",
    );
    expect(await tensor([66000.5 * 2 ** -3, 2 ** 40]).format()).toBe("tensor([8.2501e+03, 1.0995e+12])");
    expect(await tensor([-0, 1]).format()).toBe("tensor([-0., 1.])");
    expect(await tensor([-0, 0.5]).format()).toBe("tensor([-0.0000, 0.5000])");
  });

  it("aligns by numbers that are neither 0 nor infinite alone", async () => {
    expect(await tensor([0, Number.POSITIVE_INFINITY, Number.NaN]).format()).toBe("tensor([0., inf, nan])");
    expect(await tensor([0.5, Number.NEGATIVE_INFINITY]).format()).toBe("tensor([0.5000,   -inf])");
    const line = Array.from({ length: 24 }, () => "0.").join(", ");
    expect(await zeros([30]).format()).toBe(`tensor([${line},\n        0., 0., 0., 0., 0., 0.])`);
  });

  it("says what is not the usual behind the numbers", async () => {
    expect(await zeros([2, 0], { dtype: "bool" }).format()).toBe("tensor([], size=(2, 0), dtype=bool)");
    expect(await zeros([0], { dtype: "i32" }).format()).toBe("tensor([], dtype=i32)");
    const x = tensor([1, 2], { requiresGrad: true });
    expect(await x.format()).toBe("tensor([1., 2.], requires_grad=True)");
    expect(await x.mul(2).format()).toBe("tensor([2., 4.], grad_fn=<mul>)");
    expect(await new Parameter(tensor([1])).format()).toBe(
      "Parameter containing:\ntensor([1.], requires_grad=True)",
    );
    const other = referenceDevice();
    expect(await tensor([3], { device: other, dtype: "i32" }).format()).toBe(
      `tensor([3], device='${other.name}', dtype=i32)`,
    );
  });

  it("puts a note that does not fit into a line of its own", async () => {
    const row = (n: number) =>
      tensor(
        Array.from({ length: n }, () => 11),
        { requiresGrad: true },
      );
    expect(await row(10).format()).toBe(`tensor([${"11., ".repeat(9)}11.], requires_grad=True)`);
    expect(await row(13).format()).toBe(`tensor([${"11., ".repeat(12)}11.],\n       requires_grad=True)`);
  });

  it("shortens every long dim of a long tensor", async () => {
    const square = await arange(1600).to("f32").div(1600).reshape([40, 40]).format();
    expect(square.split("\n")).toEqual([
      "tensor([[0.0000e+00, 6.2500e-04, 1.2500e-03,  ..., 2.3125e-02, 2.3750e-02,",
      "         2.4375e-02],",
      "        [2.5000e-02, 2.5625e-02, 2.6250e-02,  ..., 4.8125e-02, 4.8750e-02,",
      "         4.9375e-02],",
      "        [5.0000e-02, 5.0625e-02, 5.1250e-02,  ..., 7.3125e-02, 7.3750e-02,",
      "         7.4375e-02],",
      "        ...,",
      "        [9.2500e-01, 9.2563e-01, 9.2625e-01,  ..., 9.4813e-01, 9.4875e-01,",
      "         9.4937e-01],",
      "        [9.5000e-01, 9.5063e-01, 9.5125e-01,  ..., 9.7312e-01, 9.7375e-01,",
      "         9.7438e-01],",
      "        [9.7500e-01, 9.7562e-01, 9.7625e-01,  ..., 9.9813e-01, 9.9875e-01,",
      "         9.9937e-01]])",
    ]);
  });

  it("wraps long lines and shortens long tensors", async () => {
    expect(await arange(30).to("f32").format()).toBe(
      "tensor([ 0.,  1.,  2.,  3.,  4.,  5.,  6.,  7.,  8.,  9., 10., 11., 12., 13.,\n" +
        "        14., 15., 16., 17., 18., 19., 20., 21., 22., 23., 24., 25., 26., 27.,\n" +
        "        28., 29.])",
    );
    expect(await arange(1001).to("f32").format()).toBe(
      "tensor([   0.,    1.,    2.,  ...,  998.,  999., 1000.])",
    );
  });

  it("has a short form that reads nothing", () => {
    expect(String(zeros([2, 3]))).toBe("Tensor(shape=[2, 3], dtype=f32, device=reference)");
  });
});
