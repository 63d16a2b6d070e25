import { ShapeError } from "../../graph/errors.ts";
import { formatShape, sameShape } from "../../graph/shape.ts";
import { concat, stack, type Tensor } from "../../tensor/tensor.ts";
import { dropout, linear } from "./basic.ts";

/** The parameters of a cell, under PyTorch's names: rows of all gates stand one after the other. */
export interface CellWeights {
  /** [gates x hidden, input] */
  readonly weightIh: Tensor;
  /** [gates x hidden, hidden or projection] */
  readonly weightHh: Tensor;
  readonly biasIh?: Tensor;
  readonly biasHh?: Tensor;
}

/** What an LSTM carries from step to step: h [N, hidden or projection], c [N, hidden]. */
export interface LstmState {
  readonly hidden: Tensor;
  readonly cell: Tensor;
}

/** What one step adds to the input's part of the gates, and the state after it. */
type Step<State> = (inputs: Tensor, state: State, weights: CellWeights) => State;

function checkCell(op: string, x: Tensor, hidden: Tensor, weights: CellWeights, gates: number): void {
  const [rows, width] = weights.weightIh.shape;
  const fits =
    x.size(-1) === width &&
    hidden.size(-1) === weights.weightHh.shape[1] &&
    rows === weights.weightHh.shape[0] &&
    rows % gates === 0 &&
    sameShape(x.shape.slice(0, -1), hidden.shape.slice(0, -1));
  if (!fits) {
    throw new ShapeError(
      `${op}: input ${formatShape(x.shape)} and state ${formatShape(hidden.shape)} with weights ` +
        `${formatShape(weights.weightIh.shape)} and ${formatShape(weights.weightHh.shape)}`,
    );
  }
}

/** Part k of the gates, which stand side by side in the last dim. */
function gate(all: Tensor, k: number, gates: number): Tensor {
  const width = all.size(-1) / gates;
  return all.narrow(-1, k * width, width);
}

const rnnStep =
  (activation: "tanh" | "relu"): Step<Tensor> =>
  (inputs, hidden, { weightHh, biasHh }) => {
    const sum = inputs.add(linear(hidden, weightHh, biasHh));
    return activation === "tanh" ? sum.tanh() : sum.relu();
  };

/** Gates in PyTorch's order: input, forget, cell, output. */
const lstmStep =
  (projection?: Tensor): Step<LstmState> =>
  (inputs, { hidden, cell }, { weightHh, biasHh }) => {
    const all = inputs.add(linear(hidden, weightHh, biasHh));
    const [i, f, g, o] = [0, 1, 2, 3].map((k) => gate(all, k, 4));
    const next = f.sigmoid().mul(cell).add(i.sigmoid().mul(g.tanh()));
    const shown = o.sigmoid().mul(next.tanh());
    return { hidden: projection ? linear(shown, projection) : shown, cell: next };
  };

/** Gates in PyTorch's order: reset, update, new; the reset gate acts behind the product, bias included. */
const gruStep: Step<Tensor> = (inputs, hidden, { weightHh, biasHh }) => {
  const own = linear(hidden, weightHh, biasHh);
  const reset = gate(inputs, 0, 3)
    .add(gate(own, 0, 3))
    .sigmoid();
  const update = gate(inputs, 1, 3)
    .add(gate(own, 1, 3))
    .sigmoid();
  const fresh = gate(inputs, 2, 3)
    .add(reset.mul(gate(own, 2, 3)))
    .tanh();
  return fresh.add(update.mul(hidden.sub(fresh)));
};

/**
 * One step of an Elman network: act(W_ih x + b_ih + W_hh h + b_hh), for x [N, input] and h [N, hidden] (or without N).
 * Elman (1990).
 * @throws ShapeError where input, state and weights do not fit.
 */
export function rnnCell(
  x: Tensor,
  hidden: Tensor,
  weights: CellWeights,
  activation: "tanh" | "relu" = "tanh",
): Tensor {
  checkCell("rnnCell", x, hidden, weights, 1);
  return rnnStep(activation)(linear(x, weights.weightIh, weights.biasIh), hidden, weights);
}

/**
 * One step of a long short-term memory, for x [N, input] and a state of [N, hidden] each (or without N).
 * Hochreiter and Schmidhuber (1997), with forget gates.
 * @throws ShapeError where input, state and weights do not fit.
 */
export function lstmCell(x: Tensor, state: LstmState, weights: CellWeights): LstmState {
  checkCell("lstmCell", x, state.hidden, weights, 4);
  return lstmStep()(linear(x, weights.weightIh, weights.biasIh), state, weights);
}

/**
 * One step of a gated recurrent unit, for x [N, input] and h [N, hidden] (or without N). Cho et al. (2014).
 * @throws ShapeError where input, state and weights do not fit.
 */
export function gruCell(x: Tensor, hidden: Tensor, weights: CellWeights): Tensor {
  checkCell("gruCell", x, hidden, weights, 3);
  return gruStep(linear(x, weights.weightIh, weights.biasIh), hidden, weights);
}

/** Every step's hidden state, in the order of the input, and the state after the last one walked. */
interface LayerResult<State> {
  readonly outputs: readonly Tensor[];
  readonly last: State;
}

