import { ArgumentError } from "../graph/errors.ts";
import { arange, type CreateOptions } from "../tensor/create.ts";
import { Parameter } from "../tensor/parameter.ts";
import { type Tensor, where } from "../tensor/tensor.ts";
import { embedding } from "./functional/basic.ts";
import { type Initializer, normal } from "./init.ts";
import { Module } from "./module.ts";

export interface EmbeddingOptions extends CreateOptions {
  /** A row that starts as zeros and gets no gradient from lookups. */
  readonly paddingIdx?: number;
  /** Normal with variance 1 by default. */
  readonly weightInit?: Initializer;
}

/** A table of vectors: indices [...] give [..., width]. */
export class Embedding extends Module {
  readonly weight: Parameter;
  readonly paddingIdx: number | undefined;

  /** @throws ArgumentError when `paddingIdx` is not a row. */
  constructor(rows: number, width: number, options: EmbeddingOptions = {}) {
    super();
    const { paddingIdx, weightInit = normal(), ...create } = options;
    if (paddingIdx !== undefined && !(Number.isInteger(paddingIdx) && paddingIdx >= 0 && paddingIdx < rows)) {
      throw new ArgumentError(`Embedding: paddingIdx ${paddingIdx} is no row of ${rows}`);
    }
    const drawn = weightInit([rows, width], create);
    const initial =
      paddingIdx === undefined
        ? drawn
        : where(arange(0, rows, 1, { device: drawn.device }).eq(paddingIdx).unsqueeze(1), 0, drawn);
    this.weight = new Parameter(initial, { name: "weight" });
    this.paddingIdx = paddingIdx;
  }

  /** @throws IndexOutOfRangeError for an index outside the table that is known on the host. */
  forward(indices: Tensor): Tensor {
    return embedding(indices, this.weight, { paddingIdx: this.paddingIdx });
  }
}
