import type { Scalar, ScalarType, UnaryScalarOp } from "../kernel/ir.ts";
import { argsOf } from "../kernel/scalars.ts";
import type { Writer } from "./writer.ts";
import { identifier } from "./writer.ts";

type Of<Kind extends Scalar["kind"]> = Extract<Scalar, { kind: Kind }>;

/** Longer expressions are named in pieces: compilers nest only so deep, and people read only so far. */
const longest = 120;

/** A scalar as WGSL; what it needs beside an expression is written before. */
export function scalarText(writer: Writer, scalar: Scalar): string {
  const text = plainText(writer, scalar);
  if (text.length <= longest || scalar.kind === "load" || scalar.kind === "constant") return text;
  const name = writer.temporary();
  writer.line(`let ${name} = ${text};`);
  return name;
}

function plainText(writer: Writer, scalar: Scalar): string {
  const arg = (of: Scalar): string => scalarText(writer, of);
  switch (scalar.kind) {
    case "constant":
      return constantText(writer, scalar.type, scalar.value);
    case "register":
      return identifier(scalar.register.name);
    case "local":
      return writer.arrayElement(scalar.array, scalar.index);
    case "load": {
      const { at, stored } = writer.elements(scalar.buffer);
      return fromStored(at(writer.loadIndex(scalar.index)), stored, scalar.type);
    }
    case "index":
      return `${scalar.type}(${writer.index(scalar.expression)})`;
    case "unary":
      return unaryText(writer, scalar);
    case "binary":
      return binaryText(writer, scalar);
    case "multiplyAdd": {
      const [a, b, c] = scalar.args.map(arg);
      return `(${a} * ${b} + ${c})`;
    }
    case "select": {
      const [condition, x, y] = scalar.args.map(arg);
      return `select(${y}, ${x}, ${condition})`;
    }
    case "cast":
      return castText(writer, scalar);
    case "bitcast":
      return `bitcast<${scalar.type}>(${arg(scalar.args[0])})`;
    case "guard":
      return guardText(writer, scalar);
  }
}

/** Above this many operations, what stands under a guard is computed in a branch. */
const mostSelected = 32;

/**
 * Where the condition does not hold, loads are of element 0 and their result is not taken: no branch, of which a hundred in
 * a loop (a concatenation of so many) take compilers that follow every path for ever. What is long has a branch.
 */
function guardText(writer: Writer, scalar: Of<"guard">): string {
  const condition = writer.resolveCondition(scalar.condition);
  const [guarded] = scalar.args;
  if (condition.kind === "always") return scalarText(writer, guarded);
  const otherwise = constantText(writer, scalar.type, scalar.otherwise);
  if (condition.kind === "never") return otherwise;
  const name = writer.temporary();
  if (!isShort(guarded)) {
    writer.line(`var ${name}: ${scalar.type} = ${otherwise};`);
    writer.block(`if ${writer.condition(condition)}`, () => {
      writer.line(`${name} = ${scalarText(writer, guarded)};`);
    });
    return name;
  }
  writer.line(`let ${name} = ${writer.condition(condition)};`);
  const text = writer.where(name, () => scalarText(writer, guarded));
  return `select(${otherwise}, ${text}, ${name})`;
}

function isShort(scalar: Scalar): boolean {
  const seen = new Set<Scalar>();
  const visit = (of: Scalar): boolean => {
    if (seen.has(of)) return true;
    seen.add(of);
    return seen.size <= mostSelected && argsOf(of).every(visit);
  };
  return visit(scalar);
}

/** A literal; what has none (infinities, NaN, -0, subnormal numbers) goes through its bits. */
export function constantText(writer: Writer, type: ScalarType, value: number): string {
  switch (type) {
    case "bool":
      return value === 0 ? "false" : "true";
    case "u32":
      return `${value}u`;
    case "i32":
      return value < 0 ? `i32(${value})` : `${value}i`;
    case "f32": {
      const size = Math.abs(value);
      if (Object.is(value, 0) || (size >= 2 ** -126 && size < Infinity)) return floatLiteral(value);
      const [bits] = new Uint32Array(Float32Array.of(value).buffer);
      return writer.call("fromBits", `0x${bits.toString(16)}u`);
    }
  }
}

const largestFloat = 3.4028234663852886e38;

function floatLiteral(value: number): string {
  let text = String(value);
  for (let digits = 6; digits < 10; digits++) {
    const short = value.toPrecision(digits);
    // A literal may not be larger than the largest float, not even where it would be rounded to it.
    if (!Object.is(Math.fround(Number(short)), value) || Math.abs(Number(short)) > largestFloat) continue;
    text = String(Number(short));
    break;
  }
  const whole = /^-?\d+$/.test(text) ? `${text}.0` : text;
  return value < 0 ? `(${whole}f)` : `${whole}f`;
}

