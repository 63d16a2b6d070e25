import { ArgumentError, FileFormatError } from "../graph/errors.ts";
import type { JsonObject } from "./components.ts";

/** Runs `build` and reports what it finds wrong with its arguments as a fault of the file, at `field`. */
export function asFormatError<T>(field: string, build: () => T): T {
  try {
    return build();
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    throw new FileFormatError(`tokenizer.json: ${field}: ${error.message}`, { cause: error });
  }
}

/** Refuses the value of a field. */
export function fail(field: string, wanted: string, value: unknown): never {
  const shown = value === undefined ? "nothing" : (JSON.stringify(value) ?? String(value));
  const short = shown.length > 60 ? `${shown.slice(0, 60)}...` : shown;
  throw new FileFormatError(`tokenizer.json: ${field} must be ${wanted}, got ${short}`);
}

/** Reads the fields of one object of the file and knows where in the file it is. */
export class Section {
  readonly path: string;
  readonly #fields: JsonObject;

  constructor(value: unknown, path: string) {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      fail(path || "the file", "an object", value);
    this.path = path;
    this.#fields = value as JsonObject; // An object that is neither null nor an array has string keys.
  }

  at(key: string): string {
    return this.path === "" ? key : `${this.path}.${key}`;
  }

  value(key: string): unknown {
    // Only what the file itself says: "constructor" is a piece like any other.
    return Object.hasOwn(this.#fields, key) ? this.#fields[key] : undefined;
  }

  entries(): [string, unknown][] {
    return Object.entries(this.#fields);
  }

  section(key: string): Section {
    return new Section(this.value(key), this.at(key));
  }

  sectionOrNull(key: string): Section | null {
    const value = this.value(key);
    return value === undefined || value === null ? null : this.section(key);
  }

  sections(key: string): Section[] {
    const value = this.value(key);
    if (!Array.isArray(value)) fail(this.at(key), "an array", value);
    return value.map((item, i) => new Section(item, `${this.at(key)}[${i}]`));
  }

  string(key: string): string {
    const value = this.value(key);
    return typeof value === "string" ? value : fail(this.at(key), "a string", value);
  }

  boolean(key: string): boolean {
    const value = this.value(key);
    return typeof value === "boolean" ? value : fail(this.at(key), "true or false", value);
  }

  /** As {@link boolean}, with a value for a field that is left out. */
  booleanOr(key: string, otherwise: boolean): boolean {
    return this.value(key) === undefined ? otherwise : this.boolean(key);
  }

  /** A non-negative integer that fits 32 bits. */
  integer(key: string): number {
    return toInteger(this.value(key), this.at(key));
  }

  array<T>(key: string, read: (value: unknown, path: string) => T): T[] {
    const value = this.value(key);
    if (!Array.isArray(value)) fail(this.at(key), "an array", value);
    return value.map((item, i) => read(item, `${this.at(key)}[${i}]`));
  }

  unsupported(kind: string, supported: string): never {
    throw new FileFormatError(
      `tokenizer.json: ${this.at("type")}: the ${kind} "${this.string("type")}" is not supported ` +
        `(only ${supported})`,
    );
  }
}

/** Reads a non-negative integer that fits 32 bits. */
export function toInteger(value: unknown, path: string): number {
  const fits = typeof value === "number" && Number.isInteger(value) && value >= 0 && value < 2 ** 31;
  return fits ? value : fail(path, "an integer from 0 to 2147483647", value);
}

/** Reads a string. */
export function toText(value: unknown, path: string): string {
  return typeof value === "string" ? value : fail(path, "a string", value);
}
