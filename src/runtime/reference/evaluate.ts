import { allocateArray, type TypedArray } from "../../graph/dtype.ts";
import { InternalError } from "../../graph/errors.ts";
import type { Node } from "../../graph/node.ts";
import { numel } from "../../graph/shape.ts";
import { definitionOf, typed } from "../../ops/table.ts";
import { evaluateMatmul } from "./contraction.ts";
import { evaluateGather, evaluateScatter, scatterCombiner } from "./indexing.ts";
import { evaluateMap } from "./map.ts";
import { evaluateMovement } from "./movement.ts";
import { evaluateReduce } from "./reduction.ts";
import { evaluateScan } from "./scan.ts";
import { evaluateArgsort } from "./sort.ts";

/**
 * The arrays of a primitive node's outputs from those of its inputs. All are new, but a constant's own data.
 */
export function evaluateNode(node: Node, inputs: readonly TypedArray[]): readonly TypedArray[] {
  const { kind } = definitionOf(node);
  switch (kind) {
    case "leaf":
      return [evaluateLeaf(node)];
    case "map":
      return evaluateMap(node, inputs);
    case "movement":
      return evaluateMovement(node, inputs);
    case "reduce":
    case "contract":
    case "scan":
    case "sort":
    case "index":
      return [evaluateCombining(node, inputs)];
    case "composite":
      throw new InternalError(`reference: composite op ${node.op} was not expanded`);
  }
}

function evaluateLeaf(node: Node): TypedArray {
  const leaf = typed(node);
  switch (leaf.op) {
    case "constant":
      return leaf.attrs.data;
    case "full":
      return allocateArray(leaf.attrs.dtype, numel(leaf.attrs.shape)).fill(leaf.attrs.value);
    case "iota":
      return allocateArray(leaf.attrs.dtype, leaf.attrs.length).map((_, i) => i);
    case "source":
      throw new InternalError(
        `reference: source "${leaf.attrs.source.name}" is not among the program's inputs`,
      );
    default:
      throw new InternalError(`reference: leaf op ${node.op} is not known`);
  }
}

/** Ops that combine several elements, or look them up. */
function evaluateCombining(node: Node, data: readonly TypedArray[]): TypedArray {
  const [x, y] = node.inputs;
  const combining = typed(node);
  switch (combining.op) {
    case "sum":
    case "prod":
    case "max":
    case "min":
      return evaluateReduce(combining.op, x, combining.attrs.dims, data[0]);
    case "matmul":
      return evaluateMatmul(x, y, data[0], data[1]);
    case "gather":
      return evaluateGather(x, y, combining.attrs.dim, data[0], data[1]);
    case "scatterAdd":
      return evaluateScatter(scatterCombiner("sum", x.dtype), x, y, combining.attrs.dim, data);
    case "scatterReduce": {
      const { reduce, dim } = combining.attrs;
      return evaluateScatter(scatterCombiner(reduce, x.dtype), x, y, dim, data);
    }
    case "cumsum":
    case "cumprod":
    case "cummax":
    case "cummin":
    case "linearRecurrence":
      return evaluateScan(combining.op, x, data);
    case "argsort":
      return evaluateArgsort(x, combining.attrs.descending, data[0]);
    default:
      throw new InternalError(`reference: op ${node.op} is not known`);
  }
}
