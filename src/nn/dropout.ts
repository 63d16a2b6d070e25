import type { Tensor } from "../tensor/tensor.ts";
import { checkProbability, dropout } from "./functional/basic.ts";
import { Module } from "./module.ts";

/** While training, zeroes each element with probability p and scales the rest by 1 / (1 - p). Srivastava et al. (2014). */
export class Dropout extends Module {
  readonly p: number;

  /** @throws ArgumentError unless p is in [0, 1]. */
  constructor(p = 0.5) {
    super();
    checkProbability("Dropout", p);
    this.p = p;
  }

  forward(x: Tensor): Tensor {
    return dropout(x, this.p, this.training);
  }
}