/** Walks x [T, N, input] in time, or against it; the inputs' part of all gates is one product. */
function walk<State>(
  x: Tensor,
  initial: State,
  weights: CellWeights,
  reverse: boolean,
  step: Step<State>,
  hiddenOf: (state: State) => Tensor,
): LayerResult<State> {
  const inputs = linear(x, weights.weightIh, weights.biasIh);
  const outputs = new Array<Tensor>(x.shape[0]);
  let state = initial;
  for (let i = 0; i < outputs.length; i++) {
    const t = reverse ? outputs.length - 1 - i : i;
    state = step(inputs.select(0, t), state, weights);
    outputs[t] = hiddenOf(state);
  }
  return { outputs, last: state };
}

export interface RecurrentOptions {
  /** Whether each layer also walks against time, behind the forward direction in the features. Default false. */
  readonly bidirectional?: boolean;
  /** Dropout on what goes from layer to layer; only with `training`. Default 0. */
  readonly dropout?: number;
  readonly training?: boolean;
}

/** One layer in one direction. */
type Layer<State, Weights> = (
  x: Tensor,
  state: State,
  weights: Weights,
  reverse: boolean,
) => LayerResult<State>;

/** Layers one upon the other; states and weights are in PyTorch's order: by layer, then by direction. */
function stackLayers<State, Weights>(
  op: string,
  x: Tensor,
  states: readonly State[],
  weights: readonly Weights[],
  { bidirectional = false, dropout: p = 0, training = false }: RecurrentOptions,
  layer: Layer<State, Weights>,
): { readonly output: Tensor; readonly last: State[] } {
  const directions = bidirectional ? 2 : 1;
  if (x.ndim !== 3 || x.shape[0] === 0) {
    throw new ShapeError(`${op}: input ${formatShape(x.shape)}, wanted [T, N, input] with T of at least 1`);
  }
  if (weights.length === 0 || weights.length % directions !== 0 || states.length !== weights.length) {
    throw new ShapeError(
      `${op}: ${weights.length} sets of weights and ${states.length} initial states; wanted one for each layer and direction`,
    );
  }
  const last: State[] = [];
  let output = x;
  for (let at = 0; at < weights.length; at += directions) {
    const below = at === 0 ? output : dropout(output, p, training);
    const results = Array.from({ length: directions }, (_, direction) =>
      layer(below, states[at + direction], weights[at + direction], direction === 1),
    );
    last.push(...results.map((result) => result.last));
    output = concat(
      results.map(({ outputs }) => stack(outputs)),
      -1,
    );
  }
  return { output, last };
}

/** Rows of [layers x directions, N, width], one state each. */
const statesOf = (all: Tensor): Tensor[] => Array.from({ length: all.shape[0] }, (_, i) => all.select(0, i));

/** The last layer's hidden states [T, N, directions x hidden], and all layers' last ones [layers x directions, N, hidden]. */
export interface RecurrentResult {
  readonly output: Tensor;
  readonly hidden: Tensor;
}

/**
 * Elman networks over x [T, N, input] from hidden [layers x directions, N, hidden], with weights by layer, then direction.
 * @throws ShapeError where they do not fit.
 */
export function rnn(
  x: Tensor,
  hidden: Tensor,
  weights: readonly CellWeights[],
  options: RecurrentOptions & { readonly activation?: "tanh" | "relu" } = {},
): RecurrentResult {
  const step = rnnStep(options.activation ?? "tanh");
  const layer: Layer<Tensor, CellWeights> = (input, state, cell, reverse) => {
    checkCell("rnn", input.select(0, 0), state, cell, 1);
    return walk(input, state, cell, reverse, step, (h) => h);
  };
  const { output, last } = stackLayers("rnn", x, statesOf(hidden), weights, options, layer);
  return { output, hidden: stack(last) };
}

/** Gated recurrent units; otherwise as `rnn`. */
export function gru(
  x: Tensor,
  hidden: Tensor,
  weights: readonly CellWeights[],
  options: RecurrentOptions = {},
): RecurrentResult {
  const layer: Layer<Tensor, CellWeights> = (input, state, cell, reverse) => {
    checkCell("gru", input.select(0, 0), state, cell, 3);
    return walk(input, state, cell, reverse, gruStep, (h) => h);
  };
  const { output, last } = stackLayers("gru", x, statesOf(hidden), weights, options, layer);
  return { output, hidden: stack(last) };
}

/** A cell's weights, and a projection [projection, hidden] of what it shows, if there is one. Sak et al. (2014). */
export interface LstmWeights extends CellWeights {
  readonly projection?: Tensor;
}

/**
 * Long short-term memories from a state of [layers x directions, N, hidden or projection] and
 * [layers x directions, N, hidden]; otherwise as `rnn`.
 */
export function lstm(
  x: Tensor,
  state: LstmState,
  weights: readonly LstmWeights[],
  options: RecurrentOptions = {},
): { readonly output: Tensor; readonly state: LstmState } {
  const layer: Layer<LstmState, LstmWeights> = (input, initial, cell, reverse) => {
    checkCell("lstm", input.select(0, 0), initial.hidden, cell, 4);
    return walk(input, initial, cell, reverse, lstmStep(cell.projection), ({ hidden }) => hidden);
  };
  const cells = statesOf(state.cell);
  const states = statesOf(state.hidden).map((hidden, i) => ({ hidden, cell: cells[i] }));
  const { output, last } = stackLayers("lstm", x, states, weights, options, layer);
  const hidden = stack(last.map((one) => one.hidden));
  return { output, state: { hidden, cell: stack(last.map((one) => one.cell)) } };
}
