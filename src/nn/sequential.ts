import type { Tensor } from "../tensor/tensor.ts";
import { Module } from "./module.ts";

/** A module or plain function from one tensor to one. */
export type Layer = (Module & { forward(x: Tensor): Tensor }) | ((x: Tensor) => Tensor);

/** Layers one after the other; plain functions (`(x) => x.relu()`) may stand between modules. */
export class Sequential extends Module {
  readonly layers: readonly Layer[];

  constructor(...layers: readonly Layer[]) {
    super();
    this.layers = layers;
  }

  /** Parameters are named by their layer's number alone: `0.weight`, as in PyTorch. */
  protected override get names(): Readonly<Record<string, string>> {
    return Object.fromEntries(this.layers.map((_, i) => [`layers.${i}`, String(i)]));
  }

  forward(x: Tensor): Tensor {
    return this.layers.reduce((y, layer) => (typeof layer === "function" ? layer(y) : layer.forward(y)), x);
  }
}
