import { substituteCondition } from "../index/condition.ts";
import { type Expression, substitute } from "../index/expression.ts";
import type { Scalar, Statement } from "../kernel/ir.ts";
import * as s from "../kernel/scalars.ts";

/** The statements with index variables replaced by expressions, wherever they occur. Shared scalars stay shared. */
export function substituteAxes(
  statements: readonly Statement[],
  replacements: ReadonlyMap<string, Expression>,
): Statement[] {
  if (replacements.size === 0) return [...statements];
  const memo = new Map<Scalar, Scalar>();
  const index = (expression: Expression): Expression => substitute(expression, replacements);
  const one = (scalar: Scalar): Scalar => {
    switch (scalar.kind) {
      case "load":
        return s.load(scalar.buffer, index(scalar.index));
      case "local":
        return s.local(scalar.array, index(scalar.index));
      case "index":
        return s.indexValue(index(scalar.expression), scalar.type);
      case "guard":
        return s.guard(substituteCondition(scalar.condition, replacements), scalar.args[0], scalar.otherwise);
      default:
        return scalar;
    }
  };
  const value = (scalar: Scalar): Scalar => s.mapScalar(scalar, one, memo);
  const visit = (statement: Statement): Statement => {
    switch (statement.kind) {
      case "for":
        return { ...statement, body: statement.body.map(visit) };
      case "if":
        return {
          ...statement,
          condition: substituteCondition(statement.condition, replacements),
          body: statement.body.map(visit),
        };
      case "let":
        return { ...statement, value: value(statement.value) };
      case "set":
      case "store":
        return { ...statement, index: index(statement.index), value: value(statement.value) };
      case "declare":
      case "barrier":
        return statement;
    }
  };
  return statements.map(visit);
}
