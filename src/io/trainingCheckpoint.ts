import { DTypeError, FileFormatError } from "../graph/errors.ts";
import type { Module } from "../nn/module.ts";
import type { Optimizer, OptimizerState } from "../nn/optim/index.ts";
import type { HostArray, StateEntry } from "../nn/state.ts";
import { Tensor } from "../tensor/tensor.ts";
import { fromTypedArray, toTypedArray } from "./elements.ts";
import { parseSafetensors, type SafetensorsEntry, safetensorsChunks } from "./safetensors.ts";
import type { SafetensorsTensor } from "./safetensorsTensor.ts";
import { type JsonObject, type JsonValue, parseJsonObject, quoted } from "./strictJson.ts";

// A checkpoint is one safetensors file. Its tensors are `model/<name>` and `optimizer/<parameter>/<moment>`; all else is
// one JSON object, in the metadata under `fusegrad.checkpoint`.

/** Everything that a training needs to go on as if it had never stopped. */
export interface TrainingCheckpoint {
  /** Steps taken. */
  readonly step: number;
  /** The next example: its place in the order of its epoch. Orders and masks are functions of these two and the seed. */
  readonly position: { readonly epoch: number; readonly example: number };
  /** The random stream of the engine: its key, and the number of draws made. */
  readonly random: { readonly key: readonly [number, number]; readonly draws: number };
  /** Parameters and buffers by name. */
  readonly model: ReadonlyMap<string, HostArray>;
  readonly optimizer: OptimizerState;
  /** What the training was started with (sizes, schedule, objective), to be given again when it goes on. */
  readonly settings: JsonObject;
}

const metadataKey = "fusegrad.checkpoint";
const version = 1;
const part = "checkpoint";

/** What of a training changes while it goes on. */
export interface TrainedParts {
  readonly model: Module;
  readonly optimizer: Optimizer;
}

/** Parameters, buffers and moments as they are now, read from their device. */
export async function captureTraining({
  model,
  optimizer,
}: TrainedParts): Promise<Pick<TrainingCheckpoint, "model" | "optimizer">> {
  // Both snapshots before the first wait: nothing can come between them.
  const [tensors, state] = [model.stateDict(), optimizer.stateDict()];
  const parameters = [];
  for (const { moments, ...rest } of state.parameters)
    parameters.push({ ...rest, moments: await read(moments) });
  return { model: await read(tensors), optimizer: { ...state, parameters } };
}

async function read(tensors: ReadonlyMap<string, StateEntry>): Promise<Map<string, HostArray>> {
  const arrays = new Map<string, HostArray>();
  for (const [name, entry] of tensors) {
    arrays.set(name, { shape: entry.shape, data: entry instanceof Tensor ? await entry.data() : entry.data });
  }
  return arrays;
}

/**
 * Puts parameters, buffers and moments to what a checkpoint holds.
 * @throws StateDictError when either does not fit; nothing has changed then.
 */
export function restoreTraining(
  { model, optimizer }: TrainedParts,
  checkpoint: Pick<TrainingCheckpoint, "model" | "optimizer">,
): void {
  model.checkStateDict(checkpoint.model);
  optimizer.checkStateDict(checkpoint.optimizer);
  model.loadStateDict(checkpoint.model);
  optimizer.loadStateDict(checkpoint.optimizer);
}

/** The bytes of a checkpoint's file, in pieces; equal checkpoints give equal bytes. */
export function checkpointChunks(checkpoint: TrainingCheckpoint): Uint8Array[] {
  const { step, position, random, model, optimizer, settings } = checkpoint;
  const tensors = new Map<string, SafetensorsTensor>();
  for (const [name, { data, shape }] of model) tensors.set(modelTensor(name), fromTypedArray(data, shape));
  const parameters = optimizer.parameters.map(({ name, steps, moments }, i) => {
    for (const [moment, entry] of moments) {
      if (entry instanceof Tensor) throw new TypeError("a captured training holds arrays");
      tensors.set(momentTensor(i, moment), fromTypedArray(entry.data, entry.shape));
    }
    return { name, steps, moments: [...moments.keys()] };
  });
  const { steps, groups } = optimizer;
  const head = { version, step, position, random, optimizer: { steps, groups, parameters }, settings };
  return safetensorsChunks(tensors, { format: "pt", [metadataKey]: JSON.stringify(head) });
}

const modelTensor = (name: string): string => `model/${name}`;
/** Parameters are told apart by their place: names of parameters that no module names may be alike. */
const momentTensor = (parameter: number, moment: string): string => `optimizer/${parameter}/${moment}`;

