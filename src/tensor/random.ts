import { currentEngine } from "../engine/current.ts";
import { isFloat } from "../graph/dtype.ts";
import { ArgumentError, DTypeError, ShapeError, TraceError } from "../graph/errors.ts";
import type { Value } from "../graph/node.ts";
import { checkShape, formatShape, numel, type Shape } from "../graph/shape.ts";
import * as b from "../ops/builders.ts";
import * as o from "../ops/orderBuilders.ts";
import { erf } from "../ops/specialFunctions.ts";
import type { Device } from "../runtime/device.ts";
import { type CreateOptions, resolve } from "./createOptions.ts";
import { searchSorted, topk } from "./ordering.ts";
import { Tensor } from "./tensor.ts";

/**
 * Random tensors. Each call takes the next draw of the engine's generator; its bits are the same on every device, what is
 * computed from them (logarithms, say) is as exact as the device.
 */

/** Two random words an element: Threefry of the generator's key at (element, draw). */
function randomWords(op: string, shape: Shape): readonly [Value, Value] {
  checkShape(op, shape);
  const engine = currentEngine();
  const { generator } = engine;
  const word = (name: string) => ({ name, dtype: "u32" }) as const;
  const [key0, key1, draw] = engine.hostScalars([word("key0"), word("key1"), word("draw")], () => [
    ...generator.key,
    generator.next(),
  ]);
  const element = b.reshape(b.iota(numel(shape), "u32"), [...shape]);
  return b.threefry2x32([key0, key1], [element, draw]);
}

/** Uniform in [0, 1): 24 random bits. */
function unit(words: Value): Value {
  const high = b.cast(b.shiftRight(words, b.scalarLike(words, 8)), "f32");
  return b.mul(high, b.scalarLike(high, 2 ** -24));
}

/** Uniform in (0, 1), neither end included: 23 random bits, and half a step. */
function openUnit(words: Value): Value {
  const high = b.cast(b.shiftRight(words, b.scalarLike(words, 9)), "f32");
  return b.mul(b.add(high, b.scalarLike(high, 0.5)), b.scalarLike(high, 2 ** -23));
}

/** A tensor of floats made from the two words of each element. */
function drawn(
  op: string,
  shape: Shape,
  options: CreateOptions,
  make: (first: Value, second: Value) => Value,
): Tensor {
  const { dtype, device } = resolve(op, options, "f32");
  if (!isFloat(dtype)) throw new DTypeError(`${op}: ${dtype} holds no such numbers; draw f32 and cast`);
  return new Tensor(b.cast(make(...randomWords(op, shape)), dtype), device);
}

/** Uniform in [0, 1): 24 random bits an element. */
export function rand(shape: Shape, options: CreateOptions = {}): Tensor {
  return drawn("rand", shape, options, unit);
}

/** Uniform in [low, high). @throws ArgumentError unless low <= high. */
export function uniform(shape: Shape, low = 0, high = 1, options: CreateOptions = {}): Tensor {
  if (!(low <= high)) throw new ArgumentError(`uniform: from ${low} to ${high} is no range`);
  return rand(shape, options)
    .mul(high - low)
    .add(low);
}

/** Normal with mean 0 and variance 1, by Box and Muller (1958). */
export function randn(shape: Shape, options: CreateOptions = {}): Tensor {
  return drawn("randn", shape, options, (first, second) => {
    // 1 - u lies in (0, 1], where the logarithm is finite.
    const u = unit(first);
    const radius = b.sqrt(b.mul(b.scalarLike(u, -2), b.log(b.sub(b.scalarLike(u, 1), u))));
    const angle = b.mul(unit(second), b.scalarLike(u, 2 * Math.PI));
    return b.mul(radius, b.cos(angle));
  });
}

/** Normal with the given mean and standard deviation. */
export function normal(shape: Shape, mean = 0, std = 1, options: CreateOptions = {}): Tensor {
  if (!(std >= 0)) throw new ArgumentError(`normal: standard deviation ${std} is negative`);
  return randn(shape, options).mul(std).add(mean);
}

export interface TruncatedNormalOptions extends CreateOptions {
  readonly mean?: number;
  readonly std?: number;
  /** Bounds, -2 and 2 by default: values, not numbers of deviations. */
  readonly min?: number;
  readonly max?: number;
}

/** The part of a normal distribution between two bounds, by the inverse of its distribution function. */
export function truncatedNormal(shape: Shape, options: TruncatedNormalOptions = {}): Tensor {
  const { mean = 0, std = 1, min = -2, max = 2, ...create } = options;
  if (!(std > 0 && min < max)) {
    throw new ArgumentError(
      `truncatedNormal: standard deviation ${std} between ${min} and ${max}; wanted a positive one, and min < max`,
    );
  }
  const below = (x: number): number => erf((x - mean) / (std * Math.SQRT2));
  const [from, to] = [below(min), below(max)];
  if (!(to - from > 1e-6)) {
    throw new ArgumentError(
      `truncatedNormal: hardly anything of mean ${mean} and standard deviation ${std} lies between ${min} and ${max}`,
    );
  }
  return drawn("truncatedNormal", shape, create, (words) => {
    const u = openUnit(words);
    const number = (value: number): Value => b.scalarLike(u, value);
    const mass = b.add(b.mul(u, number(to - from)), number(from));
    const x = b.add(b.mul(b.unary("erfinv", mass), number(std * Math.SQRT2)), number(mean));
    // Rounding may lead beyond the bounds.
    return b.binary("minimum", b.maximum(x, number(min)), number(max));
  });
}