/** What lies in memory as a scalar: bool is a word there. */
function fromStored(text: string, stored: string, type: ScalarType): string {
  if (type === "bool") return `(${text} != 0u)`;
  return stored === type ? text : `bitcast<${type}>(${text})`;
}

/** A scalar as it lies in memory. */
export function toStored(text: string, stored: string, type: ScalarType): string {
  if (type === "bool") return `u32(${text})`;
  return stored === type ? text : `bitcast<${stored}>(${text})`;
}

const builtins: Partial<Record<UnaryScalarOp, string>> = {
  exp: "exp",
  log: "log",
  sqrt: "sqrt",
  rsqrt: "inverseSqrt",
  sin: "sin",
  cos: "cos",
  tanh: "tanh",
  floor: "floor",
  ceil: "ceil",
  round: "round",
  trunc: "trunc",
};

function unaryText(writer: Writer, { op, type, args: [x] }: Of<"unary">): string {
  const text = scalarText(writer, x);
  switch (op) {
    case "neg":
      return type === "u32" ? `(0u - ${text})` : `(-${text})`;
    case "abs":
      return type === "u32" ? text : `abs(${text})`;
    case "sign":
      if (type === "f32") return writer.call("signFloat", text);
      return type === "u32" ? `min(${text}, 1u)` : `sign(${text})`;
    case "reciprocal":
      return `(1.0f / ${text})`;
    case "logicalNot":
      return `(!${text})`;
    case "bitwiseNot":
      return `(~${text})`;
    default:
      return `${builtins[op] ?? op}(${text})`;
  }
}

function binaryText(writer: Writer, { op, args: [left, right] }: Of<"binary">): string {
  const { type } = left;
  const x = scalarText(writer, left);
  const y = scalarText(writer, right);
  const infix = (symbol: string): string => `(${x} ${symbol} ${y})`;
  switch (op) {
    case "add":
      return infix("+");
    case "sub":
      // Compilers would make x of (x + 1) - 1, whose whole point is what the sum has rounded away.
      if (type === "f32" && right.kind === "constant" && Number.isFinite(right.value))
        return `fma(${x}, 1.0f, ${constantText(writer, type, -right.value)})`;
      return infix("-");
    case "mul":
      return infix("*");
    case "div":
      return infix("/");
    case "pow":
      return `pow(${x}, ${y})`;
    case "atan2":
      return `atan2(${x}, ${y})`;
    case "fmod":
      return infix("%");
    case "maximum":
      return type === "f32" ? writer.call("maximumFloat", x, y) : `max(${x}, ${y})`;
    case "minimum":
      return type === "f32" ? writer.call("minimumFloat", x, y) : `min(${x}, ${y})`;
    case "floorDivide":
      if (type === "f32") return `floor(${x} / ${y})`;
      return writer.call(type === "u32" ? "floorDivideUint" : "floorDivideInt", x, y);
    case "remainder":
      if (type === "f32") return `(${x} - ${y} * floor(${x} / ${y}))`;
      return writer.call(type === "u32" ? "remainderUint" : "remainderInt", x, y);
    case "eq":
    case "ne": {
      // A value that differs from itself is NaN: told by its bits, since compilers may take it for impossible.
      const test = type === "f32" && x === y ? `(!${writer.call("isNaN", x)})` : infix("==");
      return op === "eq" ? test : `(!${test})`;
    }
    case "lt":
      return infix("<");
    case "le":
      return infix("<=");
    case "gt":
      return infix(">");
    case "ge":
      return infix(">=");
    case "logicalAnd":
      return infix("&");
    case "logicalOr":
      return infix("|");
    case "bitwiseAnd":
      return infix("&");
    case "bitwiseOr":
      return infix("|");
    case "bitwiseXor":
      return type === "bool" ? infix("!=") : infix("^");
    case "shiftLeft":
      return `(${x} << ${shiftText(right, y)})`;
    case "shiftRight":
      return `(${x} >> ${shiftText(right, y)})`;
  }
}

/** By how much to shift: modulo 32, as u32. */
function shiftText(by: Scalar, text: string): string {
  return by.kind === "constant" ? `${by.value & 31}u` : `(u32(${text}) & 31u)`;
}

function castText(writer: Writer, { type, args: [x] }: Of<"cast">): string {
  const text = scalarText(writer, x);
  if (type === "bool") {
    const zero = constantText(writer, x.type, 0);
    return `(!(${text} == ${zero}))`;
  }
  if (x.type === "f32") return writer.call(type === "i32" ? "toInt" : "toUint", text);
  if (x.type === "u32" && type === "f32") return writer.call("uintToFloat", text);
  return `${type}(${text})`;
}
