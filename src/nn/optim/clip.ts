import { currentEngine } from "../../engine/current.ts";
import { ArgumentError } from "../../graph/errors.ts";
import { full } from "../../tensor/create.ts";
import { noGrad } from "../../tensor/grad.ts";
import type { Parameter } from "../../tensor/parameter.ts";
import { stack, type Tensor } from "../../tensor/tensor.ts";

/**
 * Scales the gradients of `parameters` together so that their Euclidean norm is at most `maxNorm`: by
 * min(1, maxNorm / (norm + 1e-6)), as in PyTorch. Returns the norm from before. Parameters without gradient do not count.
 * @throws ArgumentError unless `maxNorm` is at least 0.
 */
export function clipGradNorm(parameters: readonly Parameter[], maxNorm: number): Tensor {
  if (!(maxNorm >= 0)) throw new ArgumentError(`clipGradNorm: maxNorm ${maxNorm} is not at least 0`);
  const engine = currentEngine();
  const clipped = parameters.filter(({ cell }) => engine.gradientOf(cell) !== undefined);
  if (clipped.length === 0) return full([], 0, { device: parameters[0]?.device });
  // Outside of a compiled function the gradients are computed here, once, for the norm and for the step.
  engine.settleGradients(clipped.map(({ cell }) => cell));
  return noGrad(() => {
    const gradients = clipped.flatMap(({ grad }) => grad ?? []);
    const norm = stack(gradients.map((gradient) => gradient.square().sum()))
      .sum()
      .sqrt();
    // Read it when you like: the gradients it comes from are gone after the step.
    if (!engine.trace) norm.realize();
    const scale = norm.add(1e-6).reciprocal().mul(maxNorm).minimum(1);
    clipped.forEach(({ cell }, i) => {
      engine.setGradient(cell, gradients[i].mul(scale).usable());
    });
    return norm;
  });
}

/**
 * Moves every element of the gradients of `parameters` into [-value, value].
 * @throws ArgumentError unless `value` is at least 0.
 */
export function clipGradValue(parameters: readonly Parameter[], value: number): void {
  if (!(value >= 0)) throw new ArgumentError(`clipGradValue: value ${value} is not at least 0`);
  const engine = currentEngine();
  const clipped = parameters.filter(({ cell }) => engine.gradientOf(cell) !== undefined);
  engine.settleGradients(clipped.map(({ cell }) => cell));
  noGrad(() => {
    for (const { cell, grad } of clipped) {
      if (grad) engine.setGradient(cell, grad.clamp({ min: -value, max: value }).usable());
    }
  });
}
