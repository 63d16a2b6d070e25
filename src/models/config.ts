import { ArgumentError } from "../graph/errors.ts";

/**
 * Reads the fields of a configuration, with defaults, and checks what it reads. Fields that nobody asks for are let be:
 * files carry many that change nothing.
 */
export class ConfigReader {
  readonly #model: string;
  readonly #fields: Readonly<Record<string, unknown>>;

  /** @throws ArgumentError unless `json` is an object. */
  constructor(model: string, json: unknown) {
    if (typeof json !== "object" || json === null || Array.isArray(json)) {
      throw new ArgumentError(`${model}: the configuration is no object; pass what config.json holds`);
    }
    this.#model = model;
    this.#fields = json as Readonly<Record<string, unknown>>;
  }

  /** @throws ArgumentError naming the field, its value and what was wanted. */
  fail(name: string, wanted: string): never {
    throw new ArgumentError(
      `${this.#model}: ${name} is ${JSON.stringify(this.#fields[name])}, wanted ${wanted}`,
    );
  }

  #read(name: string, fallback: unknown): unknown {
    return this.#fields[name] ?? fallback;
  }

  integer(name: string, fallback: number, minimum = 1): number {
    const value = this.#read(name, fallback);
    return typeof value === "number" && Number.isSafeInteger(value) && value >= minimum
      ? value
      : this.fail(name, `an integer of at least ${minimum}`);
  }

  /** An integer, or null where the file says null or nothing and there is no default. */
  optionalInteger(name: string, fallback: number | null): number | null {
    if (this.#fields[name] === null || (this.#fields[name] === undefined && fallback === null)) return null;
    return this.integer(name, fallback ?? 0, 0);
  }

  number(name: string, fallback: number, minimum = 0): number {
    const value = this.#read(name, fallback);
    return typeof value === "number" && Number.isFinite(value) && value >= minimum
      ? value
      : this.fail(name, `a number of at least ${minimum}`);
  }

  probability(name: string, fallback: number): number {
    const value = this.#read(name, fallback);
    return typeof value === "number" && value >= 0 && value <= 1
      ? value
      : this.fail(name, "a probability in [0, 1]");
  }

  boolean(name: string, fallback: boolean): boolean {
    const value = this.#read(name, fallback);
    return typeof value === "boolean" ? value : this.fail(name, "true or false");
  }

  /** A probability, or null where the file says null or nothing. */
  optionalProbability(name: string): number | null {
    return this.#fields[name] == null ? null : this.probability(name, 0);
  }

  /** One of the choices, or null where the file says null; where it says nothing, the fallback. */
  optionalChoice<const Choice extends string>(
    name: string,
    choices: readonly Choice[],
    fallback: Choice | null = null,
  ): Choice | null {
    if (this.#fields[name] === null || (this.#fields[name] === undefined && fallback === null)) return null;
    return this.choice(name, choices, fallback ?? choices[0]);
  }

  /** Names of classes by number: of `id2label`, or as many as `num_labels` says. */
  labels(fallback = 2): Readonly<Record<string, string>> {
    const given = this.#fields.id2label;
    if (given == null) {
      const count = this.integer("num_labels", fallback);
      return Object.fromEntries(Array.from({ length: count }, (_, i) => [String(i), `LABEL_${i}`]));
    }
    const entries = typeof given === "object" && !Array.isArray(given) ? Object.entries(given) : [];
    const texts = entries.filter((entry): entry is [string, string] => typeof entry[1] === "string");
    return texts.length > 0 && texts.length === entries.length
      ? Object.fromEntries(texts)
      : this.fail("id2label", "an object of names by number");
  }

  /** A list of at least one of the choices, none twice. */
  choices<const Choice extends string>(
    name: string,
    choices: readonly Choice[],
    fallback: readonly Choice[],
  ): readonly Choice[] {
    const given = this.#read(name, fallback);
    const known = Array.isArray(given) ? choices.filter((choice) => given.includes(choice)) : [];
    return Array.isArray(given) && given.length > 0 && known.length === given.length
      ? given
      : this.fail(name, `a list of ${choices.join(", ")}, each at most once`);
  }

  /** As many integers of at least 1 as there are defaults. */
  integers(name: string, fallback: readonly number[]): readonly number[] {
    const given = this.#read(name, fallback);
    const whole = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 1;
    return Array.isArray(given) && given.length === fallback.length && given.every(whole)
      ? given
      : this.fail(name, `a list of ${fallback.length} integers of at least 1`);
  }

  /** Values that `isWanted` takes; `wanted` says which those are. */
  list<T>(
    name: string,
    fallback: readonly T[],
    isWanted: (value: unknown) => value is T,
    wanted: string,
  ): readonly T[] {
    const value = this.#read(name, fallback);
    return Array.isArray(value) && value.every(isWanted) ? value : this.fail(name, `a list of ${wanted}`);
  }

  choice<const Choice extends string>(name: string, choices: readonly Choice[], fallback: Choice): Choice {
    const value = this.#read(name, fallback);
    return choices.find((choice) => choice === value) ?? this.fail(name, `one of ${choices.join(", ")}`);
  }
}
