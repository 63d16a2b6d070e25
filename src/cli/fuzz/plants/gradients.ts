import type { Plants } from "./plant.ts";

/** Faults in gradient rules. */
export const gradients: Plants = {
  "tanh-gradient": {
    file: "ops/elementwise.ts",
    text: "b.mul(g, b.sub(b.scalarLike(g, 1), b.mul(y, y))),",
    becomes: "b.mul(g, b.sub(b.scalarLike(g, 1), y)),",
    fault: "1 - y in place of 1 - y²",
  },
  "sub-gradient": {
    file: "ops/elementwise.ts",
    text: 'sub: map("sub", "number", ({ cotangent: g }) => [g, b.neg(g)]),',
    becomes: 'sub: map("sub", "number", ({ cotangent: g }) => [g, g]),',
    fault: "the gradient of what is subtracted has the wrong sign",
  },
  "div-gradient": {
    file: "ops/elementwise.ts",
    text: "return [dx, b.neg(b.mul(dx, out))];",
    becomes: "return [dx, b.mul(dx, out)];",
    fault: "the gradient of a divisor has the wrong sign",
  },
  "cos-gradient": {
    file: "ops/elementwise.ts",
    text: "[b.neg(b.mul(g, b.sin(x)))]",
    becomes: "[b.mul(g, b.sin(x))]",
    fault: "the gradient of a cosine has the wrong sign",
  },
  "sqrt-gradient": {
    file: "ops/elementwise.ts",
    text: "b.div(b.mul(g, b.scalarLike(g, 0.5)), y)",
    becomes: "b.div(g, y)",
    fault: "half is forgotten",
  },
  "where-gradient": {
    file: "ops/elementwise.ts",
    text: "return [undefined, b.where(condition, g, zero), b.where(condition, zero, g)];",
    becomes: "return [undefined, b.where(condition, g, zero), g];",
    fault: "the branch not taken gets a gradient",
  },
  "pow-gradient": {
    file: "ops/elementwise.ts",
    text: "b.mul(y, b.pow(x, b.sub(y, one)))",
    becomes: "b.mul(y, b.pow(x, y))",
    fault: "the exponent is not lowered",
  },
  "erf-gradient": {
    file: "ops/elementwise.ts",
    text: 'erf: map("erf", "float", ({ inputs: [x], cotangent: g }) => [\n    b.mul(g, b.mul(b.exp(b.neg(b.mul(x, x))), b.scalarLike(g, 2 / Math.sqrt(Math.PI)))),',
    becomes:
      'erf: map("erf", "float", ({ inputs: [x], cotangent: g }) => [\n    b.mul(g, b.mul(b.exp(b.neg(b.mul(x, x))), b.scalarLike(g, 1 / Math.sqrt(Math.PI)))),',
    fault: "twice is forgotten",
  },
  "matmul-gradient": {
    file: "ops/contraction.ts",
    text: "b.matmul(b.transpose(x, -2, -1), g),",
    becomes: "b.mul(b.matmul(b.transpose(x, -2, -1), g), b.scalarLike(g, 0.5)),",
    fault: "the right operand gets half its gradient",
  },
  "max-ties": {
    file: "ops/reduction.ts",
    text: "wide(b.div(g, b.sum(chosen, attrs.dims)))",
    becomes: "wide(b.mul(g, b.scalarLike(g, 0.5)))",
    fault: "an extremum passes on half its gradient",
  },
  "softmax-gradient": {
    file: "ops/composite.ts",
    text: "return [b.mul(y, b.sub(g, b.expand(dot, y.shape)))];",
    becomes: "return [b.mul(y, g)];",
    fault: "softmax forgets that its results sum to 1",
  },
  "cross-entropy-gradient": {
    file: "ops/composite.ts",
    text: "const error = b.sub(b.softmax(logits, 1), b.cast(hit, logits.dtype));",
    becomes: "const error = b.softmax(logits, 1);",
    fault: "cross-entropy forgets the target",
  },
  "cumsum-gradient": {
    file: "ops/scan.ts",
    text: "[o.backwards(g, o.cumsum)]",
    becomes: "[o.cumsum(g)]",
    fault: "a running sum is differentiated forwards",
  },
  "slice-gradient": {
    file: "ops/movement.ts",
    text: "if (Math.abs(step) > 1) value = b.dilate(value, dim, Math.abs(step));",
    becomes: "if (Math.abs(step) > 2) value = b.dilate(value, dim, Math.abs(step));",
    fault: "the gradient of a slice in steps of two lies side by side",
  },
  "gather-gradient": {
    file: "ops/indexing.ts",
    text: "b.scatterAdd(b.full(x.shape, x.dtype, 0), attrs.dim, index, g),",
    becomes: 'b.scatterReduce(b.full(x.shape, x.dtype, 0), attrs.dim, index, g, "replace"),',
    fault: "what is read twice gets one gradient",
  },
  "expand-gradient": {
    file: "ops/movement.ts",
    text: "gradient: ({ inputs: [x], cotangent: g }) => [b.sumToShape(g, x.shape)],",
    becomes:
      "gradient: ({ inputs: [x], cotangent: g }) => [b.mul(b.sumToShape(g, x.shape), b.full([], g.dtype, 2))],",
    fault: "what is repeated gets twice its gradient",
  },
};
