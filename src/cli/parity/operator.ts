import { FileFormatError } from "../../graph/errors.ts";
import type { JsonObject, JsonValue } from "../../io/index.ts";
import type { Tensor } from "../../tensor/tensor.ts";

/** What an operator gives: one tensor, or several in order. */
export type Outputs = Tensor | readonly Tensor[];

/** The operands by name, for an attribute that names one (`weight: "w"`). */
export type Named = ReadonlyMap<string, Tensor>;

/** One of PyTorch's operators in terms of ours: its operands in order, its attributes, its operands by name. */
export type Operator = (
  inputs: readonly Tensor[],
  attrs: Attributes,
  named: Named,
) => Outputs | Promise<Outputs>;

/** Operators by the names that cases give them. */
export type Operators = Readonly<Record<string, Operator>>;

/** Operators whose names say more than a name does (`x[:, 1::2]`): what a name must look like, and what it means. */
export type Patterns = readonly (readonly [
  pattern: RegExp,
  operatorOf: (match: RegExpExecArray) => Operator,
])[];

/** The attributes of a case, read by type. A `null` counts as missing. */
export class Attributes {
  readonly #attrs: JsonObject;

  constructor(attrs: JsonObject) {
    this.#attrs = attrs;
  }

  has(name: string): boolean {
    return (this.#attrs[name] ?? null) !== null;
  }

  value(name: string): JsonValue {
    return this.#attrs[name] ?? null;
  }

  /** @throws FileFormatError where it is missing without a fallback, or no number. */
  number(name: string, fallback?: number): number {
    return this.#typed(name, "a number", fallback, asNumber);
  }

  boolean(name: string, fallback?: boolean): boolean {
    return this.#typed(name, "true or false", fallback, (value) =>
      typeof value === "boolean" ? value : undefined,
    );
  }

  text(name: string, fallback?: string): string {
    return this.#typed(name, "a text", fallback, (value) => (typeof value === "string" ? value : undefined));
  }

  numbers(name: string, fallback?: readonly number[]): readonly number[] {
    return this.#typed(name, "an array of numbers", fallback, asNumbers);
  }

  /** A number or several: `dim: 1`, `dim: [0, 2]`; undefined where it is missing. */
  dims(name: string): number | readonly number[] | undefined {
    if (!this.has(name)) return undefined;
    return this.#typed(name, "a number or an array of numbers", undefined, (value) =>
      Array.isArray(value) ? asNumbers(value) : asNumber(value),
    );
  }

  #typed<T>(
    name: string,
    wanted: string,
    fallback: T | undefined,
    read: (value: JsonValue) => T | undefined,
  ): T {
    const value = this.value(name);
    const found = value === null ? fallback : read(value);
    if (found === undefined) {
      throw new FileFormatError(`attribute ${name} is ${JSON.stringify(value)}, wanted ${wanted}`);
    }
    return found;
  }
}

/** JSON has no infinities: they are written as text. */
function asNumber(value: JsonValue): number | undefined {
  if (typeof value === "number") return value;
  if (value === "inf") return Infinity;
  return value === "-inf" ? -Infinity : undefined;
}

function asNumbers(value: JsonValue): readonly number[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const numbers = value.map(asNumber).filter((item) => item !== undefined);
  return numbers.length === value.length ? numbers : undefined;
}
