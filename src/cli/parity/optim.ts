import { FileFormatError } from "../../graph/errors.ts";
import * as functional from "../../nn/functional/index.ts";
import * as optim from "../../nn/optim/index.ts";
import { tensor } from "../../tensor/create.ts";
import { Parameter } from "../../tensor/parameter.ts";
import { stack, type Tensor } from "../../tensor/tensor.ts";
import { toTensor } from "./compare.ts";
import type { OperatorCase } from "./files.ts";
import { Attributes } from "./operator.ts";
import { scheduleOf } from "./schedules.ts";

/** The groups of a case: parameters whose names match one of `exclude` are left out of decay and trust ratios. */
interface Split {
  readonly included: readonly Parameter[];
  readonly excluded: readonly Parameter[];
}

/** An optimizer for a case's attributes and learning rate. */
type Make = (split: Split, lr: optim.LearningRate, attrs: Attributes) => optim.Optimizer;

/** What all of them may have; undefined is the optimizer's default. */
function common(attrs: Attributes) {
  const weightDecay = optional(attrs, "weight_decay");
  const betas = attrs.has("betas") ? pair(attrs, "betas") : undefined;
  return { weightDecay, betas, eps: optional(attrs, "eps"), maximize: flag(attrs, "maximize") };
}

const optional = (attrs: Attributes, name: string): number | undefined =>
  attrs.has(name) ? attrs.number(name) : undefined;

const flag = (attrs: Attributes, name: string): boolean | undefined =>
  attrs.has(name) ? attrs.boolean(name) : undefined;

function pair(attrs: Attributes, name: string): readonly [number, number] {
  const [first, second, ...others] = attrs.numbers(name);
  if (second === undefined || others.length > 0) throw new FileFormatError(`attribute ${name} is no pair`);
  return [first, second];
}

/** PyTorch's optimizers by their names there, with their arguments under their names there. */
const torch: Readonly<Record<string, Make>> = {
  SGD: ({ included }, lr, attrs) =>
    new optim.SGD(included, {
      ...common(attrs),
      lr,
      momentum: optional(attrs, "momentum"),
      dampening: optional(attrs, "dampening"),
      nesterov: flag(attrs, "nesterov"),
    }),
  Adam: ({ included }, lr, attrs) =>
    new optim.Adam(included, { ...common(attrs), lr, amsgrad: flag(attrs, "amsgrad") }),
  AdamW: ({ included }, lr, attrs) =>
    new optim.AdamW(included, { ...common(attrs), lr, amsgrad: flag(attrs, "amsgrad") }),
  RMSprop: ({ included }, lr, attrs) =>
    new optim.RMSprop(included, {
      ...common(attrs),
      lr,
      alpha: optional(attrs, "alpha"),
      momentum: optional(attrs, "momentum"),
      centered: flag(attrs, "centered"),
    }),
  Adagrad: ({ included }, lr, attrs) =>
    new optim.Adagrad(included, {
      ...common(attrs),
      lr,
      lrDecay: optional(attrs, "lr_decay"),
      initialAccumulatorValue: optional(attrs, "initial_accumulator_value"),
    }),
  Adadelta: ({ included }, lr, attrs) =>
    new optim.Adadelta(included, { ...common(attrs), lr, rho: optional(attrs, "rho") }),
  Adamax: ({ included }, lr, attrs) => new optim.Adamax(included, { ...common(attrs), lr }),
  NAdam: ({ included }, lr, attrs) =>
    new optim.NAdam(included, {
      ...common(attrs),
      lr,
      momentumDecay: optional(attrs, "momentum_decay"),
      repeatNextMomentum: true,
    }),
  RAdam: ({ included }, lr, attrs) => new optim.RAdam(included, { ...common(attrs), lr }),
};

const transformersAdamW: Make = ({ included }, lr, attrs) =>
  new optim.TransformersAdamW(included, { ...common(attrs), lr, correctBias: flag(attrs, "correct_bias") });

const adafactor: Make = ({ included }, lr, attrs) => {
  const { weightDecay } = common(attrs);
  const relativeStep = attrs.boolean("relative_step", true);
  return new optim.Adafactor(included, {
    weightDecay,
    lr: relativeStep ? undefined : lr,
    eps: attrs.has("eps") ? pair(attrs, "eps") : undefined,
    clipThreshold: optional(attrs, "clip_threshold"),
    decayRate: optional(attrs, "decay_rate"),
    beta1: optional(attrs, "beta1"),
    scaleParameter: flag(attrs, "scale_parameter"),
    relativeStep,
    warmupInit: flag(attrs, "warmup_init"),
  });
};

const lamb: Make = ({ included, excluded }, lr, attrs) =>
  new optim.LAMB(groups<optim.LAMBSettings>(included, excluded, { weightDecay: 0, adapt: false }), {
    ...common(attrs),
    lr,
    correctBias: flag(attrs, "bias_correction"),
    normBounds: attrs.has("phi_clamp") ? pair(attrs, "phi_clamp") : undefined,
  });

const bertAdamW: Make = ({ included, excluded }, lr, attrs) =>
  new optim.AdamW(groups<optim.AdamWSettings>(included, excluded, { weightDecay: 0 }), {
    ...common(attrs),
    lr,
    correctBias: flag(attrs, "bias_correction"),
  });

