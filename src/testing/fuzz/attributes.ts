import type { DType } from "../../graph/dtype.ts";
import { FileFormatError } from "../../graph/errors.ts";
import { type JsonObject, type JsonValue, quoted } from "../../io/strictJson.ts";
import type { Subgraph, SubgraphStep } from "../../ops/subgraph.ts";
import { type AttrsOf, type OpName, opTable } from "../../ops/table.ts";

/** Longer lists of dims and sizes are refused. */
export const MOST_DIMS = 8;
/** Longer graphs are refused. */
export const MOST_STEPS = 20_000;

/** What an attribute is, and how it is read. `rank` is that of the first operand. */
type Reader = (value: JsonValue, what: string, rank: number) => unknown;

const dtypes: readonly string[] = ["bool", "u32", "i32", "f32"] satisfies DType[];

export function fail(what: string, wanted: string, value: JsonValue | undefined): never {
  const found = value === undefined ? "nothing" : quoted(JSON.stringify(value));
  throw new FileFormatError(`repro: ${what} is ${found}, wanted ${wanted}`);
}

/** A number; infinities, NaN and -0 are written as strings. */
export function readNumber(value: JsonValue | undefined, what: string): number {
  if (typeof value === "number") return value;
  if (value === "Infinity" || value === "-Infinity" || value === "NaN" || value === "-0")
    return Number(value);
  return fail(what, "a number", value);
}

/** The same the other way. */
export function writeNumber(value: number): number | string {
  if (Object.is(value, -0)) return "-0";
  return Number.isFinite(value) ? value : String(value);
}

export function readInteger(value: JsonValue | undefined, what: string, min: number, max: number): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) return value;
  return fail(what, `an integer from ${min} to ${max}`, value);
}

export function readList<T>(
  value: JsonValue | undefined,
  what: string,
  most: number,
  readItem: (item: JsonValue, what: string) => T,
): T[] {
  // Array.isArray does not narrow readonly arrays.
  if (!Array.isArray(value)) return fail(what, "a list", value);
  const items = value as readonly JsonValue[];
  if (items.length > most)
    throw new FileFormatError(`repro: ${what} has ${items.length} items, wanted at most ${most}`);
  return items.map((item, i) => readItem(item, `${what}[${i}]`));
}

export function readRecord(value: JsonValue | undefined, what: string): JsonObject {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as JsonObject;
  return fail(what, "an object", value);
}

const most = 2 ** 31;

export const readShape = (value: JsonValue | undefined, what: string): number[] =>
  readList(value, what, MOST_DIMS, (item, at) => readInteger(item, at, 0, most));

export function readDType(value: JsonValue | undefined, what: string): DType {
  if (typeof value === "string" && dtypes.includes(value)) return value as DType;
  return fail(what, dtypes.join(", "), value);
}

const integer =
  (min: number, max: number): Reader =>
  (value, what) =>
    readInteger(value, what, min, max);

const count = integer(1, most);
const size = integer(0, most);
const shape: Reader = readShape;
const dtype: Reader = readDType;
const number: Reader = readNumber;
const dim: Reader = (value, what, rank) => readInteger(value, what, 0, rank - 1);
const trailing: Reader = (value, what, rank) => readInteger(value, what, 1, rank);

const dims: Reader = (value, what, rank) => {
  const found = readList(value, what, rank, (item, at) => readInteger(item, at, 0, rank - 1));
  return new Set(found).size === found.length ? found : fail(what, "dims that are named once", value);
};

/** One integer for each dim. */
const perDim =
  (min: number, max: number): Reader =>
  (value, what, rank) => {
    const found = readList(value, what, rank, (item, at) => readInteger(item, at, min, max));
    return found.length === rank ? found : fail(what, `${rank} numbers`, value);
  };

const steps: Reader = (value, what, rank) => {
  const found = perDim(-most, most)(value, what, rank) as number[];
  return found.includes(0) ? fail(what, "steps other than 0", value) : found;
};

const flag: Reader = (value, what) => (typeof value === "boolean" ? value : fail(what, "a boolean", value));

const oneOf =
  (...names: readonly string[]): Reader =>
  (value, what) =>
    typeof value === "string" && names.includes(value) ? value : fail(what, names.join(" or "), value);

const places: Reader = (value, what) =>
  readList(value, what, 1000, (item, at) => readInteger(item, at, 0, 1000));

const types: Reader = (value, what) =>
  readList(value, what, 100, (item, at) => {
    const type = readRecord(item, at);
    return { shape: readShape(type.shape, `${at}.shape`), dtype: readDType(type.dtype, `${at}.dtype`) };
  });

