import { InvalidArgumentError } from "commander";

/** A parser of whole numbers in a range, for an option. */
export function integer(minimum: number, maximum: number): (text: string) => number {
  return (text) => {
    const value = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= minimum && value <= maximum) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${minimum} to ${maximum}.`);
  };
}

/** A parser of numbers above 0, for an option. */
export function positive(text: string): number {
  const value = finite(text);
  if (value > 0) return value;
  throw new InvalidArgumentError("It must be a number above 0.");
}

/** A parser of numbers from 0 to below 1, for an option. */
export function probability(text: string): number {
  const value = finite(text);
  if (value >= 0 && value < 1) return value;
  throw new InvalidArgumentError("It must be a number from 0 to below 1.");
}

/** Decimal numbers only: not what else `Number` reads (nothing at all, hexadecimal, Infinity). */
function finite(text: string): number {
  const value = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
  return Number.isFinite(value) ? value : Number.NaN;
}

/** A parser of paths, for an option: anything but nothing. */
export function path(text: string): string {
  if (text !== "") return text;
  throw new InvalidArgumentError("It must not be empty.");
}