function groups<S extends optim.Settings>(
  included: readonly Parameter[],
  excluded: readonly Parameter[],
  settings: Partial<S>,
): readonly optim.ParameterGroup<S>[] {
  const all = [
    { params: included } as optim.ParameterGroup<S>,
    { ...settings, params: excluded } as optim.ParameterGroup<S>,
  ];
  return all.filter(({ params }) => params.length > 0);
}

/** Which optimizer a case is about. Some say "the same": then only the name says as what. */
function makerOf({ op, name }: OperatorCase): Make | undefined {
  if (/^transformers\b.*\bAdamW\b/.test(op)) return transformersAdamW;
  if (/^transformers\b.*\bAdafactor\b/.test(op)) return adafactor;
  const [, known = ""] = /^(?:torch\.optim\.)?(\w+)/.exec(op) ?? [];
  if (Object.hasOwn(torch, known)) return torch[known];
  if (/lamb/i.test(`${op} ${name}`)) return lamb;
  return /adamw/i.test(`${op} ${name}`) ? bertAdamW : undefined;
}

/** How to train a case's problem with its optimizer, giving what it should give by name; undefined for an unknown one. */
export function trainingOf(given: OperatorCase): (() => Promise<ReadonlyMap<string, Tensor>>) | undefined {
  const make = makerOf(given);
  const attrs = new Attributes(given.attrs);
  const schedule = scheduleOf(given, attrs.number("lr"));
  return make && schedule && (() => train(given, make, attrs, schedule));
}

async function train(
  { tensors, parameters: names = ["W", "b"] }: OperatorCase,
  make: Make,
  attrs: Attributes,
  schedule: optim.Schedule,
): Promise<ReadonlyMap<string, Tensor>> {
  const input = (name: string): Tensor => {
    const entry = tensors.get(`in.${name}`);
    if (entry === undefined) throw new FileFormatError(`the case has no tensor in.${name}`);
    return toTensor(entry);
  };
  const parameters = new Map(names.map((name) => [name, new Parameter(input(`${name}0`), { name })]));
  const exclude = attrs.has("exclude") ? patternsOf(attrs) : [];
  const isExcluded = ([name]: readonly [string, Parameter]): boolean =>
    exclude.some((pattern) => pattern.test(name));
  const all = [...parameters];
  const split = {
    included: all.filter((entry) => !isExcluded(entry)).map(([, parameter]) => parameter),
    excluded: all.filter(isExcluded).map(([, parameter]) => parameter),
  };
  const optimizer = make(split, schedule, attrs);
  const steps = tensors.get("out.loss")?.shape[0] ?? 0;
  const [x, y] = [input("X"), input("Y")];
  const history = new Map<string, Tensor[]>();
  const note = (name: string, value: Tensor): void => {
    history.set(name, [...(history.get(name) ?? []), value]);
  };
  for (let step = 0; step < steps; step++) {
    optimizer.zeroGrad();
    const loss = objective(parameters, x, y);
    loss.backward();
    const clip = optional(attrs, "clip_norm") ?? optional(attrs, "max_norm") ?? Infinity;
    note("out.grad_norm", optim.clipGradNorm([...parameters.values()], clip));
    optimizer.step();
    note("out.loss", loss.detach());
    note("out.lr", tensor(schedule(step)));
    for (const [name, parameter] of parameters)
      note(`out.${name}`, tensor(await parameter.data(), { shape: parameter.shape }));
    note("out.trust_ratio", await trustRatios(optimizer, split, [...parameters.values()]));
  }
  return new Map([...history].map(([name, values]) => [name, stack(values)]));
}

/** mean((tanh(X Wᵀ + b) - Y)²), with a layer norm inside the tanh where the parameters have one. */
function objective(parameters: ReadonlyMap<string, Parameter>, x: Tensor, y: Tensor): Tensor {
  const [weight, bias] = [parameters.get("W"), parameters.get("b")];
  if (!weight) throw new FileFormatError("the problem has no parameter W");
  const product = functional.linear(x, weight, bias);
  const [scale, shift] = [parameters.get("LayerNorm.weight"), parameters.get("LayerNorm.bias")];
  const inner = scale ? functional.layerNorm(product, scale.shape, scale, shift, 1e-12) : product;
  return inner.tanh().sub(y).square().mean();
}

function patternsOf(attrs: Attributes): readonly RegExp[] {
  const value = attrs.value("exclude");
  return Array.isArray(value) ? value.map((pattern) => new RegExp(String(pattern))) : [];
}

/** Each parameter's ratio, in the case's order; 1 where the optimizer has none. */
async function trustRatios(
  optimizer: optim.Optimizer,
  split: Split,
  order: readonly Parameter[],
): Promise<Tensor> {
  if (!(optimizer instanceof optim.LAMB)) return tensor(order.map(() => 1));
  const own = [...split.included, ...split.excluded];
  const ratios = await Promise.all(optimizer.trustRatios.map((ratio) => ratio.item()));
  return tensor(order.map((parameter) => ratios[own.indexOf(parameter)]));
}
