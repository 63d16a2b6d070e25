import { InternalError } from "../../graph/errors.ts";
import {
  build,
  commonFactors,
  contains,
  fits32Bits,
  nearestRemainder,
  product,
  scale,
  scaleTerms,
  shift,
} from "./linear.ts";
import {
  compareAtoms,
  compareExpressions,
  constant,
  constantPartOf,
  type Expression,
  equal,
  exact,
  type FloorDivide,
  floorDivideIntegers,
  type Operand,
  type Term,
  termsOf,
} from "./terms.ts";

// The arithmetic of index expressions. Each constructor returns the canonical form, so that a chain of views
// folds while it is built. Sums are linear combinations; quotients and remainders are split by one routine,
// `split`, and put together again by `recombine` when a sum meets all parts of something that was taken
// apart.

/** The sum of all operands. */
export function add(...operands: readonly Operand[]): Expression {
  let sum = 0;
  let only: Expression | undefined;
  let terms: Term[] | undefined;
  for (const operand of operands) {
    if (typeof operand === "number") sum = exact(sum + operand);
    else if (operand.kind === "constant") sum = exact(sum + operand.value);
    else if (only === undefined) only = operand;
    else {
      terms ??= [...termsOf(only)];
      sum = exact(sum + constantPartOf(operand));
      for (const term of termsOf(operand)) terms.push(term);
    }
  }
  if (only === undefined) return constant(sum);
  // What has its terms from one operand has them in canonical form.
  return terms === undefined ? shift(only, sum) : combine(exact(sum + constantPartOf(only)), terms);
}

export function subtract(left: Operand, right: Operand): Expression {
  if (typeof right === "number") return add(left, -right);
  return right.kind === "constant" ? add(left, -right.value) : add(left, scale(right, -1));
}

/** `sum` and the parts, each times its factor. */
export function linearCombination(
  sum: number,
  parts: readonly { readonly factor: number; readonly of: Expression }[],
): Expression {
  let constantPart = sum;
  const terms: Term[] = [];
  for (const { factor, of } of parts) {
    constantPart = exact(constantPart + exact(constantPartOf(of) * factor));
    for (const term of termsOf(of)) terms.push({ factor: exact(term.factor * factor), of: term.of });
  }
  return combine(constantPart, terms);
}

/** The product of two operands; a constant one becomes a factor. */
export function multiply(left: Operand, right: Operand): Expression {
  if (typeof right === "number") return scale(toExpression(left), right);
  if (typeof left === "number") return scale(right, left);
  if (left.kind === "constant") return scale(right, left.value);
  return right.kind === "constant" ? scale(left, right.value) : product(left, right);
}

/** `floor(dividend / divisor)` for a positive integer divisor. */
export function floorDivide(dividend: Operand, divisor: number): Expression {
  return quotientOf(split(toExpression(dividend), divisor));
}

/** `dividend - modulus * floor(dividend / modulus)`, in 0..modulus-1, for a positive integer modulus. */
export function modulo(dividend: Operand, modulus: number): Expression {
  return remainderOf(split(toExpression(dividend), modulus));
}

/** Both results of one floor division; cheaper than asking for them one by one. */
export function divideModulo(
  dividend: Operand,
  divisor: number,
): { quotient: Expression; remainder: Expression } {
  const parts = split(toExpression(dividend), divisor);
  return { quotient: quotientOf(parts), remainder: remainderOf(parts) };
}

/** The smaller of two expressions. */
export function minimum(left: Operand, right: Operand): Expression {
  return extremum("minimum", toExpression(left), toExpression(right));
}

/** The larger of two expressions. */
export function maximum(left: Operand, right: Operand): Expression {
  return extremum("maximum", toExpression(left), toExpression(right));
}

function toExpression(operand: Operand): Expression {
  return typeof operand === "number" ? constant(operand) : operand;
}

// --- sums ---

/** `sum + terms` in canonical form; the terms may come in any order and repeat atoms. */
function combine(sum: number, terms: readonly Term[]): Expression {
  const merged: Term[] = [];
  for (const term of terms) if (term.factor !== 0) insert(merged, term);
  return recombine(sum, merged) ?? build(sum, merged);
}

