import * as functional from "../../nn/functional/index.ts";
import { cdist, einsum } from "../../tensor/functions.ts";
import type { Attributes, Operator, Operators } from "./operator.ts";

const norm: Operator = ([x], attrs) =>
  x.norm({ p: orderOf(attrs), dim: attrs.dims("dim"), keepdim: attrs.boolean("keepdim", false) });

/** Which norm: a number, or "fro", which is the 2-norm of all elements. */
function orderOf(attrs: Attributes): number {
  const name = attrs.has("ord") ? "ord" : "p";
  return attrs.value(name) === "fro" ? 2 : attrs.number(name, 2);
}

const addOptions = (attrs: Attributes) => ({
  alpha: attrs.number("alpha", 1),
  beta: attrs.number("beta", 1),
});

/** Operators of the group `linalg`. */
export const linalg: Operators = {
  matmul: ([x, y]) => x.matmul(y),
  mm: ([x, y]) => x.mm(y),
  mv: ([x, y]) => x.mv(y),
  bmm: ([x, y]) => x.bmm(y),
  dot: ([x, y]) => x.dot(y),
  inner: ([x, y]) => x.inner(y),
  outer: ([x, y]) => x.outer(y),
  kron: ([x, y]) => x.kron(y),
  trace: ([x]) => x.trace(),
  tensordot: ([x, y], attrs) => x.tensordot(y, attrs.number("dims", 2)),
  einsum: (inputs, attrs) => einsum(attrs.text("equation"), ...inputs),
  linear: ([x, weight, bias]) => functional.linear(x, weight, bias),
  addmm: ([base, x, y], attrs) => base.addmm(x, y, addOptions(attrs)),
  baddbmm: ([base, x, y], attrs) => base.baddbmm(x, y, addOptions(attrs)),
  norm,
  "F.normalize": ([x], attrs) =>
    functional.normalize(x, {
      p: attrs.number("p", 2),
      dim: attrs.dims("dim"),
      eps: attrs.number("eps", 1e-12),
    }),
  "F.cosine_similarity": ([x, y], attrs) =>
    functional.cosineSimilarity(x, y, { dim: attrs.number("dim", 1), eps: attrs.number("eps", 1e-8) }),
  "F.pairwise_distance": ([x, y], attrs) =>
    functional.pairwiseDistance(x, y, {
      p: attrs.number("p", 2),
      eps: attrs.number("eps", 1e-6),
      keepdim: attrs.boolean("keepdim", false),
    }),
  cdist: ([x, y], attrs) => cdist(x, y, { p: attrs.number("p", 2) }),
};
