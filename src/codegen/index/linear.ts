import {
  compareAtoms,
  compareExpressions,
  constant,
  constantPartOf,
  type Expression,
  equal,
  exact,
  type Term,
  termsOf,
} from "./terms.ts";

// The part of the arithmetic that never looks into quotients and remainders.

/** The expression with exactly these terms, which are sorted and distinct; computes the interval. */
export function build(sum: number, terms: readonly Term[]): Expression {
  const [first] = terms;
  if (first === undefined) return constant(sum);
  if (sum === 0 && first.factor === 1 && terms.length === 1) return first.of;
  const { min, max } = interval(sum, terms);
  return { kind: "linear", constant: exact(sum) + 0, terms, min, max };
}

function interval(sum: number, terms: readonly Term[]): { min: number; max: number } {
  let min = sum;
  let max = sum;
  for (const { factor, of } of terms) {
    const [low, high] = factor > 0 ? [of.min, of.max] : [of.max, of.min];
    min += exact(factor * low);
    max += exact(factor * high);
  }
  return { min: exact(min), max: exact(max) };
}

/** `of + by`. */
export function shift(of: Expression, by: number): Expression {
  if (by === 0) return of;
  const sum = exact(constantPartOf(of) + by) + 0;
  if (of.kind === "constant") return constant(sum);
  const terms = termsOf(of);
  if (sum === 0 && terms.length === 1 && terms[0].factor === 1) return terms[0].of;
  return { kind: "linear", constant: sum, terms, min: exact(of.min + by) + 0, max: exact(of.max + by) + 0 };
}

/** `factor * of`. */
export function scale(of: Expression, factor: number): Expression {
  if (factor === 1) return of;
  if (factor === 0) return constant(0);
  if (of.kind === "constant") return constant(of.value * factor);
  const terms = scaleTerms(termsOf(of), factor);
  const sum = exact(constantPartOf(of) * factor) + 0;
  if (sum === 0 && terms.length === 1 && terms[0].factor === 1) return terms[0].of;
  const [low, high] = factor > 0 ? [of.min, of.max] : [of.max, of.min];
  return {
    kind: "linear",
    constant: sum,
    terms,
    min: exact(factor * low) + 0,
    max: exact(factor * high) + 0,
  };
}

/** The terms of `factor` times a sum. */
export function scaleTerms(terms: readonly Term[], factor: number): Term[] {
  return terms.map((term) => ({ factor: exact(term.factor * factor), of: term.of }));
}

/** Whether the non-constant part of `factor * part` occurs in the terms. */
export function contains(terms: readonly Term[], part: Expression, factor: number): boolean {
  return termsOf(part).every((wanted) =>
    terms.some((term) => term.factor === wanted.factor * factor && compareAtoms(term.of, wanted.of) === 0),
  );
}

/** The product of two expressions of which neither is constant; common factors go outside. */
export function product(a: Expression, b: Expression): Expression {
  const aContent = contentOf(a);
  const bContent = contentOf(b);
  const pair = [unscale(a, aContent), unscale(b, bContent)].sort(compareExpressions);
  const [left, right] = pair as [Expression, Expression]; // two in, two out
  const corners = [left.min * right.min, left.min * right.max, left.max * right.min, left.max * right.max];
  const squareOverZero = left.min <= 0 && left.max >= 0 && equal(left, right);
  const min = exact(squareOverZero ? 0 : Math.min(...corners)) + 0;
  const max = exact(Math.max(...corners)) + 0;
  return scale({ kind: "product", left, right, min, max }, exact(aContent * bContent));
}

/** The greatest common divisor of the constant and all factors, with the sign of the first factor. */
function contentOf(of: Expression): number {
  const terms = termsOf(of);
  const content = terms.reduce(
    (common, { factor }) => greatestCommonDivisor(common, Math.abs(factor)),
    Math.abs(constantPartOf(of)),
  );
  return (terms[0]?.factor ?? 1) < 0 ? -content : content;
}

function unscale(of: Expression, factor: number): Expression {
  if (factor === 1) return of;
  const terms = termsOf(of).map((term) => ({ factor: term.factor / factor, of: term.of }));
  return build(constantPartOf(of) / factor + 0, terms);
}

/** Candidates for a common factor of the divisor and some of the terms, largest first, without 1. */
export function commonFactors(terms: readonly Term[], divisor: number): number[] {
  const found: number[] = [];
  for (const { factor } of terms) {
    for (const other of [divisor, ...found]) {
      const common = greatestCommonDivisor(other, Math.abs(factor));
      if (common > 1 && !found.includes(common)) found.push(common);
    }
  }
  return found.sort((a, b) => b - a);
}

function greatestCommonDivisor(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b];
  return a;
}

/** The remainder nearest to 0; of the two halves, the one that truncation leaves. */
export function nearestRemainder(factor: number, divisor: number): number {
  const remainder = factor % divisor;
  return 2 * Math.abs(remainder) <= divisor ? remainder : remainder - Math.sign(remainder) * divisor;
}

/** Kernels compute indices in 32 bits: a rewrite must not leave them where its input did not. */
export function fits32Bits({ min, max }: Expression): boolean {
  return min >= -(2 ** 31) && max < 2 ** 31;
}
