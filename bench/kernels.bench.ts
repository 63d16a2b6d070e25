import { bench, describe } from "vitest";
import { compile, nn, randn, type Tensor } from "../src/index.ts";

// Work whose time people compare: one thread, compiled once, the result read back. Times mean something only against each
// other in one run.

/** Measures a compiled function of tensors, reading its result included. */
function measure(
  name: string,
  shapes: readonly (readonly number[])[],
  fn: (...args: Tensor[]) => Tensor,
): void {
  const args = shapes.map((shape) => randn(shape).realize());
  const compiled = compile(fn);
  bench(name, async () => {
    await compiled(...args).data();
  });
}

describe("matrix products", () => {
  for (const [m, n, k] of [
    [1024, 1024, 1024],
    [128, 3072, 768],
    [127, 131, 257],
  ]) {
    measure(
      `matmul ${m} x ${k} x ${n}`,
      [
        [m, k],
        [k, n],
      ],
      (a, b) => a.matmul(b),
    );
  }
});

describe("rows and elements", () => {
  measure("softmax 2048 x 512", [[2048, 512]], (x) => x.softmax(-1));
  measure("layer norm 2048 x 768", [[2048, 768]], (x) => {
    const centered = x.sub(x.mean({ dim: -1, keepdim: true }));
    return centered.div(centered.square().mean({ dim: -1, keepdim: true }).add(1e-5).sqrt());
  });
  measure("erf GELU of 1 Mi", [[1024, 1024]], (x) => x.gelu());
  measure("sum of 4 Mi", [[2048, 2048]], (x) => x.sum());
});

describe("attention", () => {
  const shape = [1, 12, 512, 64];
  const shapes = [shape, shape, shape];
  measure("B 1, H 12, T 512, d 64, one kernel", shapes, (q, k, v) =>
    nn.functional.scaledDotProductAttention(q, k, v),
  );
  measure("the same, causal", shapes, (q, k, v) =>
    nn.functional.scaledDotProductAttention(q, k, v, { isCausal: true }),
  );
  measure("the same from products and a softmax", shapes, (q, k, v) =>
    q
      .matmul(k.transpose(-2, -1))
      .mul(1 / 8)
      .softmax(-1)
      .matmul(v),
  );
});
