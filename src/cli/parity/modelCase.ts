import { currentEngine } from "../../engine/current.ts";
import type { SafetensorsEntry } from "../../io/index.ts";
import { fromPretrained, type ModelClass, modelClasses, type PretrainedModel } from "../../models/index.ts";
import { valuesOf } from "../../models/pretrained.ts";
import { architectureOf } from "../../models/registry.ts";
import { tensor } from "../../tensor/create.ts";
import { noGrad } from "../../tensor/grad.ts";
import { Tensor } from "../../tensor/tensor.ts";
import {
  absmaxOf,
  type CaseResult,
  type Comparison,
  compareTensor,
  type Findings,
  greatestDifference,
  type Results,
  toleranceOf,
  toTensor,
  verdict,
} from "./compare.ts";
import { type Expectation, type GradientExpectation, type ModelCase, type Run, toFile } from "./files.ts";

/** The names under which a case's model may be known. */
export function classNamesOf({ model, description }: ModelCase): readonly string[] {
  return [architectureOf(model.config) ?? description.class, description.class];
}

/** The class of a case's model, or undefined where there is none. */
export function classOf(given: ModelCase): ModelClass | undefined {
  const names = classNamesOf(given);
  return names.map((name) => modelClasses.find((known) => known.name === name)).find((known) => known);
}

/** Runs a case on the current engine's device; see the fixtures' README for what is compared and how exactly. */
export async function runModelCase(
  given: ModelCase,
  known: ModelClass,
  results: Results,
): Promise<CaseResult> {
  const { description, tensors } = given;
  const { model, missing } = fromPretrained(given.model, { architecture: known.name });
  model.train(description.mode === "train");
  const problems = missing.map((name) => `the weights lack ${name}`);
  const findings: Findings = { comparisons: [], problems, results };
  const output = call(model, given, description, "in.");
  const objective = objectiveOf(output, given);
  objective?.backward();
  const expectations = Object.entries(description.outputs);
  await compareOutputs(output, tensors, new Map(expectations), "out.", findings);
  if (objective) await compareGradients(model, given, known, findings);
  const unchecked = new Set(Object.keys(description.extra_outputs));
  for (const [name, run] of Object.entries(description.extra_runs)) {
    const extra = noGrad(() => call(model, given, run, `in@${name}.`));
    const prefix = `out@${name}.`;
    const fields = [...tensors.keys()]
      .filter((key) => key.startsWith(prefix))
      .map((key) => key.slice(prefix.length));
    // Runs are as exact as the field of the first run of that name.
    const like = fields.map((field) => [field, description.outputs[field]] as const);
    await compareOutputs(extra, tensors, new Map(like), prefix, findings);
    for (const field of fields) unchecked.delete(`${name}.${field}`);
  }
  for (const name of unchecked) {
    if (await compareGenerated(model, given, name, findings)) unchecked.delete(name);
  }
  const unknown = [...unchecked].filter((name) => !name.startsWith("rng."));
  return {
    case: given.name,
    ...verdict(findings),
    ...(unknown.length > 0 && { unchecked: unknown }),
  };
}

/** generate_greedy_maxlen10, generate_beam3_maxlen8 */
const generation = /^generate_(?:greedy|beam(?<beams>\d+))_maxlen(?<length>\d+)$/;

/** Compares tokens that the model generates with the reference's, if it generates any and the name says how. */
async function compareGenerated(
  model: PretrainedModel,
  given: ModelCase,
  name: string,
  findings: Findings,
): Promise<boolean> {
  const parts = generation.exec(name)?.groups;
  const at = `out@${name}`;
  const expected = given.tensors.get(at);
  if (parts === undefined || expected === undefined || model.generate === undefined) return false;
  const { main, inputs } = argumentsOf(given, given.description, "in.");
  const found = await model.generate(main, inputs, {
    maxLength: Number(parts.length),
    beams: Number(parts.beams ?? 1),
  });
  const tokens = tensor(Int32Array.from(found.flat()), { shape: [found.length, found[0].length] });
  await compareTensor(at, tokens, expected, {}, findings);
  return true;
}

