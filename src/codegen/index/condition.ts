import {
  add,
  compareExpressions,
  constant,
  constantPartOf,
  type Environment,
  type Expression,
  equal,
  evaluate,
  format,
  multiply,
  type Operand,
  substitute,
  subtract,
  termsOf,
  type Variable,
  variablesOf,
} from "./expression.ts";

/**
 * A guard over indices: where it does not hold, a read gives the padding value and a write is dropped.
 * Comparisons that the intervals decide fold to `always` or `never`. Build conditions with the functions
 * below only.
 */
export type Condition =
  | { readonly kind: "always" }
  | { readonly kind: "never" }
  | Comparison
  | { readonly kind: "and"; readonly conditions: readonly Comparison[] };

/** `left < right` or `left = right`, with no common factor and no term on both sides. */
export interface Comparison {
  readonly kind: "less" | "equal";
  readonly left: Expression;
  readonly right: Expression;
}

/** The condition that always holds. */
export const always: Condition = { kind: "always" };

/** The condition that never holds. */
export const never: Condition = { kind: "never" };

/** `left < right`. */
export function lessThan(left: Operand, right: Operand): Condition {
  const difference = subtract(left, right);
  if (difference.max < 0) return always;
  if (difference.min >= 0) return never;
  // g*x + c < 0 is x < ceil(-c / g), which is x - ceil(-c / g) < 0.
  const common = commonFactor(difference);
  const bound = Math.ceil(-constantPartOf(difference) / common) + 0;
  return comparison("less", divideTerms(difference, common), bound);
}

/** `left >= right`. */
export function atLeast(left: Operand, right: Operand): Condition {
  return lessThan(subtract(right, 1), left);
}

/** `left = right`: a condition, where `equal` compares structure. */
export function equalTo(left: Operand, right: Operand): Condition {
  const difference = subtract(left, right);
  if (difference.min > 0 || difference.max < 0) return never;
  if (difference.kind === "constant") return always; // it is 0
  const common = commonFactor(difference);
  if (constantPartOf(difference) % common !== 0) return never;
  const negative = (termsOf(difference)[0]?.factor ?? 1) < 0;
  const by = negative ? -common : common;
  return comparison("equal", divideTerms(difference, by), -constantPartOf(difference) / by + 0);
}

/** Whether `index` lies in start..end-1. */
export function inRange(index: Operand, start: number, end: number): Condition {
  return and(atLeast(index, start), lessThan(index, end));
}

/** All of the conditions; implied ones are dropped, contradictions of two comparisons found. */
export function and(...conditions: readonly Condition[]): Condition {
  const kept: Comparison[] = [];
  for (const condition of conditions) {
    if (condition.kind === "never") return never;
    if (condition.kind === "always") continue;
    for (const one of condition.kind === "and" ? condition.conditions : [condition]) {
      if (kept.some((other) => contradict(one, other))) return never;
      if (kept.some((other) => implies(other, one))) continue;
      const remaining = kept.filter((other) => !implies(one, other));
      kept.splice(0, kept.length, ...remaining, one);
    }
  }
  const [first] = kept.sort(compareComparisons);
  if (first === undefined) return always;
  return kept.length === 1 ? first : { kind: "and", conditions: kept };
}

function commonFactor(of: Expression): number {
  let common = 0;
  for (const { factor } of termsOf(of)) {
    let other = Math.abs(factor);
    while (other !== 0) [common, other] = [other, common % other];
  }
  return common;
}

function divideTerms(of: Expression, by: number): Expression {
  return add(...termsOf(of).map((term) => multiply(term.of, term.factor / by)));
}

/** `of < bound` or `of = bound` with the negative terms moved to the right. */
function comparison(kind: Comparison["kind"], of: Expression, bound: number): Condition {
  const side = (sign: 1 | -1) =>
    add(...termsOf(of).flatMap((t) => (t.factor * sign > 0 ? [multiply(t.of, t.factor * sign)] : [])));
  const left = side(1);
  const right = side(-1);
  if (left.kind === "constant") return { kind, left: constant(-bound), right };
  return { kind, left, right: add(right, bound) };
}

