import { describe, expect, it } from "vitest";
import { arange, tensor, zeros } from "../../src/tensor/create.ts";
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
    expect(await tensor([1, Number.NaN, Number.NEGATIVE_INFINITY]).format()).toBe(
      "tensor([1., nan, -inf])".replace("1., nan", "  1.,  nan"),
    );
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
