import { InternalError } from "../../graph/errors.ts";
import { numel } from "../../graph/shape.ts";
import type { ScatterReduction } from "../../ops/indexing.ts";
import { typed } from "../../ops/table.ts";
import { delinearize, type Expression, linearize } from "../index/expression.ts";
import type { Scalar } from "../kernel/ir.ts";
import * as s from "../kernel/scalars.ts";
import type { Template } from "../schedule/groups.ts";
import { Block, Names } from "./block.ts";
import { Computation, isScalar, type LoweringScope } from "./compute.ts";
import { elementLoop, type LoweredGroup } from "./loops.ts";

/**
 * Elements combined at indices that are data: the base is copied, then contributions are taken in in the order of their
 * index, so that results repeat to the bit.
 */
export function lowerScatter(
  scope: LoweringScope,
  template: Extract<Template, { kind: "scatter" }>,
): LoweredGroup {
  return (
    writeScatter(scope, template, isScalar(scope)) ?? (writeScatter(scope, template, true) as LoweredGroup)
  );
}

function writeScatter(
  scope: LoweringScope,
  { target }: Extract<Template, { kind: "scatter" }>,
  single: boolean,
): LoweredGroup | undefined {
  const node = typed(target.node);
  if (node.op !== "scatterAdd" && node.op !== "scatterReduce")
    throw new InternalError(`scatter kernel: ${node.op} is no scatter`);
  const { dim } = node.attrs;
  const [base, index, source] = node.inputs;
  const combine = combinerOf(node.op === "scatterAdd" ? "sum" : node.attrs.reduce);
  const computation = new Computation(scope);
  const block = new Block(new Names());
  const buffer = computation.bufferOf(target, "readwrite");
  const count = numel(target.shape);
  elementLoop(block, count, single ? 1 : count >= 8 ? 8 : 1, "grid", (inner, position) => {
    computation.forget();
    inner.store(buffer, position, computation.element(base, delinearize(position, target.shape), inner));
  });

  const size = target.shape[dim];
  const inner = source.shape[source.shape.length - 1] ?? 1;
  const width = single || dim === source.shape.length - 1 ? 1 : inner >= 8 ? 8 : inner >= 4 ? 4 : 1;
  // Of additions to nothing, all have their index outside.
  const extents = count === 0 ? [0] : source.shape.slice(0, -1);
  block.loops("k", extents, "loop", (at, outer) => {
    elementLoop(at, inner, width, "loop", (body, last) => {
      computation.forget();
      const where: Expression[] = source.shape.length === 0 ? [] : [...outer, last];
      const raw = s.cast(computation.element(index, where, body), "i32");
      const inside = s.binary("lt", s.bitcast(raw, "u32"), s.constant("u32", size));
      const safe = body.letIndex(s.select(inside, raw, s.constant("i32", 0)), 0, Math.max(size - 1, 0));
      if (safe.needsVector) computation.needsScalarLoops = true;
      const element = computation.element(source, where, body);
      const position = linearize(
        where.map((expression, d) => (d === dim ? safe.index : expression)),
        target.shape,
      );
      // Where the index is outside, element 0 of the dim stays what it is.
      const before = s.load(buffer, position);
      body.store(buffer, position, s.select(inside, combine(before, element), before));
    });
  });
  if (computation.needsScalarLoops && !single) return undefined;
  const flops = numel(source.shape);
  return { group: scope.group, body: block.statements, buffers: computation.buffers, scratch: [], flops };
}

function combinerOf(reduce: "sum" | ScatterReduction): (element: Scalar, contribution: Scalar) => Scalar {
  switch (reduce) {
    case "sum":
      return (element, contribution) => s.binary("add", element, contribution);
    case "replace":
      return (_, contribution) => contribution;
    case "prod":
      return (element, contribution) => s.binary("mul", element, contribution);
    case "amax":
      return (element, contribution) => s.binary("maximum", element, contribution);
    case "amin":
      return (element, contribution) => s.binary("minimum", element, contribution);
  }
}