/** The larger `left - right` of a comparison, the stronger it is. */
function differenceOf({ left, right }: Comparison): Expression {
  return subtract(left, right);
}

function implies(one: Comparison, other: Comparison): boolean {
  const excess = subtract(differenceOf(one), differenceOf(other));
  if (other.kind === "equal") return one.kind === "equal" && excess.kind === "constant" && excess.value === 0;
  // `other` asks for a difference of at most -1; what `one` knows is at most -1 too, or is 0 with either
  // sign.
  if (one.kind === "less") return excess.min >= 0;
  return excess.min >= 1 || add(differenceOf(one), differenceOf(other)).max <= -1;
}

function contradict(one: Comparison, other: Comparison): boolean {
  const sum = add(differenceOf(one), differenceOf(other));
  const excess = subtract(differenceOf(one), differenceOf(other));
  if (one.kind === "less" && other.kind === "less") return sum.min > -2;
  if (one.kind === "equal" && other.kind === "equal")
    return sum.min > 0 || sum.max < 0 || excess.min > 0 || excess.max < 0;
  // One is 0 and the other at most -1: so is their sum, and the difference of the less from the equal one.
  const lessMinusEqual = one.kind === "less" ? excess : multiply(excess, -1);
  return sum.min > -1 || lessMinusEqual.min > -1;
}

function compareComparisons(a: Comparison, b: Comparison): number {
  if (a.kind !== b.kind) return a.kind === "equal" ? -1 : 1;
  return compareExpressions(differenceOf(a), differenceOf(b));
}

function comparisonsOf(condition: Condition): readonly Comparison[] {
  if (condition.kind === "and") return condition.conditions;
  return condition.kind === "less" || condition.kind === "equal" ? [condition] : [];
}

/** Whether a condition holds; throws InternalError for a variable without a value. */
export function evaluateCondition(condition: Condition, environment: Environment): boolean {
  if (condition.kind === "never") return false;
  return comparisonsOf(condition).every(({ kind, left, right }) => {
    const [a, b] = [evaluate(left, environment), evaluate(right, environment)];
    return kind === "less" ? a < b : a === b;
  });
}

/** The condition with variables (by name) and run-time indices (by id) replaced, simplified again. */
export function substituteCondition(
  condition: Condition,
  replacements: ReadonlyMap<string | number, Expression>,
): Condition {
  if (condition.kind === "always" || condition.kind === "never") return condition;
  return and(
    ...comparisonsOf(condition).map(({ kind, left, right }) => {
      const [a, b] = [substitute(left, replacements), substitute(right, replacements)];
      return kind === "less" ? lessThan(a, b) : equalTo(a, b);
    }),
  );
}

/** Whether two conditions have the same structure. */
export function equalConditions(a: Condition, b: Condition): boolean {
  const [ones, others] = [comparisonsOf(a), comparisonsOf(b)];
  return (
    a.kind === b.kind &&
    ones.length === others.length &&
    ones.every((one, at) => {
      const other = others[at] as Comparison; // the lengths are equal
      return one.kind === other.kind && equal(one.left, other.left) && equal(one.right, other.right);
    })
  );
}

/** The variables that occur in a condition, by name. */
export function variablesOfCondition(condition: Condition): Map<string, Variable> {
  return variablesOf(...comparisonsOf(condition).flatMap(({ left, right }) => [left, right]));
}

/** A readable form such as `1 < i0 and i1 < 5`. */
export function formatCondition(condition: Condition): string {
  if (condition.kind === "always" || condition.kind === "never") return condition.kind;
  return comparisonsOf(condition)
    .map(({ kind, left, right }) => `${format(left)} ${kind === "less" ? "<" : "="} ${format(right)}`)
    .join(" and ");
}
