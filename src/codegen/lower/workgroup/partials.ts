import { lessThan } from "../../index/condition.ts";
import { add, constant, type Expression, multiply } from "../../index/expression.ts";
import type { Buffer, LocalArray, Scalar } from "../../kernel/ir.ts";
import * as s from "../../kernel/scalars.ts";
import type { Reducer } from "../accumulate.ts";
import type { Block } from "../block.ts";

/** What an invocation has of a reduction, and where partial results meet: an element for each invocation. */
export interface Partial {
  readonly reducer: Reducer;
  readonly array: LocalArray;
  readonly buffer: Buffer;
}

const only = constant(0);

/**
 * The partial results of all `count` invocations, a power of two of them, combined: the same in each. Some of them first
 * combine some each, then all combine those: two barriers, however many they are.
 */
export function combineAll(
  block: Block,
  partials: readonly Partial[],
  count: number,
  lane: Expression,
): Scalar[] {
  const first = 2 ** Math.floor(Math.log2(count) / 2);
  for (const { buffer, array } of partials) block.store(buffer, lane, s.local(array, only));
  block.barrier();
  block.when(lessThan(lane, first), (body) => {
    for (const partial of partials) {
      const at = (turn: Expression): Expression => add(lane, multiply(turn, first));
      body.store(partial.buffer, lane, combineLoop(body, partial, count / first, at));
    }
  });
  block.barrier();
  return partials.map((partial) => block.let(combineLoop(block, partial, first, (turn) => turn)));
}

/** `count` partial results combined in order, by one invocation. */
export function combineLoop(
  block: Block,
  { reducer, buffer }: Pick<Partial, "reducer" | "buffer">,
  count: number,
  at: (turn: Expression) => Expression,
): Scalar {
  const { type, initial, combine } = reducer;
  const array = block.declare(type, 1, initial);
  const so = s.local(array, only);
  block.loop("p", count, "loop", (body, turn) => {
    body.set(array, only, combine(so, s.load(buffer, at(turn))));
  });
  return so;
}
