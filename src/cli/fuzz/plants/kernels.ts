import type { Plants } from "./plant.ts";

/** Faults in loops: reductions, tiles, barriers, guards, functions. */
export const kernels: Plants = {
  "reduction-last-lane": {
    file: "codegen/lower/accumulate.ts",
    text: "combine(parts[i], parts[i + half])",
    becomes: "i === half - 1 && half > 1 ? parts[i] : combine(parts[i], parts[i + half])",
    fault: "a lane of a reduction is lost",
  },
  "reduction-tail": {
    file: "codegen/lower/accumulate.ts",
    text: "return parts.length === 1 ? combine(parts[0], single) : single;",
    becomes: "return parts.length === 1 ? parts[0] : single;",
    fault: "the elements after the last whole vector are not reduced",
  },
  "maximum-begins-at-zero": {
    file: "codegen/lower/accumulate.ts",
    text: 'if (dtype === "f32") return Number.NEGATIVE_INFINITY;',
    becomes: 'if (dtype === "f32") return 0;',
    fault: "a maximum of negative floats is 0",
  },
  "minimum-of-integers": {
    file: "codegen/lower/accumulate.ts",
    text: 'return dtype === "i32" ? 2 ** 31 - 1 : 2 ** 32 - 1;',
    becomes: "return 2 ** 31 - 1;",
    fault: "a minimum of large unsigned integers is 2^31 - 1",
  },
  "product-begins-at-zero": {
    file: "codegen/lower/accumulate.ts",
    text: 'case "cumprod":\n      return 1;',
    becomes: 'case "cumprod":\n      return 0;',
    fault: "a running product is 0",
  },
  "running-minimum": {
    file: "codegen/lower/accumulate.ts",
    text: 'return s.binary("minimum", before, x);',
    becomes: 'return s.binary("minimum", x, x);',
    fault: "a running minimum forgets what came before",
  },
  recurrence: {
    file: "codegen/lower/accumulate.ts",
    text: 's.binary("add", s.binary("mul", x, before), y)',
    becomes: 's.binary("add", s.binary("mul", y, before), x)',
    fault: "a recurrence takes its operands for each other",
  },
  "column-rest": {
    file: "codegen/lower/reduce.ts",
    text: "const done = full * width;",
    becomes: "const done = full * width + (extent > width && extent % width === 1 ? 1 : 0);",
    fault: "a last single column is not reduced",
  },
  "scatter-guard": {
    file: "codegen/lower/scatter.ts",
    text: "s.select(inside, combine(before, element), before)",
    becomes: "combine(before, element)",
    fault: "what is scattered outside lands in element 0",
  },
  "scatter-last": {
    file: "codegen/lower/scatter.ts",
    text: 'case "amin":\n      return (element, contribution) => s.binary("minimum", element, contribution);',
    becomes: 'case "amin":\n      return (_, contribution) => contribution;',
    fault: "the smallest contribution is the last one",
  },
  "sort-stability": {
    file: "codegen/lower/sort.ts",
    text: 's.binary("lt", j, i));',
    becomes: 's.binary("lt", i, j));',
    fault: "equal elements are sorted backwards",
  },
  "exp-polynomial": {
    file: "codegen/kernel/exponential.ts",
    text: "0.0418543666601181",
    becomes: "0.0418943666601181",
    fault: "a coefficient of exp is off in the fourth digit",
  },
  "log-constant": {
    file: "codegen/kernel/exponential.ts",
    text: "mul(exponent, float(-2.1219444e-4)));",
    becomes: "mul(exponent, float(2.1219444e-4)));",
    fault: "log adds the low part of ln 2 with the wrong sign",
  },
  "row-guard": {
    file: "codegen/lower/workgroup/row.ts",
    text: "const inside = lessThan(element, length);",
    becomes: "const inside = lessThan(element, length + 1);",
    fault: "a workgroup reads one element beyond its row",
  },
  "barrier-of-partials": {
    file: "codegen/lower/workgroup/partials.ts",
    text: "block.store(buffer, lane, s.local(array, only));\n  block.barrier();",
    becomes: "block.store(buffer, lane, s.local(array, only));",
    fault: "partial results are combined before all are there",
  },
  "barrier-of-combined": {
    file: "codegen/lower/workgroup/partials.ts",
    text: "  });\n  block.barrier();\n  return partials.map",
    becomes: "  });\n  return partials.map",
    fault: "what was combined is read before all of it is there",
  },
  "barrier-of-tiles": {
    file: "codegen/lower/workgroup/contract.ts",
    text: "this.#stage(body, product, tiling, tile, multiply(turn, depth));\n        body.barrier();",
    becomes: "this.#stage(body, product, tiling, tile, multiply(turn, depth));",
    fault: "a tile of a product is read before it is there",
  },
  "barrier-after-tiles": {
    file: "codegen/lower/workgroup/contract.ts",
    text: "rowOf, columnOf));\n        body.barrier();",
    becomes: "rowOf, columnOf));",
    fault: "a tile of a product is overwritten while it is read",
  },
  "barrier-of-maxima": {
    file: "codegen/lower/workgroup/attend.ts",
    text: "body.store(this.#maxima, lane, now);\n    });\n    block.barrier();",
    becomes: "body.store(this.#maxima, lane, now);\n    });",
    fault: "the largest scores are read before they are there",
  },
  "barrier-of-slices": {
    file: "codegen/lower/workgroup/tileProducts.ts",
    text: "this.#stageRows(body, lane, right, start, step);\n      body.barrier();",
    becomes: "this.#stageRows(body, lane, right, start, step);",
    fault: "rows of attention's product are read before they are there",
  },
  "tile-guard": {
    file: "codegen/lower/workgroup/contract.ts",
    text: "const inside = and(lessThan(row, rows), lessThan(k, shared));",
    becomes: "const inside = lessThan(row, rows);",
    fault: "a tile of a product is read beyond the shared dim",
  },
  "tile-rows": {
    file: "codegen/lower/contract.ts",
    text: "[...tile.batch, add(tile.rowStart, r), k], block);",
    becomes: "[...tile.batch, tile.height > 1 ? add(tile.rowStart, r) : r, k], block);",
    fault: "a last single row of a product reads the first",
  },
  "tile-width": {
    file: "codegen/lower/contract.ts",
    text: "const width = tile.columns <= tileColumns / 2 ? tileColumns / 2 : tileColumns;",
    becomes: "const width = tile.columns <= tileColumns / 2 + 1 ? tileColumns / 2 : tileColumns;",
    fault: "a product of five columns is as wide as four",
  },
};