/** Exponential with the given rate: the density is rate e^(-rate x). @throws ArgumentError unless it is positive. */
export function exponential(shape: Shape, rate = 1, options: CreateOptions = {}): Tensor {
  if (!(rate > 0)) throw new ArgumentError(`exponential: rate ${rate} is not positive`);
  return drawn("exponential", shape, options, (words) => {
    const u = openUnit(words);
    return b.mul(b.log(u), b.scalarLike(u, -1 / rate));
  });
}

const gumbelOf = (words: Value): Value => b.neg(b.log(b.neg(b.log(openUnit(words)))));

/** Standard Gumbel: -log of an exponential. The largest of logits plus such numbers is drawn with softmax's probability. */
export function gumbel(shape: Shape, options: CreateOptions = {}): Tensor {
  return drawn("gumbel", shape, options, gumbelOf);
}

/** true with probability p, or (of one tensor alone) each element's own. @throws ArgumentError unless p is in [0, 1]. */
export function bernoulli(shape: Shape, p: number, options?: { readonly device?: Device }): Tensor;
export function bernoulli(probabilities: Tensor): Tensor;
export function bernoulli(first: Shape | Tensor, p = 0, options: { readonly device?: Device } = {}): Tensor {
  if (first instanceof Tensor) {
    const chances = first.usable();
    const u = unit(randomWords("bernoulli", first.shape)[0]);
    return new Tensor(b.lt(u, b.detach(chances)), first.device);
  }
  if (!(p >= 0 && p <= 1)) throw new ArgumentError(`bernoulli: probability ${p} is not in [0, 1]`);
  const { device } = resolve("bernoulli", options, "bool");
  const u = unit(randomWords("bernoulli", first)[0]);
  return new Tensor(b.lt(u, b.scalarLike(u, p)), device);
}

/**
 * Integers (i32) in [low, high), by the remainder of 32 random bits: chances differ by less than (high - low) / 2^32.
 * @throws ArgumentError unless there is one.
 */
export function randint(
  low: number,
  high: number,
  shape: Shape,
  options: { readonly device?: Device } = {},
): Tensor {
  const fits = Number.isInteger(low) && Number.isInteger(high) && low >= -(2 ** 31) && high <= 2 ** 31;
  if (!fits || low >= high) throw new ArgumentError(`randint: no i32 lies in [${low}, ${high})`);
  const { device } = resolve("randint", options, "i32");
  const [words] = randomWords("randint", shape);
  const range = high - low;
  const part = range === 2 ** 32 ? words : b.binary("remainder", words, b.scalarLike(words, range));
  return new Tensor(b.add(b.cast(part, "i32"), b.full([], "i32", low)), device);
}

/** 0, 1, ..., n - 1 (i32) in random order: the order of as many random words. */
export function randperm(n: number, options: { readonly device?: Device } = {}): Tensor {
  const { device } = resolve("randperm", options, "i32");
  return new Tensor(o.argsort(randomWords("randperm", [n])[0], false), device);
}

/**
 * Draws `count` indices (i32) for each row of weights [..., n], with chances in proportion to them: [..., count]. Without
 * replacement no index is drawn twice; then a row needs as many positive weights as are drawn.
 * @throws ArgumentError when more are asked for without replacement than there are.
 */
export function multinomial(
  weights: Tensor,
  count: number,
  options: { readonly replacement?: boolean } = {},
): Tensor {
  const { replacement = false } = options;
  const x = b.detach(weights.usable());
  const n = x.shape[x.shape.length - 1];
  if (n === undefined || n === 0)
    throw new ShapeError(`multinomial: weights ${formatShape(x.shape)} hold nothing to draw from`);
  if (!isFloat(x.dtype))
    throw new DTypeError(`multinomial: weights are ${x.dtype}; cast them with .to("f32")`);
  if (!Number.isInteger(count) || count < 1 || (!replacement && count > n)) {
    throw new ArgumentError(
      `multinomial: ${count} draws of ${n}${replacement ? "" : " without replacement"}`,
    );
  }
  const drawnIndices = replacement ? drawWithReplacement(x, count) : drawDifferent(x, count);
  return new Tensor(drawnIndices, weights.device);
}

/** Where a uniform number falls among the running sums. */
function drawWithReplacement(x: Value, count: number): Value {
  const n = x.shape[x.shape.length - 1];
  const shape = [...x.shape.slice(0, -1), count];
  const sums = o.cumsum(x);
  const starts = x.shape.map((_, dim) => (dim === x.shape.length - 1 ? n - 1 : 0));
  const total = b.narrow(sums, starts, [...x.shape.slice(0, -1), 1]);
  const u = b.cast(unit(randomWords("multinomial", shape)[0]), x.dtype);
  const found = searchSorted(sums, b.mul(u, total), true);
  return b.binary("minimum", found, b.full([], "i32", n - 1));
}

/** The largest of log weights plus Gumbel numbers: Vieira, Gumbel-max trick and weighted reservoir sampling (2014). */
function drawDifferent(x: Value, count: number): Value {
  const noise = b.cast(gumbelOf(randomWords("multinomial", x.shape)[0]), x.dtype);
  return topk(b.add(b.log(x), noise), count, -1, true)[1];
}

/**
 * Starts the engine's random stream of `seed` anew.
 * @throws TraceError inside a compiled function, where it would happen in the traced call alone.
 */
export function manualSeed(seed: number): void {
  const engine = currentEngine();
  if (engine.trace) throw new TraceError("manualSeed: not inside a compiled function; seed before the call");
  engine.generator.seed(seed);
}
