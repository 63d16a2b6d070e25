import { InternalError } from "../../graph/errors.ts";
import {
  add,
  divideModulo,
  floorDivide,
  linearCombination,
  maximum,
  minimum,
  modulo,
  multiply,
} from "./simplify.ts";
import {
  type Atom,
  constant,
  constantPartOf,
  type Expression,
  floorDivideIntegers,
  floorModuloIntegers,
  type Opaque,
  type Term,
  termsOf,
  type Variable,
} from "./terms.ts";

/** Values of variables by name and of run-time indices by id. */
export type Environment = ReadonlyMap<string | number, number>;

/** The value of an expression; throws InternalError for a variable or run-time index without a value. */
export function evaluate(expression: Expression, environment: Environment): number {
  let sum = constantPartOf(expression);
  for (const { factor, of } of termsOf(expression)) sum += factor * evaluateAtom(of, environment);
  return sum + 0;
}

function evaluateAtom(atom: Atom, environment: Environment): number {
  switch (atom.kind) {
    case "variable":
    case "opaque": {
      const value = environment.get(atom.kind === "variable" ? atom.name : atom.id);
      if (value === undefined) throw new InternalError(`evaluate: no value for ${formatAtom(atom)}`);
      return value;
    }
    case "floorDivide":
      return floorDivideIntegers(evaluate(atom.of, environment), atom.divisor);
    case "modulo":
      return floorModuloIntegers(evaluate(atom.of, environment), atom.modulus);
    case "minimum":
      return Math.min(evaluate(atom.left, environment), evaluate(atom.right, environment));
    case "maximum":
      return Math.max(evaluate(atom.left, environment), evaluate(atom.right, environment));
    case "product":
      return evaluate(atom.left, environment) * evaluate(atom.right, environment);
  }
}

/**
 * The expression with variables (by name) and run-time indices (by id) replaced, simplified again. What the
 * map does not name stays.
 */
export function substitute(
  expression: Expression,
  replacements: ReadonlyMap<string | number, Expression>,
): Expression {
  const seen = new Map<Expression, Expression>();
  const visit = (of: Expression): Expression => {
    if (of.kind === "constant") return of;
    if (of.kind === "variable") return replacements.get(of.name) ?? of;
    if (of.kind === "opaque") return replacements.get(of.id) ?? of;
    let result = seen.get(of);
    if (result === undefined) {
      result = rebuild(of);
      seen.set(of, result);
    }
    return result;
  };
  const rebuild = (of: Exclude<Expression, { kind: "constant" | "variable" | "opaque" }>): Expression => {
    switch (of.kind) {
      case "linear": {
        const parts = of.terms.map((term) => ({ factor: term.factor, of: visit(term.of) }));
        return parts.some((part, at) => part.of !== of.terms[at].of)
          ? linearCombination(of.constant, parts)
          : of;
      }
      case "floorDivide": {
        const dividend = visit(of.of);
        return dividend === of.of ? of : floorDivide(dividend, of.divisor);
      }
      case "modulo": {
        const dividend = visit(of.of);
        return dividend === of.of ? of : modulo(dividend, of.modulus);
      }
      case "minimum":
        return minimum(visit(of.left), visit(of.right));
      case "maximum":
        return maximum(visit(of.left), visit(of.right));
      case "product":
        return multiply(visit(of.left), visit(of.right));
    }
  };
  return visit(expression);
}

/** Calls `visit` for each variable and run-time index in the expression. */
function forEachLeaf(expression: Expression, visit: (leaf: Variable | Opaque) => void): void {
  for (const { of } of termsOf(expression)) {
    switch (of.kind) {
      case "variable":
      case "opaque":
        visit(of);
        break;
      case "floorDivide":
      case "modulo":
        forEachLeaf(of.of, visit);
        break;
      case "minimum":
      case "maximum":
      case "product":
        forEachLeaf(of.left, visit);
        forEachLeaf(of.right, visit);
    }
  }
}

/** The variables that occur in the expressions, by name. */
export function variablesOf(...expressions: readonly Expression[]): Map<string, Variable> {
  const found = new Map<string, Variable>();
  for (const expression of expressions) {
    forEachLeaf(expression, (leaf) => {
      if (leaf.kind === "variable") found.set(leaf.name, leaf);
    });
  }
  return found;
}

