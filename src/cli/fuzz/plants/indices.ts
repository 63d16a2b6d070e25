import type { Plants } from "./plant.ts";

/** Faults in index expressions, views and their guards. */
export const indices: Plants = {
  "floor-divide-nested": {
    file: "codegen/index/simplify.ts",
    text: 'if (of.kind === "floorDivide") return floorDivide(of.of, exact(of.divisor * divisor));',
    becomes: 'if (of.kind === "floorDivide") return floorDivide(of.of, exact(of.divisor + divisor));',
    fault: "x/a/b becomes x/(a + b)",
  },
  "quotient-of-remainder": {
    file: "codegen/index/simplify.ts",
    text: "return modulo(floorDivide(of.of, divisor), of.modulus / divisor);",
    becomes: "return modulo(floorDivide(of.of, divisor), of.modulus);",
    fault: "(x % ab) / a becomes (x/a) % ab",
  },
  "remainder-dropped": {
    file: "codegen/index/simplify.ts",
    text: "return add(scale(remainderAtom(inner.of, inner.modulus), factor), rest);",
    becomes: "return add(scale(remainderAtom(inner.of, inner.modulus), 1), rest);",
    fault: "the factor of a remainder is lost",
  },
  "quotient-sign": {
    file: "codegen/index/simplify.ts",
    text: "return add(outer, scale(quotientAtom(inner.of, inner.modulus), inner.sign));",
    becomes: "return add(outer, quotientAtom(inner.of, inner.modulus));",
    fault: "a mirrored quotient keeps its sign",
  },
  "remainder-sign": {
    file: "codegen/index/simplify.ts",
    text: "return { outer: constant(-shift), inner, factor: -1, rest: constant(divisor - 1) };",
    becomes: "return { outer: constant(-shift), inner, factor: 1, rest: constant(divisor - 1) };",
    fault: "a mirrored remainder keeps its sign",
  },
  "small-dividend": {
    file: "codegen/index/simplify.ts",
    text: "if (shifted.max < divisor) return",
    becomes: "if (shifted.max <= divisor) return",
    fault: "x/d is folded to 0 where x may be d",
  },
  "multiples-left-in": {
    file: "codegen/index/simplify.ts",
    text: "return { ...parts, outer: add(combine(0, outer), parts.outer) };",
    becomes: "return { ...parts, outer: combine(0, outer) };",
    fault: "a quotient forgets what its remainder carries over",
  },
  "common-factor-rest": {
    file: "codegen/index/simplify.ts",
    text: "rest: add(lower, scale(parts.rest, common)) };",
    becomes: "rest: add(lower, parts.rest) };",
    fault: "the rest of a division by a common factor is not scaled back",
  },
  "shift-of-quotient": {
    file: "codegen/index/simplify.ts",
    text: "return shift === 0 ? parts : { ...parts, outer: add(parts.outer, shift) };",
    becomes: "return parts;",
    fault: "a quotient of something negative forgets by how much it was shifted",
  },
  "constant-of-sum": {
    file: "codegen/index/linear.ts",
    text: "if (by === 0) return of;",
    becomes: "if (by <= 1) return of;",
    fault: "adding 1 to an index does nothing",
  },
  "permute-inverse": {
    file: "codegen/index/view.ts",
    text: "const index = outIndex[dims.indexOf(inDim)];",
    becomes: "const index = outIndex[dims[inDim] as number];",
    fault: "a permutation is read as its inverse",
  },
  "slice-step": {
    file: "codegen/index/view.ts",
    text: "add(multiply(index, steps[dim] as number), starts[dim] as number)",
    becomes: "add(multiply(index, Math.abs(steps[dim] as number)), starts[dim] as number)",
    fault: "a slice that runs backwards runs forwards",
  },
  "slice-start": {
    file: "codegen/index/view.ts",
    text: "steps[dim] as number), starts[dim] as number));",
    becomes: "steps[dim] as number), (steps[dim] as number) < 0 ? 0 : (starts[dim] as number)));",
    fault: "a slice that runs backwards begins at 0",
  },
  "flip-end": {
    file: "codegen/index/view.ts",
    text: "dims.includes(dim) ? subtract((shape[dim] as number) - 1, index) : index,",
    becomes:
      "dims.includes(dim) ? subtract((shape[dim] as number) - 1, index) : dims.length > 1 ? subtract((shape[dim] as number) - 1, index) : index,",
    fault: "a flip of two dims flips all",
  },
  "expand-leading": {
    file: "codegen/index/view.ts",
    text: "(extent === 1 ? constant(0) : (outIndex[added + dim] as Expression))",
    becomes: "(extent === 1 ? constant(0) : (outIndex[dim] as Expression))",
    fault: "an expansion with new leading dims reads the wrong ones",
  },
  "unfold-dilation": {
    file: "codegen/index/view.ts",
    text: "add(multiply(index, step), multiply(element, dilation))",
    becomes: "add(multiply(index, step), element)",
    fault: "windows lose their dilation",
  },
  "pad-guard": {
    file: "codegen/index/view.ts",
    text: "inRange(one, 0, inShape[dim] as number));",
    becomes: "inRange(one, 0, dim > 0 ? (inShape[dim] as number) : 2 ** 20));",
    fault: "the guard of a padding forgets the end of the first dim",
  },
  "pad-start": {
    file: "codegen/index/view.ts",
    text: "subtract(one, before[dim] as number)",
    becomes: "subtract(one, dim === 0 ? (before[dim] as number) : Math.min(1, before[dim] as number))",
    fault: "a padding begins at most one element late",
  },
  "view-guards": {
    file: "codegen/schedule/views.ts",
    text: "guard: and(read.guard, next.guard) };",
    becomes: "guard: next.guard };",
    fault: "of nested paddings only the innermost is guarded",
  },
};
