import { ArgumentError, ShapeError } from "../graph/errors.ts";
import { formatShape } from "../graph/shape.ts";
import { type CreateOptions, zeros as zerosTensor } from "../tensor/create.ts";
import { Parameter } from "../tensor/parameter.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkProbability } from "./functional/basic.ts";
import {
  type CellWeights,
  gru,
  gruCell,
  type LstmState,
  lstm,
  lstmCell,
  type RecurrentOptions as RecurrentForm,
  type RecurrentResult,
  rnn,
  rnnCell,
} from "./functional/recurrent.ts";
import { uniform } from "./init.ts";
import { Module } from "./module.ts";

export interface CellOptions extends CreateOptions {
  /** Default true. */
  readonly bias?: boolean;
}

export interface RecurrentOptions extends CellOptions {
  /** Layers one upon the other. Default 1. */
  readonly numLayers?: number;
  /** Whether inputs and outputs are [N, T, width] instead of [T, N, width]. Default false. */
  readonly batchFirst?: boolean;
  /** Dropout between layers while training. Default 0. */
  readonly dropout?: number;
  /** Whether each layer walks against time as well. Default false. */
  readonly bidirectional?: boolean;
}

/** A cell's matrices, uniform in ±1 / sqrt(hidden) as in PyTorch; `names` are PyTorch's. */
abstract class Cell extends Module {
  readonly weightIh: Parameter;
  readonly weightHh: Parameter;
  readonly biasIh: Parameter | undefined;
  readonly biasHh: Parameter | undefined;
  readonly hiddenSize: number;

  protected override get names(): Readonly<Record<string, string>> {
    return { weightIh: "weight_ih", weightHh: "weight_hh", biasIh: "bias_ih", biasHh: "bias_hh" };
  }

  constructor(inputSize: number, hiddenSize: number, gates: number, options: CellOptions) {
    super();
    const { bias = true, ...create } = options;
    const rows = gates * hiddenSize;
    const draw = drawer(hiddenSize, create);
    this.hiddenSize = hiddenSize;
    this.weightIh = draw([rows, inputSize], "weight_ih");
    this.weightHh = draw([rows, hiddenSize], "weight_hh");
    this.biasIh = bias ? draw([rows], "bias_ih") : undefined;
    this.biasHh = bias ? draw([rows], "bias_hh") : undefined;
  }

  /** A state of zeros for x [N, input] or [input]. */
  protected zeroState(x: Tensor): Tensor {
    return zerosTensor([...x.shape.slice(0, -1), this.hiddenSize], { dtype: x.dtype, device: x.device });
  }
}

function drawer(
  hiddenSize: number,
  create: CreateOptions,
): (shape: readonly number[], name: string) => Parameter {
  const bound = 1 / Math.sqrt(hiddenSize);
  const draw = uniform(-bound, bound);
  return (shape, name) => new Parameter(draw(shape, create), { name });
}

/** `functional.rnnCell` with its own weights; the state is zeros by default. */
export class RNNCell extends Cell {
  readonly nonlinearity: "tanh" | "relu";

  constructor(
    inputSize: number,
    hiddenSize: number,
    options: CellOptions & { readonly nonlinearity?: "tanh" | "relu" } = {},
  ) {
    const { nonlinearity = "tanh", ...cell } = options;
    super(inputSize, hiddenSize, 1, cell);
    this.nonlinearity = nonlinearity;
  }

  /** x [N, input] and hidden [N, hidden] (or without N) give the next hidden state. */
  forward(x: Tensor, hidden: Tensor = this.zeroState(x)): Tensor {
    return rnnCell(x, hidden, this, this.nonlinearity);
  }
}

/** `functional.lstmCell` with its own weights; the state is zeros by default. */
export class LSTMCell extends Cell {
  constructor(inputSize: number, hiddenSize: number, options: CellOptions = {}) {
    super(inputSize, hiddenSize, 4, options);
  }

  /** x [N, input] and a state of [N, hidden] each (or without N) give the next state. */
  forward(x: Tensor, state?: LstmState): LstmState {
    const zero = this.zeroState(x);
    return lstmCell(x, state ?? { hidden: zero, cell: zero }, this);
  }
}

/** `functional.gruCell` with its own weights; the state is zeros by default. */
export class GRUCell extends Cell {
  constructor(inputSize: number, hiddenSize: number, options: CellOptions = {}) {
    super(inputSize, hiddenSize, 3, options);
  }