/** hidden_states to hiddenStates. */
function camelCase(name: string): string {
  return name.replace(/_+([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

type Nested = Tensor | readonly Nested[] | { readonly [field: string]: Nested };

/** Tensors by dotted names as objects, and as arrays where all names are numbers. */
function nest(entries: readonly (readonly [path: readonly string[], value: Tensor])[]): Nested {
  const [first] = entries;
  if (entries.length === 1 && first[0].length === 0) return first[1];
  const heads = [...new Set(entries.map(([[head]]) => head))];
  const inner = (head: string): Nested =>
    nest(entries.filter(([path]) => path[0] === head).map(([path, value]) => [path.slice(1), value]));
  if (heads.every((head) => /^\d+$/.test(head)))
    return heads.sort((a, b) => Number(a) - Number(b)).map(inner);
  return Object.fromEntries(heads.map((head) => [camelCase(head), inner(head)]));
}

/**
 * Calls the model with the inputs that the run lists, the first as the main one. Inputs that a further run (`in@run.`) does
 * not hold are those of the first.
 */
function call(model: PretrainedModel, given: ModelCase, run: Run, prefix: string): object {
  const { main, inputs } = argumentsOf(given, run, prefix);
  return model.forward(main, inputs);
}

function argumentsOf(
  { tensors }: ModelCase,
  run: Run,
  prefix: string,
): { readonly main: Tensor; readonly inputs: object } {
  const [main, ...others] = run.inputs.flatMap((name) => inputsOf(tensors, name, [prefix, "in."]));
  const draws = [...tensors].filter(([name]) => name.startsWith("rng."));
  const inputs = [...others, ...draws.map(([name, entry]) => [name, toTensor(entry)] as const)];
  const flags = Object.entries(run.call_kwargs).map(([name, value]) => [camelCase(name), value]);
  return {
    main: main[1],
    inputs: {
      outputHiddenStates: true,
      outputAttentions: true,
      ...nest(inputs.map(([name, value]) => [name.split("."), value])),
      ...Object.fromEntries(flags),
    },
  };
}

/** The tensor of an input, or those of its parts (`mems.0`, `mems.1`), under the first prefix that has any. */
function inputsOf(
  tensors: ModelCase["tensors"],
  name: string,
  prefixes: readonly string[],
): (readonly [name: string, value: Tensor])[] {
  for (const prefix of prefixes) {
    const start = `${prefix}${name}`;
    const found = [...tensors].filter(([key]) => key === start || key.startsWith(`${start}.`));
    if (found.length > 0) return found.map(([key, entry]) => [key.slice(prefix.length), toTensor(entry)]);
  }
  throw new Error(`the case has no tensor ${prefixes[0]}${name}`);
}

/** The tensor at a dotted name in an output, or undefined. */
function fieldOf(output: object, name: string): Tensor | undefined {
  let value: unknown = output;
  for (const part of name.split(".")) {
    if (typeof value !== "object" || value === null) return undefined;
    value = Reflect.get(value, camelCase(part));
  }
  return value instanceof Tensor ? value : undefined;
}

/** What the gradients are of: the loss, or the sum of outputs times their cotangents. */
function objectiveOf(output: object, { description, tensors }: ModelCase): Tensor | undefined {
  if (!description.grad_objective) return undefined;
  if (description.grad_objective === "loss") return fieldOf(output, "loss");
  const cotangents = [...tensors].filter(([name]) => name.startsWith("cot."));
  const parts = cotangents.map(([name, entry]) => {
    const value = fieldOf(output, name.slice("cot.".length));
    if (value === undefined) throw new Error(`the model gives no ${name.slice("cot.".length)}`);
    return value.mul(toTensor(entry)).sum();
  });
  return parts.length === 0 ? undefined : parts.reduce((sum, part) => sum.add(part));
}

async function compareOutputs(
  output: object,
  tensors: ModelCase["tensors"],
  expectations: ReadonlyMap<string, Expectation | undefined>,
  prefix: string,
  findings: Findings,
): Promise<void> {
  for (const [field, expectation] of expectations) {
    const at = `${prefix}${field}`;
    const { absmax, f32_noise: noise } = expectation ?? {};
    await compareTensor(at, fieldOf(output, field), tensors.get(at), { absmax, noise }, findings);
  }
}

async function compareGradients(
  model: PretrainedModel,
  { description, tensors }: ModelCase,
  { rules }: ModelClass,
  { comparisons, problems, results }: Findings,
): Promise<void> {
  const parameters = new Map(model.namedParameters());
  // All at once: they share most of their computation.
  currentEngine().settleGradients([...parameters.values()].map(({ cell }) => cell));
  const firstNames = new Map(rules.tied);
  const compared = new Set<string>(description.no_grad_params);
  for (const [name, expectation] of Object.entries(description.grads)) {
    const own = parameters.has(name) ? name : (firstNames.get(name) ?? name);
    const parameter = parameters.get(own);
    compared.add(own);
    if (parameter === undefined) {
      problems.push(`the model has no parameter ${name}`);
      continue;
    }
    const gradient = parameter.grad;
    const found = gradient ? await gradient.data() : new Float32Array(parameter.numel);
    const at = `grad.${name}`;
    if (gradient) results.set(at, await toFile(gradient));
    comparisons.push(...compareGradient(at, found, expectation, tensors.get(at)));
  }
  for (const name of parameters.keys()) {
    if (!compared.has(name)) problems.push(`the reference has no parameter ${name}`);
  }
}

/** Element by element where the reference's is stored; else its length and greatest element. */
function compareGradient(
  at: string,
  found: ArrayLike<number>,
  { absmax, l2, f32_noise }: GradientExpectation,
  stored: SafetensorsEntry | undefined,
): Comparison[] {
  const tolerance = toleranceOf(absmax, f32_noise);
  if (stored) return [{ at, error: greatestDifference(found, valuesOf(stored)), tolerance }];
  let squares = 0;
  for (let i = 0; i < found.length; i++) squares += found[i] ** 2;
  const difference = (a: number, b: number): number => {
    const error = Math.abs(a - b);
    return Number.isNaN(error) ? Number.POSITIVE_INFINITY : error;
  };
  return [
    { at: `${at} (absmax)`, error: difference(absmaxOf(found), absmax), tolerance },
    // Two vectors whose elements differ by no more than that differ in length by no more than this.
    {
      at: `${at} (l2)`,
      error: difference(Math.sqrt(squares), l2),
      tolerance: tolerance * Math.sqrt(found.length),
    },
  ];
}
