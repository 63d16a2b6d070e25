import type { TypedArray } from "../../graph/dtype.ts";
import type { Value } from "../../graph/node.ts";
import { ReferenceDevice } from "../../runtime/reference/device.ts";
import { errorBounds } from "../errorBounds.ts";
import { evaluateOn } from "../evaluate.ts";

/** What a graph's twin in f64 is, and how far an f32 device may lie from it. */
export interface Expected {
  readonly values: readonly TypedArray[];
  readonly bounds: readonly TypedArray[];
}

/** Evaluates values in f64 on the reference device, with their error bounds. */
export async function expectedOf(twins: readonly Value[]): Promise<Expected> {
  const arrays = await evaluateOn(new ReferenceDevice(), [...twins, ...errorBounds(twins)]);
  return { values: arrays.slice(0, twins.length), bounds: arrays.slice(twins.length) };
}