  /** x [N, input] and hidden [N, hidden] (or without N) give the next hidden state. */
  forward(x: Tensor, hidden: Tensor = this.zeroState(x)): Tensor {
    return gruCell(x, hidden, this);
  }
}

/** Kinds of weights of one layer and direction, by field, with PyTorch's names. */
const kinds = {
  weightIh: "weight_ih",
  weightHh: "weight_hh",
  biasIh: "bias_ih",
  biasHh: "bias_hh",
  weightHr: "weight_hr",
} as const;

/** Weights by layer, then direction; in files `weight_ih_l0`, `weight_ih_l0_reverse` and so on, as in PyTorch. */
abstract class Recurrent extends Module {
  readonly weightIh: readonly Parameter[];
  readonly weightHh: readonly Parameter[];
  readonly biasIh: readonly Parameter[];
  readonly biasHh: readonly Parameter[];
  /** Projections of what an LSTM shows, if it has them. */
  readonly weightHr: readonly Parameter[];
  readonly hiddenSize: number;
  /** Width of the state that is shown: the projection's, if there is one. */
  readonly stateSize: number;
  readonly numLayers: number;
  readonly batchFirst: boolean;
  readonly dropout: number;
  readonly bidirectional: boolean;

  protected override get names(): Readonly<Record<string, string>> {
    const directions = this.bidirectional ? 2 : 1;
    const entries = Object.entries(kinds).flatMap(([field, name]) =>
      this.weightIh.map((_, i) => {
        const reverse = i % directions === 1 ? "_reverse" : "";
        return [`${field}.${i}`, `${name}_l${Math.floor(i / directions)}${reverse}`] as const;
      }),
    );
    return Object.fromEntries(entries);
  }

  constructor(
    inputSize: number,
    hiddenSize: number,
    gates: number,
    options: RecurrentOptions & { readonly projSize?: number },
  ) {
    super();
    const { numLayers = 1, batchFirst = false, dropout = 0, bidirectional = false } = options;
    const { projSize = 0, bias = true, dtype, device } = options;
    if (!Number.isInteger(numLayers) || numLayers < 1) {
      throw new ArgumentError(`${new.target.name}: numLayers ${numLayers} is no integer of at least 1`);
    }
    if (!Number.isInteger(projSize) || projSize < 0 || projSize >= hiddenSize) {
      throw new ArgumentError(`${new.target.name}: projSize ${projSize} is not in [0, ${hiddenSize})`);
    }
    checkProbability(new.target.name, dropout);
    this.hiddenSize = hiddenSize;
    this.stateSize = projSize || hiddenSize;
    this.numLayers = numLayers;
    this.batchFirst = batchFirst;
    this.dropout = dropout;
    this.bidirectional = bidirectional;
    const directions = bidirectional ? 2 : 1;
    const rows = gates * hiddenSize;
    const draw = drawer(hiddenSize, { dtype, device });
    const made = Array.from({ length: numLayers * directions }, (_, i) => {
      const width = i < directions ? inputSize : directions * this.stateSize;
      return {
        weightIh: draw([rows, width], kinds.weightIh),
        weightHh: draw([rows, this.stateSize], kinds.weightHh),
        biasIh: bias ? [draw([rows], kinds.biasIh)] : [],
        biasHh: bias ? [draw([rows], kinds.biasHh)] : [],
        weightHr: projSize > 0 ? [draw([projSize, hiddenSize], kinds.weightHr)] : [],
      };
    });
    this.weightIh = made.map(({ weightIh }) => weightIh);
    this.weightHh = made.map(({ weightHh }) => weightHh);
    this.biasIh = made.flatMap(({ biasIh }) => biasIh);
    this.biasHh = made.flatMap(({ biasHh }) => biasHh);
    this.weightHr = made.flatMap(({ weightHr }) => weightHr);
  }

  protected get form(): RecurrentForm {
    return { bidirectional: this.bidirectional, dropout: this.dropout, training: this.training };
  }

  /** The weights of each layer and direction. */
  protected weights(): (CellWeights & { readonly projection?: Tensor })[] {
    return this.weightIh.map((weightIh, i) => ({
      weightIh,
      weightHh: this.weightHh[i],
      biasIh: this.biasIh[i],
      biasHh: this.biasHh[i],
      projection: this.weightHr[i],
    }));
  }

