import type { Node, Value, ValueType } from "../graph/node.ts";

/**
 * What a kernel generator may assume of an op.
 * - `leaf`: no inputs; its data comes from outside, or is known at once
 * - `map`: each output element depends on the input elements at the same index
 * - `movement`: each output element is one input element (or padding) at another index
 * - `reduce`: combines elements along dims, which stay with size 1
 * - `contract`: sums of products over a shared dim
 * - `scan`: running combinations along the last dim
 * - `sort`: the order of the elements along the last dim
 * - `index`: reads or writes at indices that are data
 * - `composite`: defined by other ops; expanded before scheduling
 */
export type OpKind =
  | "leaf"
  | "map"
  | "movement"
  | "reduce"
  | "contract"
  | "scan"
  | "sort"
  | "index"
  | "composite";

/** What a gradient rule sees: the node, and the gradient of each output (undefined where none flows). */
export interface GradientContext<Attrs> {
  readonly node: Node;
  readonly attrs: Attrs;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  /** Gradient of output 0. Rules of ops with one output read this one. */
  readonly cotangent: Value;
  readonly cotangents: readonly (Value | undefined)[];
  /** Gradients of a graph that the rule makes itself, whose leaves are `wrt`. */
  readonly differentiate: Differentiate;
}

/** The gradient of the sum of <outputs[i], cotangents[i]> with respect to each value of `wrt`; undefined where none flows. */
export type Differentiate = (
  outputs: readonly Value[],
  cotangents: readonly Value[],
  wrt: readonly Value[],
) => readonly (Value | undefined)[];

/** The gradient of each input, in order; undefined where none flows. */
export type GradientRule<Attrs> = (context: GradientContext<Attrs>) => readonly (Value | undefined)[];

/**
 * One entry of the op table: an op's whole meaning but its arithmetic, which the reference device states in plain loops.
 * Primitives take operands of equal shape and dtype where it matters; broadcasting and promotion are explicit nodes
 * that the builders insert.
 */
export interface OpDefinition<Attrs> {
  readonly kind: OpKind;
  /** Shape and dtype of every output. Throws ShapeError, DTypeError or ArgumentError naming the op and its operands. */
  readonly infer: (inputs: readonly ValueType[], attrs: Attrs) => readonly ValueType[];
  /**
   * The rule; "zero" where the derivative is zero or undefined everywhere (floor, comparisons); "none" where asking for it
   * is an error; "decomposition" for composites without a rule of their own.
   */
  readonly gradient: GradientRule<Attrs> | "zero" | "none" | "decomposition";
  /** For composites: the same values from other ops. */
  readonly decompose?: (inputs: readonly Value[], attrs: Attrs) => readonly Value[];
}

/** Gives an entry its type; attrs are named in the call, the rest is inferred. */
export function defineOp<Attrs>(definition: OpDefinition<Attrs>): OpDefinition<Attrs> {
  return definition;
}

/** Attrs of ops that have none. */
export type NoAttrs = Readonly<Record<string, never>>;
