import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { FileFormatError } from "../../graph/errors.ts";
import {
  fromBool,
  fromFloat32,
  fromInt32,
  type JsonObject,
  parseJsonObject,
  parseSafetensors,
  type SafetensorsEntry,
  type SafetensorsTensor,
} from "../../io/index.ts";
import { exists, readFileBytes } from "../../io/node/files.ts";
import { type ModelFolder, readModelFolder, readTextFile } from "../../io/node/index.ts";
import type { Tensor } from "../../tensor/tensor.ts";

/** How exactly a tensor of the reference is known. */
export interface Expectation {
  readonly absmax: number | null;
  /** How far the reference's float32 was from its own float64; null where it had no such run. */
  readonly f32_noise: number | null;
}

export interface GradientExpectation extends Expectation {
  readonly l2: number;
  readonly absmax: number;
}

export interface Run {
  readonly inputs: readonly string[];
  readonly call_kwargs: JsonObject;
}

/** The fields of `case.json` that are used. */
interface CaseDescription extends Run {
  readonly class: string;
  readonly mode: string;
  readonly extra_runs: Readonly<Record<string, Run>>;
  readonly outputs: Readonly<Record<string, Expectation>>;
  readonly extra_outputs: Readonly<Record<string, unknown>>;
  readonly grad_objective: string | null;
  readonly grads: Readonly<Record<string, GradientExpectation>>;
  readonly no_grad_params: readonly string[];
}

/** A model case: what a reference computed with some weights and inputs. */
export interface ModelCase {
  readonly name: string;
  readonly description: CaseDescription;
  /** Inputs, outputs, cotangents and gradients: `in.<argument>`, `out.<field>`, `cot.<field>`, `grad.<parameter>`. */
  readonly tensors: ReadonlyMap<string, SafetensorsEntry>;
  readonly model: ModelFolder;
}

const descriptionName = "case.json";

/** Names of the model cases (folders with `case.json`) and operator groups (`ops-*.json`) in a folder, sorted. */
export async function listCases(
  folder: string,
  prefix: string,
): Promise<{ readonly models: readonly string[]; readonly operators: readonly string[] }> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((cause: Error) => {
    throw new FileFormatError(`${folder}: ${cause.message}; give a folder of cases`, { cause });
  });
  const names = entries.filter(({ name }) => name.startsWith(prefix));
  const models: string[] = [];
  for (const entry of names) {
    if (entry.isDirectory() && (await exists(join(folder, entry.name, descriptionName))))
      models.push(entry.name);
  }
  const operators = names
    .filter((entry) => entry.isFile() && /^ops-.*\.json$/.test(entry.name))
    .map(({ name }) => name.slice(0, -".json".length));
  return { models: models.sort(), operators: operators.sort() };
}

/** @throws FileFormatError for files that are missing or malformed. */
export async function readCase(folder: string, name: string): Promise<ModelCase> {
  const path = join(folder, name);
  const model = await readModelFolder(path);
  const text = await readTextFile(join(path, descriptionName), "a description of a case, a JSON object");
  // Whoever made the fixtures made the fields; a wrong one shows as a case that fails.
  const description = parseJsonObject(
    withoutNaN(text),
    join(path, descriptionName),
  ) as unknown as CaseDescription;
  const bytes = await readFileBytes(join(path, "case.safetensors"), "the case's tensors");
  return { name, description, tensors: parseSafetensors(bytes).tensors, model };
}

/** Python writes numbers that JSON does not know; an unknown noise is null. */
function withoutNaN(text: string): string {
  return text.replace(/([:[,]\s*)(NaN|-?Infinity)\b/g, "$1null");
}

/** An operator case: what a reference computed with one operator. */
export interface OperatorCase {
  readonly name: string;
  /** The operator's name in PyTorch. */
  readonly op: string;
  readonly attrs: JsonObject;
  /** Names of the operands, in order; none for a training problem. */
  readonly inputs: readonly string[];
  /** How far the reference's float32 was off, for each output and each gradient; null where that is not known. */
  readonly out_noise: readonly (number | null)[];
  readonly grad_noise: Readonly<Record<string, number | null>>;
  /** For a training problem: what is trained, in words; which parameters; and the noise of each output. */
  readonly problem?: string;
  readonly parameters?: readonly string[];
  readonly f32_noise?: Readonly<Record<string, number | null>>;
  /** `in.<argument>`, `out.<i>`, `cot.<i>`, `grad.<argument>`. */
  readonly tensors: ReadonlyMap<string, SafetensorsEntry>;
}

/** @throws FileFormatError for files that are missing or malformed. */
export async function readOperatorCases(folder: string, group: string): Promise<readonly OperatorCase[]> {
  const path = join(folder, `${group}.json`);
  const { cases } = parseJsonObject(withoutNaN(await readTextFile(path, "a group of operator cases")), path);
  if (!Array.isArray(cases)) throw new FileFormatError(`${path}: expected "cases", an array`);
  const bytes = await readFileBytes(join(folder, `${group}.safetensors`), "the tensors of operator cases");
  const { tensors } = parseSafetensors(bytes);
  const tensorsOf = (name: string): Map<string, SafetensorsEntry> => {
    const own = [...tensors].filter(([key]) => key.startsWith(`${name}/`));
    return new Map(own.map(([key, entry]) => [key.slice(name.length + 1), entry]));
  };
  // Whoever made the fixtures made the fields; a wrong one shows as a case that fails.
  const given = cases as unknown as readonly Partial<OperatorCase>[];
  return given.map(({ name = "", op = "", attrs = {}, ...rest }) => ({
    inputs: [],
    out_noise: [],
    grad_noise: {},
    ...rest,
    name,
    op,
    attrs,
    tensors: tensorsOf(name),
  }));
}

/** A tensor's values, to be written to a file. */
export async function toFile(value: Tensor): Promise<SafetensorsTensor> {
  const data = await value.data();
  if (data instanceof Uint8Array) return fromBool(data, value.shape);
  if (data instanceof Float32Array || data instanceof Float64Array) {
    return fromFloat32(Float32Array.from(data), value.shape);
  }
  return fromInt32(Int32Array.from(data), value.shape);
}
