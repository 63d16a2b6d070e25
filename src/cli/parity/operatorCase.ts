import { FileFormatError } from "../../graph/errors.ts";
import { full } from "../../tensor/create.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { type CaseResult, compareTensor, type Findings, type Results, toTensor, verdict } from "./compare.ts";
import { elementwise, elementwisePatterns } from "./elementwise.ts";
import type { OperatorCase } from "./files.ts";
import { indexing, indexingPatterns } from "./index.ts";
import { linalg } from "./linalg.ts";
import { loss } from "./loss.ts";
import { nn } from "./nn.ts";
import { norm } from "./norm.ts";
import { Attributes, type Operator, type Operators, type Patterns } from "./operator.ts";
import { trainingOf } from "./optim.ts";
import { reduce, reducePatterns } from "./reduce.ts";

const operators: Operators = {
  ...elementwise,
  ...reduce,
  ...indexing,
  ...linalg,
  ...nn,
  ...loss,
  ...norm,
};

const patterns: Patterns = [...elementwisePatterns, ...reducePatterns, ...indexingPatterns];

function operatorOf(op: string): Operator | undefined {
  if (Object.hasOwn(operators, op)) return operators[op];
  for (const [pattern, meaning] of patterns) {
    const match = pattern.exec(op);
    if (match) return meaning(match);
  }
  return undefined;
}

/** How to run a case on the current engine's device; undefined for an operator that is not known. */
export function runnerOf(given: OperatorCase): ((results: Results) => Promise<CaseResult>) | undefined {
  if (given.problem !== undefined) {
    const training = trainingOf(given);
    return training && ((results) => runTraining(given, training, results));
  }
  const operator = operatorOf(given.op);
  return operator && ((results) => runOperator(given, operator, results));
}

async function runTraining(
  given: OperatorCase,
  training: () => Promise<ReadonlyMap<string, Tensor>>,
  results: Results,
): Promise<CaseResult> {
  const findings: Findings = { comparisons: [], problems: [], results };
  const found = await training();
  for (const [at, entry] of given.tensors) {
    if (!at.startsWith("out.")) continue;
    const noise = given.f32_noise?.[at];
    await compareTensor(at, found.get(at), entry, { noise }, findings);
  }
  return { case: given.name, ...verdict(findings) };
}

async function runOperator(given: OperatorCase, operator: Operator, results: Results): Promise<CaseResult> {
  const { tensors } = given;
  const findings: Findings = { comparisons: [], problems: [], results };
  const named = new Map(
    given.inputs.map((name) => {
      const entry = tensors.get(`in.${name}`);
      if (entry === undefined) throw new FileFormatError(`${given.name} has no tensor in.${name}`);
      return [name, toTensor(entry, tensors.has(`grad.${name}`))] as const;
    }),
  );
  const found = await operator([...named.values()], new Attributes(given.attrs), named);
  const outputs = found instanceof Tensor ? [found] : found;
  objectiveOf(outputs, tensors)?.backward();
  for (const at of tensors.keys()) {
    const [kind, name] = [at.slice(0, at.indexOf(".")), at.slice(at.indexOf(".") + 1)];
    if (kind === "out") {
      const noise = given.out_noise[Number(name)];
      await compareTensor(at, outputs[Number(name)], tensors.get(at), { noise }, findings);
    } else if (kind === "grad") {
      const input = named.get(name);
      const gradient = input && (input.grad ?? full(input.shape, 0));
      await compareTensor(at, gradient, tensors.get(at), { noise: given.grad_noise[name] }, findings);
    }
  }
  return { case: given.name, ...verdict(findings) };
}

/** The sum of outputs times their cotangents; undefined where there are none. */
function objectiveOf(outputs: readonly Tensor[], tensors: OperatorCase["tensors"]): Tensor | undefined {
  const parts = outputs.flatMap((output, i) => {
    const cotangent = tensors.get(`cot.${i}`);
    return cotangent && output.requiresGrad ? [output.mul(toTensor(cotangent)).sum()] : [];
  });
  return parts.length === 0 ? undefined : parts.reduce((sum, part) => sum.add(part));
}
