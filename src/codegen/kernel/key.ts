import type { Condition } from "../index/condition.ts";
import { formatCondition } from "../index/condition.ts";
import { type Expression, format } from "../index/expression.ts";
import type { Kernel, Scalar, Statement } from "./ir.ts";
import { argsOf } from "./scalars.ts";

/**
 * A text that two kernels share exactly if they are the same but for the names of the kernel and of what it
 * is made of: shared scalars are numbered, so that its length grows with the number of objects, not of paths.
 */
export function kernelKey({ buffers, body }: Pick<Kernel, "buffers" | "body">): string {
  const parts: string[] = buffers.map(({ type, length, access }) => `${type}[${length}]${access}`);
  const numbers = new Map<object, number>();
  const numberOf = (thing: object): number => {
    let number = numbers.get(thing);
    if (number === undefined) {
      number = numbers.size;
      numbers.set(thing, number);
    }
    return number;
  };
  buffers.forEach(numberOf);
  const texts = new Map<Expression | Condition, string>();
  const index = (expression: Expression): string => {
    let text = texts.get(expression);
    if (text === undefined) {
      text = format(expression);
      texts.set(expression, text);
    }
    return text;
  };
  const scalars = new Map<Scalar, number>();
  const write = (scalar: Scalar): number => {
    const known = scalars.get(scalar);
    if (known !== undefined) return known;
    const args = argsOf(scalar).map(write).join(",");
    parts.push(`${headOf(scalar, numberOf, index)}:${scalar.type}(${args})`);
    scalars.set(scalar, scalars.size);
    return scalars.size - 1;
  };
  const visit = (statement: Statement): void => {
    switch (statement.kind) {
      case "for": {
        const { name, extent, tag } = statement.axis;
        parts.push(`for ${name} ${extent} ${tag} {`);
        statement.body.forEach(visit);
        parts.push("}");
        return;
      }
      case "if":
        parts.push(`if ${formatCondition(statement.condition)} {`);
        statement.body.forEach(visit);
        parts.push("}");
        return;
      case "let": {
        const value = write(statement.value);
        const { opaqueId, type } = statement.register;
        parts.push(`let ${numberOf(statement.register)}:${type}#${opaqueId ?? ""}=${value}`);
        return;
      }
      case "declare": {
        const { type, length, initial } = statement.array;
        parts.push(`declare ${numberOf(statement.array)}:${type}[${length}]=${numberText(initial)}`);
        return;
      }
      case "set":
        parts.push(`set ${numberOf(statement.array)}[${index(statement.index)}]=${write(statement.value)}`);
        return;
      case "store":
        parts.push(
          `store ${numberOf(statement.buffer)}[${index(statement.index)}]=${write(statement.value)}`,
        );
        return;
      case "barrier":
        parts.push(`barrier ${statement.scope}`);
    }
  };
  body.forEach(visit);
  return parts.join("\n");
}

function numberText(value: number): string {
  return Object.is(value, -0) ? "-0" : String(value);
}

function headOf(
  scalar: Scalar,
  numberOf: (thing: object) => number,
  index: (expression: Expression) => string,
): string {
  switch (scalar.kind) {
    case "constant":
      return numberText(scalar.value);
    case "register":
      return `register ${numberOf(scalar.register)}`;
    case "local":
      return `local ${numberOf(scalar.array)}[${index(scalar.index)}]`;
    case "load":
      return `load ${numberOf(scalar.buffer)}[${index(scalar.index)}]`;
    case "index":
      return `index ${index(scalar.expression)}`;
    case "unary":
    case "binary":
      return scalar.op;
    case "guard":
      return `guard ${formatCondition(scalar.condition)} else ${numberText(scalar.otherwise)}`;
    case "multiplyAdd":
    case "select":
    case "cast":
    case "bitcast":
      return scalar.kind;
  }
}
