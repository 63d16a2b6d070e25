import { InternalError } from "../../graph/errors.ts";
import type { Value } from "../../graph/node.ts";
import { numel } from "../../graph/shape.ts";
import { definitionOf } from "../../ops/table.ts";
import { add, constant, type Expression, linearize, multiply } from "../index/expression.ts";
import * as s from "../kernel/scalars.ts";
import { type Coordinates, placeOf, type Template } from "../schedule/groups.ts";
import { reducerOf } from "./accumulate.ts";
import { Block, Names } from "./block.ts";
import { Computation, isScalar, type LoweringScope, scalarType } from "./compute.ts";
import { elementLoop, type LoweredGroup, storeAll } from "./loops.ts";

type ReduceTemplate = Extract<Template, { kind: "reduce" }>;

/** Columns that are summed side by side: eight vector registers an accumulator. */
const columns = 32;

/**
 * Reductions over dims of which at least one is not trailing. Neighbouring results lie side by side in vector registers
 * while the reduced dims are walked, so that memory is read in order.
 */
export function lowerReduce(scope: LoweringScope, template: ReduceTemplate): LoweredGroup {
  return (
    writeReduce(scope, template, isScalar(scope)) ?? (writeReduce(scope, template, true) as LoweredGroup)
  );
}

function writeReduce(
  scope: LoweringScope,
  template: ReduceTemplate,
  single: boolean,
): LoweredGroup | undefined {
  const { shape, dims } = template;
  const computation = new Computation(scope);
  const block = new Block(new Names());
  const reductions = [...scope.group.members].filter((value) => definitionOf(value.node).kind === "reduce");
  const kept = shape.flatMap((_, dim) => (dims.includes(dim) ? [] : [dim]));
  // The innermost kept dim of any size: its elements are reduced side by side.
  const side = kept.findLast((dim) => shape[dim] > 1);
  const outer = kept.filter((dim) => dim !== side);
  const indices = new Map<number, Expression>();

  block.loops(
    "i",
    outer.map((dim) => shape[dim]),
    "grid",
    (at, outerIndices) => {
      outer.forEach((dim, i) => {
        indices.set(dim, outerIndices[i]);
      });
      columnLoop(at, side === undefined ? 1 : shape[side], single, (inner, width, start) => {
        const arrays = reductions.map((value) => {
          const { type, initial } = reducerOf(value);
          return inner.declare(type, width, initial);
        });
        const lanes = (body: Block, visit: (lane: Block, index: Expression) => void): void => {
          if (width % 4 === 0) body.loop("v", width, "vector", visit);
          else body.loop("u", width, "unroll", visit);
        };
        inner.loops(
          "k",
          dims.map((dim) => shape[dim]),
          "loop",
          (body, reducedIndices) => {
            dims.forEach((dim, i) => {
              indices.set(dim, reducedIndices[i]);
            });
            lanes(body, (lane, index) => {
              if (side !== undefined) indices.set(side, add(start, index));
              computation.forget();
              const wide = shape.map((_, dim) => indices.get(dim) ?? constant(0));
              reductions.forEach((value, i) => {
                const { type, combine } = reducerOf(value);
                const element = computation.element(value.node.inputs[0], wide, lane);
                lane.set(arrays[i], index, combine(s.local(arrays[i], index), s.cast(element, type)));
              });
            });
          },
        );
        lanes(inner, (lane, index) => {
          if (side !== undefined) indices.set(side, add(start, index));
          reductions.forEach((value, i) => {
            computation.bind(value, s.cast(s.local(arrays[i], index), scalarType(value.dtype)));
          });
          storeNarrow(
            scope,
            computation,
            lane,
            template,
            kept.map((dim) => indices.get(dim) ?? constant(0)),
          );
          for (const value of reductions) computation.unbind(value);
        });
      });
    },
  );
  if (computation.needsScalarLoops && !single) return undefined;
  const flops = numel(shape) * Math.max(1, reductions.length);
  return { group: scope.group, body: block.statements, buffers: computation.buffers, scratch: [], flops };
}

/** Blocks of columns: full ones in a loop, then what is left in multiples of four, then one by one. */
function columnLoop(
  block: Block,
  extent: number,
  single: boolean,
  body: (inner: Block, width: number, start: Expression) => void,
): void {
  const width = single ? 1 : columns;
  const full = Math.floor(extent / width);
  block.loop("i", full, "grid", (inner, turn) => body(inner, width, multiply(turn, width)));
  const done = full * width;
  const fours = Math.floor((extent - done) / 4) * 4;
  if (fours > 0) body(block, fours, constant(done));
  elementLoop(block, extent - done - fours, 1, "grid", (inner, index) =>
    body(inner, 1, add(done + fours, index)),
  );
}

function storeNarrow(
  scope: LoweringScope,
  computation: Computation,
  block: Block,
  template: ReduceTemplate,
  kept: readonly Expression[],
): void {
  const narrowShape = template.shape.filter((_, dim) => !template.dims.includes(dim));
  const coordinates: Coordinates = { wide: kept, wideShape: narrowShape, narrow: kept, narrowShape };
  const indexOf = (value: Value): readonly Expression[] => {
    const place = placeOf(value.shape, coordinates);
    if (place === undefined)
      throw new InternalError(`reduce kernel: ${value.node.op} has no place in its results`);
    return place.index;
  };
  storeAll(
    block,
    computation,
    [...scope.group.stores].map((value) => ({
      value,
      index: indexOf(value),
      position: linearize(kept, narrowShape),
    })),
  );
}
