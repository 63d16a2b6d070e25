import { promote } from "../graph/dtype.ts";
import { ArgumentError, ShapeError } from "../graph/errors.ts";
import type { Value } from "../graph/node.ts";
import { formatShape, numel } from "../graph/shape.ts";
import * as b from "../ops/builders.ts";
import { diagonal } from "./diagonals.ts";

/** An operand with a name for each of its dims, each name once. */
interface Term {
  readonly value: Value;
  readonly labels: readonly string[];
}

/**
 * Sums of products by Einstein's convention: dims of one name run together, and those that the output does not name are
 * summed over. "..." stands for dims that broadcast; without "->" the output has the dims named once, in alphabetical
 * order. Operands are multiplied in pairs, each time the pair whose product is smallest.
 * @throws ArgumentError for an equation that cannot be read; ShapeError where sizes of one name differ.
 */
export function einsum(equation: string, operands: readonly Value[]): Value {
  const { inputs, output } = parse(equation, operands);
  const dtype = operands.map(({ dtype }) => dtype).reduce((x, y) => promote("einsum", x, y));
  const sizes = sizesOf(equation, inputs, operands);
  let terms = operands.map((operand, i) => prepare(b.cast(operand, dtype), inputs[i], sizes));
  // A name that only broadcast away everywhere still has size 1.
  const named = new Set(terms.flatMap(({ labels }) => labels));
  while (terms.length > 1) {
    const [i, j] = cheapestPair(terms, output, sizes);
    const others = terms.filter((_, k) => k !== i && k !== j);
    const needed = new Set([...output, ...others.flatMap(({ labels }) => labels)]);
    terms = [...others, multiply(terms[i], terms[j], needed, sizes)];
  }
  const [result] = terms.map((term) => sumOut(term, new Set(output)));
  const present = output.filter((label) => named.has(label));
  const ordered = b.permute(
    result.value,
    present.map((label) => result.labels.indexOf(label)),
  );
  return b.reshape(
    ordered,
    output.map((label) => sizes.get(label) ?? 1),
  );
}

interface Equation {
  readonly inputs: readonly (readonly string[])[];
  readonly output: readonly string[];
}

function parse(equation: string, operands: readonly Value[]): Equation {
  const fail = (problem: string): never => {
    throw new ArgumentError(
      `einsum: "${equation}" with ${operands.map(({ shape }) => formatShape(shape)).join(", ")}: ${problem}`,
    );
  };
  const match = /^([A-Za-z.,]*)(?:->([A-Za-z.]*))?$/.exec(equation.replaceAll(" ", ""));
  if (match === null) return fail('wanted letters, "...", "," and "->", as in "bij,bjk->bik"');
  const parts = match[1].split(",");
  if (operands.length === 0 || parts.length !== operands.length)
    return fail(`it names ${parts.length} operands, and there are ${operands.length}`);
  /** Letters as they are; "..." as names counted from the right, so that they broadcast. */
  const labelsOf = (text: string, hidden: (letters: number) => number): string[] => {
    const pieces = text.split("...");
    if (pieces.length > 2 || pieces.some((piece) => piece.includes(".")))
      return fail('"..." may stand once in each operand');
    if (pieces.length === 1) return [...text];
    const count = hidden(pieces[0].length + pieces[1].length);
    if (count < 0) return fail(`${text} names more dims than there are`);
    const dims = Array.from({ length: count }, (_, i) => `.${count - i}`);
    return [...pieces[0], ...dims, ...pieces[1]];
  };
  const inputs = parts.map((part, i) => {
    const { length } = operands[i].shape;
    const labels = labelsOf(part, (letters) => length - letters);
    return labels.length === length ? labels : fail(`${part || "nothing"} does not name ${length} dims`);
  });
  const dots = Math.max(0, ...inputs.map((labels) => labels.filter((label) => label.startsWith(".")).length));
  const all = inputs.flat();
  const once = [...new Set(all)].filter((label) => !label.startsWith("."));
  const implicit = once.filter((label) => all.indexOf(label) === all.lastIndexOf(label)).sort();
  const hidden = Array.from({ length: dots }, (_, i) => `.${dots - i}`);
  const output = match[2] === undefined ? [...hidden, ...implicit] : labelsOf(match[2], () => dots);
  if (new Set(output).size !== output.length) return fail("the output names a dim twice");
  const unknown = output.find((label) => !all.includes(label));
  return unknown === undefined ? { inputs, output } : fail(`no operand has ${unknown}`);
}

