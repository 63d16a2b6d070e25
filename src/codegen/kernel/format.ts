import { formatCondition } from "../index/condition.ts";
import { format } from "../index/expression.ts";
import type { BinaryScalarOp, Buffer, Kernel, Scalar, Statement } from "./ir.ts";

/**
 * The kernel as readable text, one statement a line. Shared operands are written out each time: place lets
 * before.
 */
export function formatKernel(kernel: Kernel): string {
  const parameters = kernel.buffers.map(formatBuffer).join(", ");
  return [`kernel ${kernel.name}(${parameters}) {`, ...formatBody(kernel.body, "  "), "}"].join("\n");
}

function formatBuffer({ name, access, type, length }: Buffer): string {
  return `${access} ${name}: ${type}[${length}]`;
}

function formatBody(body: readonly Statement[], indent: string): string[] {
  return body.flatMap((statement) => formatStatement(statement, indent));
}

function formatStatement(statement: Statement, indent: string): string[] {
  const block = (head: string, body: readonly Statement[]): string[] => [
    `${indent}${head} {`,
    ...formatBody(body, `${indent}  `),
    `${indent}}`,
  ];
  switch (statement.kind) {
    case "for": {
      const { name, extent, tag } = statement.axis;
      return block(`for ${name} in 0..${extent}${tag === "loop" ? "" : ` ${tag}`}`, statement.body);
    }
    case "if":
      return block(`if ${formatCondition(statement.condition)}`, statement.body);
    case "let": {
      const { name, opaqueId } = statement.register;
      const index = opaqueId === undefined ? "" : ` as @${opaqueId}`;
      return [`${indent}let ${name}${index} = ${formatScalar(statement.value)}`];
    }
    case "declare": {
      const { name, type, length, initial } = statement.array;
      return [`${indent}var ${name}: ${type}[${length}] = ${formatNumber(initial)}`];
    }
    case "set":
      return [
        `${indent}${statement.array.name}[${format(statement.index)}] = ${formatScalar(statement.value)}`,
      ];
    case "store":
      return [
        `${indent}${statement.buffer.name}[${format(statement.index)}] = ${formatScalar(statement.value)}`,
      ];
    case "barrier":
      return [`${indent}barrier ${statement.scope}`];
  }
}

const symbols: Partial<Record<BinaryScalarOp, string>> = {
  add: "+",
  sub: "-",
  mul: "*",
  div: "/",
  eq: "==",
  ne: "!=",
  lt: "<",
  le: "<=",
  gt: ">",
  ge: ">=",
  logicalAnd: "&&",
  logicalOr: "||",
  bitwiseAnd: "&",
  bitwiseOr: "|",
  bitwiseXor: "^",
  shiftLeft: "<<",
  shiftRight: ">>",
};

/** A scalar as an expression; operands that are themselves infix stand in parentheses. */
export function formatScalar(scalar: Scalar): string {
  const call = (name: string): string =>
    `${name}(${"args" in scalar ? scalar.args.map(formatScalar).join(", ") : ""})`;
  switch (scalar.kind) {
    case "constant":
      return formatConstant(scalar.type, scalar.value);
    case "register":
      return scalar.register.name;
    case "local":
      return `${scalar.array.name}[${format(scalar.index)}]`;
    case "load":
      return `${scalar.buffer.name}[${format(scalar.index)}]`;
    case "index":
      return `${scalar.type}{${format(scalar.expression)}}`;
    case "unary":
      return call(scalar.op);
    case "binary": {
      const symbol = symbols[scalar.op];
      if (symbol === undefined) return call(scalar.op);
      return `${formatOperand(scalar.args[0])} ${symbol} ${formatOperand(scalar.args[1])}`;
    }
    case "multiplyAdd":
    case "select":
      return call(scalar.kind);
    case "cast":
      return call(scalar.type);
    case "bitcast":
      return call(`bitcast<${scalar.type}>`);
    case "guard": {
      const otherwise = formatConstant(scalar.type, scalar.otherwise);
      return `(${formatScalar(scalar.args[0])} where ${formatCondition(scalar.condition)} else ${otherwise})`;
    }
  }
}

function formatOperand(scalar: Scalar): string {
  const text = formatScalar(scalar);
  return scalar.kind === "binary" && symbols[scalar.op] !== undefined ? `(${text})` : text;
}

function formatConstant(type: Scalar["type"], value: number): string {
  if (type === "bool") return value === 0 ? "false" : "true";
  const text = formatNumber(type === "f32" ? shortest(value) : value);
  if (type === "u32") return `${text}u`;
  return type === "f32" && /^-?\d+$/.test(text) ? `${text}.0` : text;
}

/** The number with the fewest digits that is nearest to the same float. */
function shortest(value: number): number {
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Object.is(Math.fround(short), value)) return short;
  }
  return value;
}

function formatNumber(value: number): string {
  return Object.is(value, -0) ? "-0" : String(value);
}