  /** x as [T, N, input]. @throws ShapeError for other dims. */
  protected sequence(x: Tensor): Tensor {
    if (x.ndim === 2) return x.unsqueeze(1);
    if (x.ndim !== 3) {
      const wanted = this.batchFirst ? "[N, T, input]" : "[T, N, input]";
      throw new ShapeError(
        `${this.constructor.name}: input ${formatShape(x.shape)}, wanted ${wanted} or [T, input]`,
      );
    }
    return this.batchFirst ? x.transpose(0, 1) : x;
  }

  /** A state [layers x directions, N, size] for x; without N where x has none; zeros by default. */
  protected stateFor(x: Tensor, given: Tensor | undefined, size: number): Tensor {
    if (given) return x.ndim === 2 ? given.unsqueeze(1) : given;
    const batch = x.ndim === 2 ? 1 : x.shape[this.batchFirst ? 0 : 1];
    return zerosTensor([this.weightIh.length, batch, size], { dtype: x.dtype, device: x.device });
  }

  /** [T, N, width] as the caller's inputs were. */
  protected asGiven(x: Tensor, output: Tensor): Tensor {
    if (x.ndim === 2) return output.squeeze(1);
    return this.batchFirst ? output.transpose(0, 1) : output;
  }

  protected stateAsGiven(x: Tensor, state: Tensor): Tensor {
    return x.ndim === 2 ? state.squeeze(1) : state;
  }
}

/** Elman networks, one upon the other: `functional.rnn` with its own weights. */
export class RNN extends Recurrent {
  readonly nonlinearity: "tanh" | "relu";

  /** @throws ArgumentError for numLayers that is no integer of at least 1, or a dropout outside [0, 1]. */
  constructor(
    inputSize: number,
    hiddenSize: number,
    options: RecurrentOptions & { readonly nonlinearity?: "tanh" | "relu" } = {},
  ) {
    const { nonlinearity = "tanh", ...layers } = options;
    super(inputSize, hiddenSize, 1, layers);
    this.nonlinearity = nonlinearity;
  }

  /**
   * x [T, N, input] ([N, T, input] with batchFirst, or [T, input]) and hidden [layers x directions, N, hidden], zeros by
   * default.
   */
  forward(x: Tensor, hidden?: Tensor): RecurrentResult {
    const initial = this.stateFor(x, hidden, this.stateSize);
    const form = { ...this.form, activation: this.nonlinearity };
    const result = rnn(this.sequence(x), initial, this.weights(), form);
    return { output: this.asGiven(x, result.output), hidden: this.stateAsGiven(x, result.hidden) };
  }
}

/** Gated recurrent units, one upon the other: `functional.gru` with its own weights. */
export class GRU extends Recurrent {
  /** @throws ArgumentError for numLayers that is no integer of at least 1, or a dropout outside [0, 1]. */
  constructor(inputSize: number, hiddenSize: number, options: RecurrentOptions = {}) {
    super(inputSize, hiddenSize, 3, options);
  }

  /** As `RNN`. */
  forward(x: Tensor, hidden?: Tensor): RecurrentResult {
    const initial = this.stateFor(x, hidden, this.stateSize);
    const result = gru(this.sequence(x), initial, this.weights(), this.form);
    return { output: this.asGiven(x, result.output), hidden: this.stateAsGiven(x, result.hidden) };
  }
}

/** Long short-term memories, one upon the other: `functional.lstm` with its own weights. */
export class LSTM extends Recurrent {
  /** @throws ArgumentError for numLayers that is no integer of at least 1, a dropout outside [0, 1], or a projSize that is
   *   not below hiddenSize. */
  constructor(
    inputSize: number,
    hiddenSize: number,
    options: RecurrentOptions & { readonly projSize?: number } = {},
  ) {
    super(inputSize, hiddenSize, 4, options);
  }

  /** As `RNN`, with a state of two: what is shown, [layers x directions, N, projection or hidden], and the cells. */
  forward(x: Tensor, state?: LstmState): { readonly output: Tensor; readonly state: LstmState } {
    const initial = {
      hidden: this.stateFor(x, state?.hidden, this.stateSize),
      cell: this.stateFor(x, state?.cell, this.hiddenSize),
    };
    const result = lstm(this.sequence(x), initial, this.weights(), this.form);
    const { hidden, cell } = result.state;
    return {
      output: this.asGiven(x, result.output),
      state: { hidden: this.stateAsGiven(x, hidden), cell: this.stateAsGiven(x, cell) },
    };
  }
}