function sizesOf(
  equation: string,
  inputs: Equation["inputs"],
  operands: readonly Value[],
): Map<string, number> {
  const sizes = new Map<string, number>();
  inputs.forEach((labels, i) => {
    labels.forEach((label, dim) => {
      const size = operands[i].shape[dim];
      const before = sizes.get(label) ?? 1;
      if (before !== 1 && size !== 1 && size !== before) {
        const shapes = operands.map(({ shape }) => formatShape(shape)).join(", ");
        throw new ShapeError(`einsum: "${equation}" with ${shapes}: ${label} is both ${before} and ${size}`);
      }
      sizes.set(label, before === 1 ? size : before);
    });
  });
  return sizes;
}

/** Diagonals where a name repeats, and without dims of size 1 that broadcast. */
function prepare(operand: Value, names: readonly string[], sizes: ReadonlyMap<string, number>): Term {
  let value = operand;
  let labels = [...names];
  for (const label of new Set(names)) {
    for (
      let first = labels.indexOf(label);
      first !== labels.lastIndexOf(label);
      first = labels.indexOf(label)
    ) {
      const second = labels.lastIndexOf(label);
      const size = Math.max(value.shape[first], value.shape[second]);
      const wide = value.shape.map((n, dim) => (dim === first || dim === second ? size : n));
      value = diagonal(b.expand(value, wide), 0, first, second);
      labels = [...labels.filter((_, dim) => dim !== first && dim !== second), label];
    }
  }
  const kept = labels.map((label, dim) => value.shape[dim] === sizes.get(label));
  const shape = value.shape.filter((_, dim) => kept[dim]);
  return { value: b.reshape(value, shape), labels: labels.filter((_, dim) => kept[dim]) };
}

/** Sums over dims that nothing else needs. */
function sumOut({ value, labels }: Term, needed: ReadonlySet<string>): Term {
  const dims = labels.flatMap((label, dim) => (needed.has(label) ? [] : [dim]));
  const kept = labels.filter((label) => needed.has(label));
  const shape = value.shape.filter((_, dim) => !dims.includes(dim));
  return { value: b.reshape(b.sum(value, dims), shape), labels: kept };
}

/** The pair whose product has the fewest elements beyond those of its factors. */
function cheapestPair(
  terms: readonly Term[],
  output: readonly string[],
  sizes: ReadonlyMap<string, number>,
): readonly [number, number] {
  let best: readonly [number, number] = [0, 1];
  let least = Number.POSITIVE_INFINITY;
  terms.forEach((first, i) => {
    terms.slice(i + 1).forEach((second, k) => {
      const j = i + 1 + k;
      const others = terms.filter((_, at) => at !== i && at !== j).flatMap(({ labels }) => labels);
      const needed = new Set([...output, ...others]);
      const kept = new Set([...first.labels, ...second.labels].filter((label) => needed.has(label)));
      const product = numel([...kept].map((label) => sizes.get(label) ?? 1));
      const cost = product - numel(first.value.shape) - numel(second.value.shape);
      if (cost < least) {
        least = cost;
        best = [i, j];
      }
    });
  });
  return best;
}

/** The product of two operands, summed over what nothing else needs. */
function multiply(x: Term, y: Term, needed: ReadonlySet<string>, sizes: ReadonlyMap<string, number>): Term {
  const left = sumOut(x, new Set([...needed, ...y.labels]));
  const right = sumOut(y, new Set([...needed, ...x.labels]));
  const both = left.labels.filter((label) => right.labels.includes(label));
  const batch = both.filter((label) => needed.has(label));
  const shared = both.filter((label) => !needed.has(label));
  const ofLeft = left.labels.filter((label) => !both.includes(label));
  const ofRight = right.labels.filter((label) => !both.includes(label));
  const labels = [...batch, ...ofLeft, ...ofRight];
  const sizesFor = (names: readonly string[]): number[] => names.map((label) => sizes.get(label) ?? 1);
  const arranged = ({ value, labels: from }: Term, groups: readonly (readonly string[])[]): Value => {
    const order = groups.flat().map((label) => from.indexOf(label));
    return b.reshape(
      b.permute(value, order),
      groups.map((group) => numel(sizesFor(group))),
    );
  };
  if (shared.length === 0 || (ofLeft.length === 0 && ofRight.length === 0)) {
    // No sum, or one of elementwise products: nothing for a matrix product to reuse.
    const [l, r] = [
      arranged(left, [batch, ofLeft, [], shared]),
      arranged(right, [batch, [], ofRight, shared]),
    ];
    return { value: b.reshape(b.sum(b.mul(l, r), [3]), sizesFor(labels)), labels };
  }
  const product = b.matmul(
    arranged(left, [batch, ofLeft, shared]),
    arranged(right, [batch, shared, ofRight]),
  );
  return { value: b.reshape(product, sizesFor(labels)), labels };
}
