import { InternalError } from "../../graph/errors.ts";

/**
 * The shape of integer index expressions. Every expression is immutable, in canonical form, and carries an
 * inclusive interval `min`..`max` that contains each of its values. Build expressions with the constructors
 * of `simplify.ts` only: structural equality means something because equal values are usually brought to the
 * same form.
 */
export type Expression = Constant | Atom | Linear;

/**
 * What a linear combination is made of: an expression that is neither a constant nor a sum nor a multiple.
 */
export type Atom = Variable | Opaque | FloorDivide | Modulo | Minimum | Maximum | Product;

/** An expression, or a plain integer standing for a constant. */
export type Operand = Expression | number;

export interface Constant {
  readonly kind: "constant";
  readonly value: number;
  readonly min: number;
  readonly max: number;
}

/** A loop axis or another named integer. Its identity is its name: one name has one range. */
export interface Variable {
  readonly kind: "variable";
  readonly name: string;
  readonly min: number;
  readonly max: number;
}

/** An integer that is read at run time (the index of a gather). Its identity is its id. */
export interface Opaque {
  readonly kind: "opaque";
  readonly id: number;
  readonly min: number;
  readonly max: number;
}

/** `floor(of / divisor)`. `of` is never negative here, so a division that truncates gives the same. */
export interface FloorDivide {
  readonly kind: "floorDivide";
  readonly of: Expression;
  readonly divisor: number;
  readonly min: number;
  readonly max: number;
}

/**
 * `of - modulus * floor(of / modulus)`. `of` is never negative here, so a truncating remainder gives the
 * same.
 */
export interface Modulo {
  readonly kind: "modulo";
  readonly of: Expression;
  readonly modulus: number;
  readonly min: number;
  readonly max: number;
}

export interface Minimum {
  readonly kind: "minimum";
  readonly left: Expression;
  readonly right: Expression;
  readonly min: number;
  readonly max: number;
}

export interface Maximum {
  readonly kind: "maximum";
  readonly left: Expression;
  readonly right: Expression;
  readonly min: number;
  readonly max: number;
}

/** The product of two expressions of which neither is constant. */
export interface Product {
  readonly kind: "product";
  readonly left: Expression;
  readonly right: Expression;
  readonly min: number;
  readonly max: number;
}

/** `factor * of`; the factor is a non-zero integer. */
export interface Term {
  readonly factor: number;
  readonly of: Atom;
}

/**
 * `constant + sum of terms`, the terms sorted by `compareAtoms`, each atom once. Never just one atom alone.
 */
export interface Linear {
  readonly kind: "linear";
  readonly constant: number;
  readonly terms: readonly Term[];
  readonly min: number;
  readonly max: number;
}

/** The constant `value`; throws InternalError unless it is a safe integer. */
export function constant(value: number): Expression {
  const integer = exact(value) + 0; // no negative zero
  return { kind: "constant", value: integer, min: integer, max: integer };
}

/** A loop axis that runs over 0..extent-1; an axis of extent 1 is the constant 0. */
export function variable(name: string, extent: number): Expression {
  return rangedVariable(name, 0, Math.max(extent, 1) - 1);
}

/** A variable that runs over min..max, both inclusive. */
export function rangedVariable(name: string, min: number, max: number): Expression {
  if (min > max) throw new InternalError(`index variable ${name} has the empty range ${min}..${max}`);
  return min === max ? constant(min) : { kind: "variable", name, min: exact(min), max: exact(max) };
}

/** An index that is read at run time, known only to lie in min..max; equal ids are equal values. */
export function opaque(id: number, min: number, max: number): Expression {
  if (min > max) throw new InternalError(`run-time index ${id} has the empty range ${min}..${max}`);
  return min === max ? constant(min) : { kind: "opaque", id, min: exact(min), max: exact(max) };
}

const noTerms: readonly Term[] = [];

/** The terms of any expression, seen as a linear combination. */
export function termsOf(expression: Expression): readonly Term[] {
  if (expression.kind === "linear") return expression.terms;
  return expression.kind === "constant" ? noTerms : [{ factor: 1, of: expression }];
}

/** The constant part of any expression, seen as a linear combination. */
export function constantPartOf(expression: Expression): number {
  if (expression.kind === "linear") return expression.constant;
  return expression.kind === "constant" ? expression.value : 0;
}

/** Returns `value`; throws InternalError beyond 2^53, where numbers stop being exact integers. */
export function exact(value: number): number {
  if (Number.isSafeInteger(value)) return value;
  throw new InternalError(
    `index arithmetic reached ${value}, no exact integer: split the tensor so that indices stay below 2^53`,
  );
}

/** `floor(a / b)` for safe integers and b > 0, without the rounding of a division in floating point. */
export function floorDivideIntegers(a: number, b: number): number {
  return (a - floorModuloIntegers(a, b)) / b + 0;
}

/** `a - b * floor(a / b)` for safe integers and b > 0. */
export function floorModuloIntegers(a: number, b: number): number {
  const remainder = a % b;
  return remainder < 0 ? remainder + b : remainder + 0;
}

const rank: Readonly<Record<Atom["kind"], number>> = {
  variable: 0,
  opaque: 1,
  floorDivide: 2,
  modulo: 3,
  minimum: 4,
  maximum: 5,
  product: 6,
};

function compareNames(a: string, b: string): number {
  if (a.length !== b.length) return a.length - b.length; // i2 before i10
  return a < b ? -1 : a > b ? 1 : 0;
}

/** A total order of atoms that depends on their structure only; 0 means equal. */
export function compareAtoms(a: Atom, b: Atom): number {
  if (a === b) return 0;
  if (a.kind === "variable" && b.kind === "variable") return compareNames(a.name, b.name);
  if (a.kind === "opaque" && b.kind === "opaque") return a.id - b.id;
  if (a.kind === "floorDivide" && b.kind === "floorDivide") {
    return a.divisor - b.divisor || compareExpressions(a.of, b.of);
  }
  if (a.kind === "modulo" && b.kind === "modulo")
    return a.modulus - b.modulus || compareExpressions(a.of, b.of);
  if (
    (a.kind === "minimum" && b.kind === "minimum") ||
    (a.kind === "maximum" && b.kind === "maximum") ||
    (a.kind === "product" && b.kind === "product")
  ) {
    return compareExpressions(a.left, b.left) || compareExpressions(a.right, b.right);
  }
  return rank[a.kind] - rank[b.kind];
}

/** A total order of expressions that depends on their structure only; 0 means equal. */
export function compareExpressions(a: Expression, b: Expression): number {
  if (a === b) return 0;
  const aTerms = termsOf(a);
  const bTerms = termsOf(b);
  if (aTerms.length !== bTerms.length) return aTerms.length - bTerms.length;
  for (let at = 0; at < aTerms.length; at++) {
    const order = compareAtoms(aTerms[at].of, bTerms[at].of) || aTerms[at].factor - bTerms[at].factor;
    if (order !== 0) return order;
  }
  return constantPartOf(a) - constantPartOf(b);
}

/**
 * Whether two expressions have the same structure. Equal structure means equal values; the converse is no
 * promise.
 */
export function equal(a: Expression, b: Expression): boolean {
  return compareExpressions(a, b) === 0;
}