/** Adds a term to a sorted sum; terms mostly come in order, so its place is looked for from the end. */
function insert(sorted: Term[], term: Term): void {
  let at = sorted.length;
  while (at > 0) {
    const before = sorted[at - 1];
    const order = compareAtoms(before.of, term.of);
    if (order < 0) break;
    if (order === 0) {
      const factor = exact(before.factor + term.factor);
      if (factor === 0) sorted.splice(at - 1, 1);
      else sorted[at - 1] = { factor, of: before.of };
      return;
    }
    at--;
  }
  if (at === sorted.length) sorted.push(term);
  else sorted.splice(at, 0, term);
}

// --- putting together what was taken apart ---

/**
 * Looks for parts of one value in a sum and returns the sum with the value in their place, or undefined:
 * - `c*a*(x/a) + c*(x%a)` is `c*x`;
 * - `c*x - c*a*(x/a)` is `c*(x%a)`;
 * - `c*a*((x/a)%b) + c*(x%a)` is `c*(x%(a*b))`.
 * Each leaves a smaller expression, so that repeating ends.
 */
function recombine(sum: number, terms: readonly Term[]): Expression | undefined {
  if (terms.length < 2) return undefined;
  for (const term of terms) {
    if (term.of.kind === "floorDivide") {
      const result = recombineQuotient(sum, terms, term.factor, term.of);
      if (result !== undefined) return result;
    }
  }
  for (const low of terms) {
    if (low.of.kind !== "modulo") continue;
    for (const high of terms) {
      const result = recombineRemainders(sum, terms, low, high);
      if (result !== undefined) return result;
    }
  }
  return undefined;
}

function recombineQuotient(
  sum: number,
  terms: readonly Term[],
  factor: number,
  quotient: FloorDivide,
): Expression | undefined {
  const { of, divisor } = quotient;
  if (factor % divisor === 0) {
    const scaleOfWhole = -factor / divisor;
    if (contains(terms, of, scaleOfWhole)) {
      return replace(
        sum,
        terms,
        [quotient, -factor],
        [of, -scaleOfWhole],
        [modulo(of, divisor), scaleOfWhole],
      );
    }
  }
  for (const term of terms) {
    if (term.of.kind !== "modulo") continue;
    const { modulus } = term.of;
    if (Math.abs(factor) !== Math.abs(term.factor * modulus)) continue;
    const taken = floorDivide(term.of.of, modulus);
    if (taken.kind !== "constant" && contains(terms, taken, term.factor * modulus)) {
      const changes = [taken, -term.factor * modulus] as const;
      return replace(sum, terms, changes, [term.of, -term.factor], [term.of.of, term.factor]);
    }
    for (const size of modulus === divisor ? [modulus] : [modulus, divisor]) {
      if (divisor % size !== 0 || factor % size !== 0) continue;
      const whole = floorDivide(of, divisor / size);
      const rest = modulo(whole, size);
      const by = factor / size;
      if (rest.kind === "constant" || !contains(terms, rest, by)) continue;
      return replace(sum, terms, [quotient, -factor], [rest, -by], [whole, by]);
    }
  }
  return undefined;
}

function recombineRemainders(
  sum: number,
  terms: readonly Term[],
  low: Term,
  high: Term,
): Expression | undefined {
  if (low.of.kind !== "modulo" || high.of.kind !== "modulo") return undefined;
  const { modulus } = low.of;
  if (Math.abs(high.factor) !== Math.abs(low.factor * modulus)) return undefined;
  const by = high.factor / modulus;
  for (const part of termsOf(high.of.of)) {
    if (part.factor !== 1 || part.of.kind !== "floorDivide" || part.of.divisor % modulus !== 0) continue;
    const others = subtract(high.of.of, part.of);
    if (!fits32Bits(others)) continue;
    const whole = add(floorDivide(part.of.of, part.of.divisor / modulus), scale(others, modulus));
    const rest = modulo(whole, modulus);
    if (rest.kind === "constant" || !contains(terms, rest, by)) continue;
    if (others.kind !== "constant" && !fits32Bits(whole)) continue;
    const joined = modulo(whole, modulus * high.of.modulus);
    return replace(sum, terms, [high.of, -high.factor], [rest, -by], [joined, by]);
  }
  return undefined;
}

/** The sum after adding multiples of expressions to it. */
function replace(
  sum: number,
  terms: readonly Term[],
  ...changes: readonly (readonly [Expression, number])[]
): Expression {
  let constantPart = sum;
  const all = [...terms];
  for (const [of, factor] of changes) {
    constantPart = exact(constantPart + constantPartOf(of) * factor);
    all.push(...scaleTerms(termsOf(of), factor));
  }
  return combine(constantPart, all);
}

