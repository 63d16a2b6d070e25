import type { Module } from "../nn/module.ts";
import type { StateEntry } from "../nn/state.ts";

/** How a family's files differ from the names of its modules. */
export interface CheckpointRules {
  /** The field of head models that holds the base model ("bert"): files of one are loaded into the other. */
  readonly base?: string;
  /** Names of buffers that are constants here (position ids), or of heads that the module does not have. */
  readonly ignored?: readonly RegExp[];
  /** Old and new endings of names, besides `gamma` and `beta`, which older files use for a norm's weight and bias. */
  readonly renamed?: readonly (readonly [RegExp, string])[];
  /** Second names of shared parameters, which files may hold or not: [second name, name]. */
  readonly tied?: readonly (readonly [string, string])[];
}

const oldNormNames: readonly (readonly [RegExp, string])[] = [
  [/\.gamma$/, ".weight"],
  [/\.beta$/, ".bias"],
];

/**
 * Loads a file of Hugging Face's into a model: renames what older files call otherwise, adds or drops the prefix of the
 * base model, and takes a shared parameter under any of its names. What the module lacks (another head's parameters) is
 * returned as unexpected when `strict` is false.
 * @throws StateDictError as `loadStateDict` does.
 */
export function loadCheckpoint(
  model: Module,
  file: ReadonlyMap<string, StateEntry>,
  rules: CheckpointRules = {},
  options: { readonly strict?: boolean } = {},
): { readonly missing: string[]; readonly unexpected: string[] } {
  const own = new Set(ownNames(model));
  const prefix = rules.base === undefined ? undefined : `${rules.base}.`;
  const state = new Map<string, StateEntry>();
  for (const [fileName, entry] of file) {
    let name = fileName;
    for (const [pattern, replacement] of [...oldNormNames, ...(rules.renamed ?? [])]) {
      name = name.replace(pattern, replacement);
    }
    if (!own.has(name) && prefix !== undefined) {
      const other = name.startsWith(prefix) ? name.slice(prefix.length) : prefix + name;
      if (own.has(other)) name = other;
    }
    if (!own.has(name) && rules.ignored?.some((pattern) => pattern.test(name))) continue;
    const first = own.has(name) ? undefined : rules.tied?.find(([second]) => second === name)?.[1];
    // The first name wins: where a file holds both, they are one tensor.
    if (first !== undefined && own.has(first)) {
      if (!state.has(first)) state.set(first, entry);
    } else {
      state.set(name, entry);
    }
  }
  return model.loadStateDict(state, options);
}

function ownNames(model: Module): string[] {
  return [...model.namedParameters(), ...model.namedBuffers()].map(([name]) => name);
}
