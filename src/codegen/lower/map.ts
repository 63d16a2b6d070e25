import { numel, type Shape } from "../../graph/shape.ts";
import {
  coefficientOf,
  delinearize,
  type Expression,
  linearize,
  termsOf,
  variable,
  variablesOf,
} from "../index/expression.ts";
import { walkScalars } from "../kernel/scalars.ts";
import type { Template } from "../schedule/groups.ts";
import { Block, Names } from "./block.ts";
import { Computation, isScalar, type LoweringScope } from "./compute.ts";
import { elementLoop, type LoweredGroup, storeAll } from "./loops.ts";

/** Elements of one shape, each computed on its own. */
export function lowerMap(scope: LoweringScope, template: Extract<Template, { kind: "map" }>): LoweredGroup {
  const dims = chooseLoops(scope, template.shape);
  const lowered = writeMap(scope, dims, isScalar(scope)) ?? (writeMap(scope, dims, true) as LoweredGroup);
  return {
    ...lowered,
    widen: (elements) => writeMap(scope, [elements], isScalar(scope), elements) as LoweredGroup,
  };
}

function writeMap(
  scope: LoweringScope,
  dims: Shape,
  single: boolean,
  length?: number,
): LoweredGroup | undefined {
  const computation = new Computation(scope, length);
  const stores = [...scope.group.stores];
  const block = new Block(new Names());
  const inner = dims[dims.length - 1] ?? 1;
  const width = single ? 1 : inner >= 8 ? 8 : inner >= 4 ? 4 : 1;
  const outer = dims.slice(0, -1);
  let turns = 0;
  block.loops("i", outer, "grid", (at, indices) => {
    elementLoop(at, inner, width, "grid", (body, index) => {
      computation.forget();
      turns += 1;
      const position = linearize([...indices, index], dims);
      storeAll(
        body,
        computation,
        stores.map((value) => ({
          value,
          index: delinearize(position, value.shape),
          position,
        })),
      );
    });
  });
  if (computation.needsScalarLoops && !single) return undefined;
  const flops = (computation.operations / Math.max(turns, 1)) * numel(dims);
  return { group: scope.group, body: block.statements, buffers: computation.buffers, scratch: [], flops };
}

/**
 * The loops in which every read is affine, as few as possible: neighbouring dims are joined where nothing is lost, and a
 * dim is split where a read divides its index.
 */
function chooseLoops(scope: LoweringScope, shape: Shape): Shape {
  let dims: readonly number[] = shape.filter((size) => size !== 1);
  let cost = readCost(scope, [numel(shape)]);
  if (cost.irregular === 0) return [numel(shape)];
  cost = readCost(scope, dims);
  for (let tries = 0; cost.irregular > 0 && cost.split && tries < 4; tries++) {
    const { dim, divisor } = cost.split;
    const split = [...dims.slice(0, dim), dims[dim] / divisor, divisor, ...dims.slice(dim + 1)];
    const after = readCost(scope, split);
    if (after.irregular >= cost.irregular) break;
    dims = split;
    cost = after;
  }
  for (let dim = dims.length - 2; dim >= 0; dim--) {
    const joined = [...dims.slice(0, dim), dims[dim] * dims[dim + 1], ...dims.slice(dim + 2)];
    const after = readCost(scope, joined);
    if (after.irregular > cost.irregular) continue;
    dims = joined;
    cost = after;
  }
  return dims;
}

interface ReadCost {
  /** Reads whose index is not affine in some loop. */
  readonly irregular: number;
  /** A split that would make one more affine. */
  readonly split?: { readonly dim: number; readonly divisor: number };
}

function readCost(scope: LoweringScope, dims: Shape): ReadCost {
  const computation = new Computation(scope);
  const block = new Block(new Names());
  const axes = dims.map((size, dim) => variable(`d${dim}`, size));
  const position = linearize(axes, dims);
  for (const value of scope.group.stores)
    block.let(computation.element(value, delinearize(position, value.shape), block));
  let irregular = 0;
  let split: ReadCost["split"];
  walkScalars(block.statements, (scalar) => {
    if (scalar.kind !== "load") return;
    for (const name of variablesOf(scalar.index).keys()) {
      if (coefficientOf(scalar.index, name) !== undefined) continue;
      irregular += 1;
      split ??= splitFor(scalar.index, dims);
    }
  });
  return { irregular, split };
}

/** A divisor by which the index divides one loop variable, if it divides the loop too. */
export function splitFor(index: Expression, dims: Shape): ReadCost["split"] {
  for (const { of } of termsOf(index)) {
    if (of.kind !== "floorDivide" && of.kind !== "modulo") continue;
    const divisor = of.kind === "floorDivide" ? of.divisor : of.modulus;
    const dim = of.of.kind === "variable" ? Number(of.of.name.slice(1)) : -1;
    if (dim >= 0 && dims[dim] % divisor === 0 && dims[dim] > divisor) return { dim, divisor };
  }
  return undefined;
}