// --- quotients and remainders ---

/**
 * The parts of a division: with `q = inner / modulus` and `r = inner % modulus`, the quotient is `outer +
 * sign * q` and the remainder is `factor * r + rest`. Without `inner`, they are `outer` and `rest`. `inner`
 * has no multiple of the modulus in it, its minimum is in 0..modulus-1 and its first term is positive.
 */
interface Split {
  readonly outer: Expression;
  readonly inner?: { readonly of: Expression; readonly modulus: number; readonly sign: 1 | -1 };
  readonly factor: number;
  readonly rest: Expression;
}

function split(dividend: Expression, divisor: number): Split {
  if (!(Number.isSafeInteger(divisor) && divisor > 0)) {
    throw new InternalError(`an index can be divided by a positive integer only, got ${divisor}`);
  }
  const terms = termsOf(dividend);
  if (terms.some((term) => Math.abs(term.factor) >= divisor)) {
    // Whole multiples of the divisor leave: d*q + r is q and r.
    const inner: Term[] = terms.map(({ factor, of }) => ({ factor: factor % divisor, of }));
    const outer: Term[] = terms.map(({ factor, of }) => ({
      factor: (factor - (factor % divisor)) / divisor,
      of,
    }));
    const parts = split(combine(constantPartOf(dividend), inner), divisor);
    return { ...parts, outer: add(combine(0, outer), parts.outer) };
  }
  const shift = floorDivideIntegers(dividend.min, divisor);
  const shifted = shift === 0 ? dividend : build(constantPartOf(dividend) - shift * divisor, terms);
  if (shifted.max < divisor) return { outer: constant(shift), factor: 0, rest: shifted };
  const parts = splitByCommonFactor(shifted, divisor) ?? splitBySign(shifted, divisor);
  return shift === 0 ? parts : { ...parts, outer: add(parts.outer, shift) };
}

/**
 * With x = g*u + v, g a divisor of d and v in 0..g-1: x/d is u/(d/g) and x%d is g*(u%(d/g)) + v. A factor f
 * that g does not divide goes to both sides, leaving either the truncated remainder of f or the one nearest
 * to 0: the second finds that (i*(w-1) + j) / w is i where j - i stays in 0..w-1, as in the shift of relative
 * positions.
 */
function splitByCommonFactor(dividend: Expression, divisor: number): Split | undefined {
  const terms = termsOf(dividend);
  for (const common of [divisor, ...commonFactors(terms, divisor)]) {
    const parts =
      splitBy(dividend, divisor, common, (factor) => factor % common) ??
      splitBy(dividend, divisor, common, (factor) => nearestRemainder(factor, common));
    if (parts !== undefined) return parts;
  }
  return undefined;
}

function splitBy(
  dividend: Expression,
  divisor: number,
  common: number,
  remainder: (factor: number) => number,
): Split | undefined {
  let min = constantPartOf(dividend);
  let max = min;
  for (const { factor, of } of termsOf(dividend)) {
    const rest = remainder(factor);
    min += rest * (rest > 0 ? of.min : of.max);
    max += rest * (rest > 0 ? of.max : of.min);
  }
  const shift = floorDivideIntegers(exact(min), common);
  if (floorDivideIntegers(exact(max), common) !== shift) return undefined;
  const low: Term[] = [];
  const high: Term[] = [];
  for (const { factor, of } of termsOf(dividend)) {
    const rest = remainder(factor);
    low.push({ factor: rest, of });
    high.push({ factor: (factor - rest) / common, of });
  }
  const lower = combine(constantPartOf(dividend) - shift * common, low);
  const parts = split(combine(shift, high), divisor / common);
  return { ...parts, factor: parts.factor * common, rest: add(lower, scale(parts.rest, common)) };
}

/** With d-1-x for x where x begins with a minus: x/d is -((d-1-x)/d), x%d is d-1 - ((d-1-x)%d). */
function splitBySign(dividend: Expression, divisor: number): Split {
  const [first] = termsOf(dividend);
  if (first === undefined || first.factor > 0) {
    const inner = { of: dividend, modulus: divisor, sign: 1 } as const;
    return { outer: constant(0), inner, factor: 1, rest: constant(0) };
  }
  const mirrored = add(scale(dividend, -1), divisor - 1);
  const shift = floorDivideIntegers(mirrored.min, divisor);
  const inner = { of: add(mirrored, -shift * divisor), modulus: divisor, sign: -1 } as const;
  return { outer: constant(-shift), inner, factor: -1, rest: constant(divisor - 1) };
}