const subgraph: Reader = (value, what): Subgraph => {
  const { parameters, steps: list, results } = readRecord(value, what);
  const given = readInteger(parameters, `${what}.parameters`, 0, 1000);
  return {
    parameters: given,
    steps: readSteps(list, `${what}.steps`, () => MOST_DIMS),
    results: readList(results, `${what}.results`, 1000, (item, at) => readInteger(item, at, 0, MOST_STEPS)),
  };
};

const probability: Reader = (value, what) => {
  const found = readNumber(value, what);
  return found >= 0 && found < 1 ? found : fail(what, "a number from 0 to below 1", value);
};

const attention = {
  scale: number,
  score: subgraph,
  dropout: probability,
  emptyRow: oneOf("nan", "zero"),
};
const extremum = { dim };
const window = { dim, step: count, dilation: count };

/** Names of ops that have attributes, and may be a step of a file's graph: leaves that hold data are none. */
type Described = {
  [Name in OpName]: string extends keyof AttrsOf<Name> ? never : Name;
}[Exclude<OpName, "source" | "constant">];

/** The attributes of ops that have some. */
const attributes: {
  readonly [Name in Described]: { readonly [Key in keyof Required<AttrsOf<Name>>]: Reader };
} = {
  detach: { requiresGrad: flag },
  full: { shape, dtype, value: number },
  iota: { length: size, dtype },
  cast: { dtype },
  bitcast: { dtype },
  reshape: { shape },
  permute: { dims },
  expand: { shape },
  slice: { starts: perDim(-most, most), sizes: perDim(0, most), steps },
  pad: { before: perDim(0, most), after: perDim(0, most) },
  flip: { dims },
  unfold: { ...window, size: count },
  fold: { ...window, length: size },
  concat: { dim },
  sum: { dims },
  prod: { dims },
  max: { dims },
  min: { dims },
  gather: { dim },
  scatterAdd: { dim },
  scatterReduce: { dim, reduce: oneOf("replace", "prod", "amax", "amin") },
  argsort: { descending: flag },
  sort: { descending: flag },
  softmax: { dim },
  logSoftmax: { dim },
  layerNorm: { dims: trailing, eps: number },
  crossEntropy: { ignoreIndex: integer(-most, most) },
  gelu: { approximate: oneOf("none", "tanh") },
  argmax: extremum,
  argmin: extremum,
  polygamma: { n: integer(0, 100) },
  attention,
  attentionGradient: { ...attention, derivative: subgraph, wanted: places, statistics: flag },
  checkpoint: { forward: subgraph, results: types },
  custom: { arguments: size, forward: subgraph, backward: subgraph, results: types },
};

/** The attributes of an op. @throws FileFormatError naming the one that is wrong. */
function readAttributes(op: OpName, value: JsonValue | undefined, what: string, rank: number): unknown {
  const record = readRecord(value, what);
  const readers: Readonly<Record<string, Reader>> = attributes[op as Described] ?? {}; // of most ops there are none
  for (const key of Object.keys(record)) {
    if (!Object.hasOwn(readers, key))
      throw new FileFormatError(`repro: ${what} has a ${quoted(key)}, which ${op} has not`);
  }
  const optional = op === "detach" && record.requiresGrad === undefined;
  if (optional) return {};
  return Object.fromEntries(
    Object.entries(readers).map(([key, read]) => {
      const found = record[key];
      if (found === undefined) return fail(`${what}.${key}`, "a value", found);
      return [key, read(found, `${what}.${key}`, rank)];
    }),
  );
}

/** The steps of a graph. `rankOf` gives the dims of a value; `made` is told of each step as it is read. */
export function readSteps(
  value: JsonValue | undefined,
  what: string,
  rankOf: (value: number) => number,
  made?: (step: SubgraphStep, what: string) => void,
): SubgraphStep[] {
  return readList(value, what, MOST_STEPS, (item, at) => {
    const record = readRecord(item, at);
    const { op } = record;
    if (typeof op !== "string" || !Object.hasOwn(opTable, op) || op === "source" || op === "constant")
      return fail(`${at}.op`, "the name of an op that computes something", op);
    const inputs = readList(record.inputs, `${at}.inputs`, 1000, (input, i) =>
      readInteger(input, i, 0, 10 * MOST_STEPS),
    );
    const rank = inputs.length === 0 ? 0 : rankOf(inputs[0]);
    const attrs = readAttributes(op as OpName, record.attrs, `${at}.attrs`, rank); // the table has it
    const step: SubgraphStep = { op, inputs, attrs };
    made?.(step, at);
    return step;
  });
}

/** Attributes as JSON: numbers that it has not are strings. */
export function writeAttributes(data: unknown): unknown {
  if (typeof data === "number") return writeNumber(data);
  if (Array.isArray(data)) return data.map(writeAttributes);
  if (typeof data !== "object" || data === null) return data;
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, writeAttributes(value)]));
}