/** The run-time indices that occur in the expressions, by id. */
export function opaquesOf(...expressions: readonly Expression[]): Map<number, Opaque> {
  const found = new Map<number, Opaque>();
  for (const expression of expressions) {
    forEachLeaf(expression, (leaf) => {
      if (leaf.kind === "opaque") found.set(leaf.id, leaf);
    });
  }
  return found;
}

/**
 * The factor of a variable if the expression is affine in it (0 if it does not occur); undefined if the
 * variable occurs inside a division, remainder, product, minimum or maximum.
 */
export function coefficientOf(expression: Expression, variableName: string): number | undefined {
  let coefficient = 0;
  for (const { factor, of } of termsOf(expression)) {
    if (of.kind === "variable") {
      if (of.name === variableName) coefficient = factor;
    } else if (variablesOf(of).has(variableName)) return undefined;
  }
  return coefficient;
}

/** The row-major position of indices in a contiguous tensor of that shape. */
export function linearize(indices: readonly Expression[], shape: readonly number[]): Expression {
  if (indices.length !== shape.length) {
    throw new InternalError(`linearize: ${indices.length} indices for the shape [${shape.join(", ")}]`);
  }
  const parts: Expression[] = [];
  let stride = 1;
  for (let dim = shape.length - 1; dim >= 0; dim--) {
    parts.push(multiply(indices[dim] as Expression, stride)); // dim is below the length
    stride *= shape[dim] as number;
  }
  return add(...parts);
}

/**
 * The indices at a row-major position. The position must be in range for the shape: the first index is not
 * wrapped. A shape without elements has no positions; its indices are 0.
 */
export function delinearize(position: Expression, shape: readonly number[]): Expression[] {
  const indices: Expression[] = shape.map(() => constant(0));
  if (shape.includes(0)) return indices;
  const outermost = shape.findIndex((extent) => extent !== 1);
  let rest = position;
  for (let dim = shape.length - 1; dim > outermost; dim--) {
    const { quotient, remainder } = divideModulo(rest, shape[dim] as number); // dim is below the length
    indices[dim] = remainder;
    rest = quotient;
  }
  if (outermost >= 0) indices[outermost] = rest;
  return indices;
}

/**
 * A readable form such as `(i0*12 + i1) / 4 % 3`; run-time indices print as `@id`. Equal text, equal
 * structure.
 */
export function format(expression: Expression): string {
  if (expression.kind === "variable") return expression.name;
  if (expression.kind === "constant") return String(expression.value);
  const terms = [...termsOf(expression)].sort((a, b) => Math.abs(b.factor) - Math.abs(a.factor));
  const parts = terms.map((term) => ({ negative: term.factor < 0, text: formatTerm(term) }));
  const constantPart = constantPartOf(expression);
  if (constantPart !== 0 || parts.length === 0) {
    const part = { negative: constantPart < 0, text: String(Math.abs(constantPart)) };
    if (parts[0]?.negative === true && constantPart > 0) parts.unshift(part);
    else parts.push(part);
  }
  return parts
    .map(({ negative, text }, at) =>
      at === 0 ? `${negative ? "-" : ""}${text}` : `${negative ? "- " : "+ "}${text}`,
    )
    .join(" ");
}

function formatTerm({ factor, of }: Term): string {
  const magnitude = Math.abs(factor);
  if (magnitude === 1 && factor > 0) return formatAtom(of);
  const binary = of.kind === "floorDivide" || of.kind === "modulo" || of.kind === "product";
  const text = binary ? `(${formatAtom(of)})` : formatAtom(of);
  return magnitude === 1 ? text : `${text}*${magnitude}`;
}

function formatAtom(atom: Atom): string {
  switch (atom.kind) {
    case "variable":
      return atom.name;
    case "opaque":
      return `@${atom.id}`;
    case "floorDivide":
      return `${formatOperand(atom.of)} / ${atom.divisor}`;
    case "modulo":
      return `${formatOperand(atom.of)} % ${atom.modulus}`;
    case "minimum":
      return `min(${format(atom.left)}, ${format(atom.right)})`;
    case "maximum":
      return `max(${format(atom.left)}, ${format(atom.right)})`;
    case "product":
      return `${formatOperand(atom.left)}*${formatOperand(atom.right, true)}`;
  }
}

/**
 * In parentheses where it is a sum, or where `whole` asks for it and it is a quotient, remainder or product.
 */
function formatOperand(of: Expression, whole = false): string {
  const binary = of.kind === "floorDivide" || of.kind === "modulo" || of.kind === "product";
  return of.kind === "linear" || (whole && binary) ? `(${format(of)})` : format(of);
}
