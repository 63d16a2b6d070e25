import type { TypedArray } from "../graph/dtype.ts";
import { ArgumentError } from "../graph/errors.ts";
import {
  fromFloat32,
  type SafetensorsEntry,
  type SafetensorsTensor,
  toBool,
  toFloat32,
  toInt32,
} from "../io/index.ts";
import type { HostArray } from "../nn/state.ts";
import type { CreateOptions } from "../tensor/create.ts";
import { loadCheckpoint } from "./checkpoint.ts";
import { modelClasses, modelFor, type PretrainedModel } from "./registry.ts";

export interface FromPretrainedOptions extends CreateOptions {
  /** The class of the model; by default the one that the configuration names. */
  readonly architecture?: string;
  /** Whether missing and unexpected names are an error. Default false: they are returned. */
  readonly strict?: boolean;
}

/** A model from files, and what did not fit by name. */
export interface Pretrained {
  /** In evaluation mode. */
  readonly model: PretrainedModel;
  /** Parameters that the files do not hold: they have their initial values. */
  readonly missing: readonly string[];
  /** What the files hold and the model does not have: another head, say. */
  readonly unexpected: readonly string[];
}

/**
 * The model that a folder's `config.json` and weights describe, as `readModelFolder` of `fusegrad/io` reads them. Files of a
 * base model load into models with heads and the other way round; tied parameters may come once or twice, and norms
 * under their older names, gamma and beta.
 * @throws ArgumentError for a class that there is not or a wrong field; StateDictError for tensors of other shapes, and
 *   with `strict` for missing and unexpected ones; DTypeError for tensors of dtypes that no parameter has.
 */
export function fromPretrained(
  folder: { readonly config: object; readonly tensors: ReadonlyMap<string, SafetensorsEntry> },
  options: FromPretrainedOptions = {},
): Pretrained {
  const { architecture, strict = false, ...create } = options;
  const { create: make, rules } = modelFor(architecture ?? folder.config);
  const model = make(folder.config, create);
  const state = new Map<string, HostArray>();
  for (const [name, entry] of folder.tensors) {
    state.set(name, { shape: entry.shape, data: valuesOf(entry) });
  }
  const report = loadCheckpoint(model, state, rules, { strict });
  model.eval();
  return { model, ...report };
}

/** The values of a file's tensor: floats as f32, integers as i32. */
export function valuesOf(entry: SafetensorsEntry): TypedArray {
  switch (entry.dtype) {
    case "F64":
    case "F32":
    case "F16":
    case "BF16":
      return toFloat32(entry);
    case "BOOL":
      return toBool(entry);
    default:
      return toInt32(entry);
  }
}

/** What `writeModelFolder` of `fusegrad/io` takes. */
export interface SavedModel {
  readonly config: object;
  readonly tensors: ReadonlyMap<string, SafetensorsTensor>;
}

/**
 * A model as Hugging Face's `from_pretrained` reads it: its configuration with class and type, and its parameters and
 * buffers as F32 under their names in files, tied ones once.
 * @throws ArgumentError for a model that is of none of the classes of `modelClasses`.
 */
export async function savePretrained(model: PretrainedModel): Promise<SavedModel> {
  const known = modelClasses.find((entry) => entry.isClassOf(model));
  if (!known) {
    throw new ArgumentError(
      `savePretrained: ${model.constructor.name} is none of the classes of modelClasses`,
    );
  }
  const tensors = new Map<string, SafetensorsTensor>();
  for (const [name, copy] of model.stateDict()) {
    tensors.set(name, fromFloat32(Float32Array.from(await copy.data()), copy.shape));
  }
  const { id2label } = model.config as { readonly id2label?: Readonly<Record<string, string>> };
  const label2id =
    id2label && Object.fromEntries(Object.entries(id2label).map(([id, label]) => [label, Number(id)]));
  const config = {
    architectures: [known.name],
    model_type: known.modelType,
    ...model.config,
    ...(label2id && { label2id }),
    torch_dtype: "float32",
  };
  return { config, tensors };
}
