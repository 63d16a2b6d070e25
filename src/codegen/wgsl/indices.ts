import { InternalError } from "../../graph/errors.ts";
import { type Condition, formatCondition } from "../index/condition.ts";
import {
  type Atom,
  constantPartOf,
  type Expression,
  format,
  type Opaque,
  type Term,
  termsOf,
  type Variable,
} from "../index/expression.ts";

/** What an index variable, or an index read at run time, is called. */
export type NameOf = (leaf: Variable | Opaque) => string;

const largest = 2 ** 31 - 1;

/** An index expression as WGSL of type i32 (or a literal that becomes one). @throws InternalError beyond 32 bits. */
export function indexText(expression: Expression, nameOf: NameOf): string {
  if (expression.min < -largest || expression.max > largest) {
    throw new InternalError(
      `wgsl: the index ${format(expression)} does not fit in 32 bits; split the tensor`,
    );
  }
  const terms = termsOf(expression);
  const constant = constantPartOf(expression);
  const positive = terms.filter(({ factor }) => factor > 0);
  const negative = terms.filter(({ factor }) => factor < 0);
  const added = positive.map((term) => termText(term, nameOf));
  if (constant > 0 || (positive.length === 0 && (constant < 0 || negative.length === 0))) {
    added.push(literal(constant));
  }
  const subtracted = negative.map((term) => ` - ${termText(term, nameOf)}`);
  if (constant < 0 && positive.length > 0) subtracted.push(` - ${literal(-constant)}`);
  return (added.join(" + ") || "0") + subtracted.join("");
}

function literal(value: number): string {
  if (Math.abs(value) > largest)
    throw new InternalError(`wgsl: the index ${value} does not fit in 32 bits; split the tensor`);
  return String(value);
}

/** Without its sign. */
function termText({ factor, of }: Term, nameOf: NameOf): string {
  const text = atomText(of, nameOf);
  const size = Math.abs(factor);
  return size === 1 ? text : `${text} * ${literal(size)}`;
}

function atomText(atom: Atom, nameOf: NameOf): string {
  const text = (of: Expression): string => indexText(of, nameOf);
  switch (atom.kind) {
    case "variable":
    case "opaque":
      return nameOf(atom);
    // What is divided is never negative; as unsigned it needs no test of signs.
    case "floorDivide":
      return `i32(u32(${text(atom.of)}) / ${atom.divisor}u)`;
    case "modulo":
      return `i32(u32(${text(atom.of)}) % ${atom.modulus}u)`;
    case "minimum":
      return `min(${text(atom.left)}, ${text(atom.right)})`;
    case "maximum":
      return `max(${text(atom.left)}, ${text(atom.right)})`;
    case "product":
      return `(${text(atom.left)}) * (${text(atom.right)})`;
  }
}

/** A condition as WGSL of type bool; all of it is evaluated, without a branch. */
export function conditionText(condition: Condition, nameOf: NameOf): string {
  switch (condition.kind) {
    case "always":
      return "true";
    case "never":
      return "false";
    case "and":
      return condition.conditions.map((one) => conditionText(one, nameOf)).join(" & ");
    case "less":
    case "equal": {
      const sides = [condition.left, condition.right];
      if (sides.every(({ kind }) => kind === "constant"))
        throw new InternalError(`wgsl: ${formatCondition(condition)} compares constants`);
      const [left, right] = sides.map((side) => indexText(side, nameOf));
      return `(${left} ${condition.kind === "less" ? "<" : "=="} ${right})`;
    }
  }
}
