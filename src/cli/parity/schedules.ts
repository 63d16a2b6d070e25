import * as optim from "../../nn/optim/index.ts";
import type { OperatorCase } from "./files.ts";
import { Attributes } from "./operator.ts";

/** Arguments in Python's spelling: `4`, `gamma=0.5`, `T_max=20`. Positional ones are named by their place. */
function argumentsOf(text: string): ReadonlyMap<string, string> {
  const parts = text.split(",").filter((part) => part.trim() !== "");
  return new Map(
    parts.map((part, i) => {
      const [name, value] = part.includes("=") ? part.split("=") : [String(i), part];
      return [name.trim(), value.trim()];
    }),
  );
}

type MakeSchedule = (
  lr: number,
  number: (name: string, fallback: number) => number,
  text: string,
) => optim.Schedule;

/** PyTorch's schedules by their names there. */
const torch: Readonly<Record<string, MakeSchedule>> = {
  StepLR: (initial, number) =>
    optim.stepDecay({
      initial,
      stepSize: number("step_size", number("0", 1)),
      gamma: number("gamma", number("1", 0.1)),
    }),
  ExponentialLR: (initial, number) => optim.exponential({ initial, gamma: number("gamma", number("0", 1)) }),
  CosineAnnealingLR: (initial, number) =>
    optim.cosineAnnealing({
      initial,
      period: number("T_max", number("0", 1)),
      minimum: number("eta_min", number("1", 0)),
    }),
  CosineAnnealingWarmRestarts: (initial, number) =>
    optim.cosineWarmRestarts({
      initial,
      period: number("T_0", number("0", 1)),
      multiplier: number("T_mult", number("1", 1)),
      minimum: number("eta_min", 0),
    }),
  MultiStepLR: (initial, number, text) =>
    optim.multiStep({
      initial,
      milestones: (/\[([^\]]*)\]/.exec(text)?.[1] ?? "").split(",").map(Number),
      gamma: number("gamma", 0.1),
    }),
  LinearLR: (initial, number) =>
    optim.linear({
      initial,
      startFactor: number("start_factor", 1 / 3),
      endFactor: number("end_factor", 1),
      total: number("total_iters", 5),
    }),
  ConstantLR: (initial, number) =>
    optim.constantFactor({ initial, factor: number("factor", 1 / 3), total: number("total_iters", 5) }),
  OneCycleLR: (_, number, text) =>
    optim.oneCycle({
      max: number("max_lr", number("0", 0)),
      total: number("total_steps", number("1", 1)),
      rise: number("pct_start", 0.3),
      annealing: /anneal_strategy\s*=\s*'?linear/.test(text) ? "linear" : "cos",
      divFactor: number("div_factor", 25),
      finalDivFactor: number("final_div_factor", 1e4),
      threePhase: /three_phase\s*=\s*True/.test(text),
    }),
};

/** The schedule of a case; the constant rate where it has none; undefined for one that is not known. */
export function scheduleOf(given: OperatorCase, lr: number): optim.Schedule | undefined {
  const { op, name } = given;
  const attrs = new Attributes(given.attrs);
  const bert = attrs.value("schedule");
  if (typeof bert === "object" && bert !== null && !Array.isArray(bert)) {
    const steps = new Attributes(bert as Exclude<typeof bert, readonly unknown[]>);
    const [warmup, total] = [steps.number("num_warmup_steps"), steps.number("num_train_steps")];
    return optim.bertSchedule({ peak: lr, warmup, total });
  }
  const [, text] = /^[\w.]+ \+ (?!clip_grad)(.*)$/s.exec(op) ?? [];
  if (text === undefined) return optim.constant(lr);
  if (text.startsWith("transformers")) return transformersSchedule(text, name, attrs, lr);
  const lambda = /^LambdaLR: (.*)$/.exec(text);
  if (lambda) return optim.lambda(lr, piecewise(lambda[1]));
  const [, kind = "", args = ""] = /^(\w+)\((.*)\)$/.exec(text) ?? [];
  if (!Object.hasOwn(torch, kind)) return undefined;
  const passed = argumentsOf(args);
  return torch[kind](lr, (key, fallback) => Number(passed.get(key) ?? fallback), args);
}

/** Of the schedules of transformers only the case's name says which. */
function transformersSchedule(
  text: string,
  name: string,
  attrs: Attributes,
  peak: number,
): optim.Schedule | undefined {
  const args = argumentsOf(text.slice(text.indexOf(",") + 1));
  const number = (key: string): number => Number(args.get(key) ?? attrs.number(key, 0));
  const [warmup, total] = [number("num_warmup_steps"), number("num_training_steps")];
  if (/restarts/.test(name)) {
    return optim.cosineHardRestarts({ peak, warmup, total, cycles: attrs.number("num_cycles", 1) });
  }
  if (/cosine/.test(name)) return optim.cosine({ peak, warmup, total });
  if (/polynomial/.test(name)) {
    return optim.polynomial({
      peak,
      warmup,
      total,
      power: attrs.number("power", 1),
      end: attrs.number("lr_end", 1e-7),
    });
  }
  if (/constant/.test(name)) return optim.constantWithWarmup({ peak, warmup });
  return /linear/.test(name) ? optim.linearWarmupDecay({ peak, warmup, total }) : undefined;
}

/** `(t+1)/5 for t<5 else (20-t)/15` as a function of t. */
function piecewise(text: string): (t: number) => number {
  const [, first, bound, rest] = /^(.*) for t\s*<\s*(\d+) else (.*)$/.exec(text) ?? [];
  if (first === undefined) return arithmetic(text);
  const [before, after] = [arithmetic(first), piecewise(rest)];
  return (t) => (t < Number(bound) ? before(t) : after(t));
}

/** Sums, products and powers of numbers and t, with parentheses. */
function arithmetic(text: string): (t: number) => number {
  const tokens = text.match(/\d+(?:\.\d+)?(?:e-?\d+)?|\*\*|[-+*/()]|t/g) ?? [];
  return (t) => {
    let at = 0;
    const atom = (): number => {
      const token = tokens[at++];
      if (token === "-") return -atom();
      if (token !== "(") return token === "t" ? t : Number(token);
      const value = sum();
      at += 1;
      return value;
    };
    const power = (): number => {
      const base = atom();
      if (tokens[at] !== "**") return base;
      at += 1;
      return base ** power();
    };
    const product = (): number => {
      let value = power();
      while (tokens[at] === "*" || tokens[at] === "/")
        value = tokens[at++] === "*" ? value * power() : value / power();
      return value;
    };
    const sum = (): number => {
      let value = product();
      while (tokens[at] === "+" || tokens[at] === "-")
        value = tokens[at++] === "+" ? value + product() : value - product();
      return value;
    };
    return sum();
  };
}