/**
 * Reads the bytes of a checkpoint's file. Arrays are views of them where those are aligned.
 * @throws FileFormatError naming what is wrong: for what is no safetensors file or no checkpoint, is cut off, lacks a
 * field or a tensor, or has one too many.
 */
export function parseCheckpoint(bytes: Uint8Array): TrainingCheckpoint {
  const { metadata, tensors } = parseSafetensors(bytes);
  const text = metadata.get(metadataKey);
  if (text === undefined) {
    throw new FileFormatError(
      `${part}: the file has no metadata ${quoted(metadataKey)}; it is no checkpoint`,
    );
  }
  const head = new Fields(parseJsonObject(text, part), part);
  const found = head.integer("version");
  if (found !== version) head.fail(`version ${found}; this fusegrad reads version ${version}`);
  const [position, random] = [head.fields("position"), head.fields("random")];
  const rest = new Map(tensors);
  const optimizer = optimizerOf(head.fields("optimizer"), rest);
  const model = new Map<string, HostArray>();
  for (const [name, entry] of rest) {
    if (!name.startsWith("model/")) head.fail(`the tensor ${quoted(name)} belongs to nothing`);
    model.set(name.slice("model/".length), arrayOf(entry));
  }
  const key = random.list("key");
  if (key.length !== 2 || !key.every(isUint32)) random.fail("key is no pair of 32-bit integers");
  return {
    step: head.integer("step"),
    position: { epoch: position.integer("epoch"), example: position.integer("example") },
    random: { key: [Number(key[0]), Number(key[1])], draws: random.integer("draws") },
    model,
    optimizer,
    settings: head.fields("settings").json,
  };
}

/** Takes what it reads out of `tensors`. */
function optimizerOf(fields: Fields, tensors: Map<string, SafetensorsEntry>): OptimizerState {
  const parameters = fields.list("parameters").map((json, i) => {
    const parameter = new Fields(json, `${part}: parameter ${i} of the optimizer`);
    const moments = new Map<string, HostArray>();
    for (const moment of parameter.list("moments")) {
      const name = momentTensor(i, String(moment));
      const entry = tensors.get(name);
      if (entry === undefined) throw new FileFormatError(`${part}: the tensor ${quoted(name)} is missing`);
      tensors.delete(name);
      moments.set(String(moment), arrayOf(entry));
    }
    return { name: parameter.text("name"), steps: parameter.integer("steps"), moments };
  });
  const groups = fields.list("groups").map((json, i) => {
    const group = new Fields(json, `${part}: group ${i} of the optimizer`);
    const weightDecay = group.number("weightDecay");
    return group.json.lr === undefined ? { weightDecay } : { lr: group.number("lr"), weightDecay };
  });
  return { steps: fields.integer("steps"), groups, parameters };
}

function arrayOf(entry: SafetensorsEntry): HostArray {
  try {
    return { shape: entry.shape, data: toTypedArray(entry) };
  } catch (cause) {
    if (cause instanceof DTypeError) throw new FileFormatError(`${part}: ${cause.message}`, { cause });
    throw cause;
  }
}

const isUint32 = (value: JsonValue): boolean =>
  typeof value === "number" && Number.isInteger(value) && value >= 0 && value < 2 ** 32;

/** Fields of a JSON object, checked as they are read. */
class Fields {
  readonly json: JsonObject;
  readonly #part: string;

  constructor(json: JsonValue | undefined, part: string) {
    if (typeof json !== "object" || json === null || Array.isArray(json)) {
      throw new FileFormatError(`${part}: expected an object`);
    }
    this.json = json as JsonObject; // What is left of JsonValue; Array.isArray does not narrow readonly arrays.
    this.#part = part;
  }

  fail(problem: string): never {
    throw new FileFormatError(`${this.#part}: ${problem}`);
  }

  fields(name: string): Fields {
    return new Fields(this.json[name], `${this.#part}: ${name}`);
  }

  list(name: string): readonly JsonValue[] {
    const value = this.json[name];
    return Array.isArray(value) ? value : this.fail(`${name} is no list`);
  }

  text(name: string): string {
    const value = this.json[name];
    return typeof value === "string" ? value : this.fail(`${name} is no text`);
  }

  number(name: string): number {
    const value = this.json[name];
    return typeof value === "number" ? value : this.fail(`${name} is no number`);
  }

  /** A count: an integer from 0. */
  integer(name: string): number {
    const value = this.number(name);
    return Number.isSafeInteger(value) && value >= 0 ? value : this.fail(`${name} is ${value}, no count`);
  }
}