function quotientOf({ outer, inner }: Split): Expression {
  if (inner === undefined) return outer;
  return add(outer, scale(quotientAtom(inner.of, inner.modulus), inner.sign));
}

function remainderOf({ inner, factor, rest }: Split): Expression {
  if (inner === undefined) return rest;
  return add(scale(remainderAtom(inner.of, inner.modulus), factor), rest);
}

/** `of / divisor` where `split` found no more to take out: folds what is nested. */
function quotientAtom(of: Expression, divisor: number): Expression {
  // (x % ab) / a is (x/a) % b.
  if (of.kind === "modulo" && of.modulus % divisor === 0) {
    return modulo(floorDivide(of.of, divisor), of.modulus / divisor);
  }
  // (y/a % b) / d is (y % ab) / ad.
  if (of.kind === "modulo" && of.of.kind === "floorDivide") {
    const { of: dividend, divisor: inner } = of.of;
    return floorDivide(modulo(dividend, exact(inner * of.modulus)), exact(inner * divisor));
  }
  if (of.kind === "floorDivide") return floorDivide(of.of, exact(of.divisor * divisor));
  // (x/a + z) / d is (x + a*z) / (a*d).
  const divisions = termsOf(of).filter((term) => term.of.kind === "floorDivide" && term.factor === 1);
  const [division] = divisions;
  if (divisions.length === 1 && division?.of.kind === "floorDivide") {
    const { of: dividend, divisor: inner } = division.of;
    const others = subtract(of, division.of);
    if (fits32Bits(others) && others.max * inner < 2 ** 31) {
      const whole = add(dividend, scale(others, inner));
      if (fits32Bits(whole)) return floorDivide(whole, exact(inner * divisor));
    }
  }
  const min = floorDivideIntegers(of.min, divisor);
  return { kind: "floorDivide", of, divisor, min, max: floorDivideIntegers(of.max, divisor) };
}

/**
 * `of % modulus` where `split` found no more to take out: drops inner remainders by a multiple of the
 * modulus.
 */
function remainderAtom(of: Expression, modulus: number): Expression {
  const plain = withoutRemainders(of, modulus);
  if (plain !== of) return modulo(plain, modulus);
  if (of.kind === "floorDivide") {
    // (y/a) % m depends on y % (a*m) only.
    const plainInside = withoutRemainders(of.of, of.divisor * modulus);
    if (plainInside !== of.of) return modulo(floorDivide(plainInside, of.divisor), modulus);
  }
  return { kind: "modulo", of, modulus, min: 0, max: modulus - 1 };
}

/**
 * `of` up to multiples of the modulus: y % b becomes y where b is a multiple of the modulus. Only where no
 * quotient or remainder is left: otherwise the form would differ from the quotient's, and the two would not
 * recombine.
 */
function withoutRemainders(of: Expression, modulus: number): Expression {
  const terms = termsOf(of);
  if (!terms.some((term) => isRemainderOf(term, modulus))) return of;
  const parts = terms.map((term) =>
    scale(term.of.kind === "modulo" && isRemainderOf(term, modulus) ? term.of.of : term.of, term.factor),
  );
  const plain = add(constantPartOf(of), ...parts);
  if (of.kind === "modulo") return plain;
  const flat = termsOf(plain).every(({ of: atom }) => atom.kind !== "floorDivide" && atom.kind !== "modulo");
  return flat && fits32Bits(plain) ? plain : of;
}

function isRemainderOf({ factor, of }: Term, modulus: number): boolean {
  return of.kind === "modulo" && Math.abs(factor) === 1 && of.modulus % modulus === 0;
}

// --- minimum and maximum ---

function extremum(kind: "minimum" | "maximum", a: Expression, b: Expression): Expression {
  const difference = subtract(a, b);
  if (difference.max <= 0) return kind === "minimum" ? a : b;
  if (difference.min >= 0) return kind === "minimum" ? b : a;
  // min(min(x, y), y) is min(x, y).
  if (a.kind === kind && (equal(a.left, b) || equal(a.right, b))) return a;
  if (b.kind === kind && (equal(b.left, a) || equal(b.right, a))) return b;
  const [left, right] = compareExpressions(a, b) < 0 ? [a, b] : [b, a];
  const pick = kind === "minimum" ? Math.min : Math.max;
  return { kind, left, right, min: pick(a.min, b.min), max: pick(a.max, b.max) };
}
