import type { DType } from "../../graph/dtype.ts";
import type { BinaryName, SpecialUnaryName, UnaryName } from "../../ops/builders.ts";
import type { Condition } from "../index/condition.ts";
import type { Expression } from "../index/expression.ts";

/**
 * The structured loop IR: how a kernel computes. Lowering makes it, transforms rewrite it, printers turn it into a
 * target's source. Every element is 32 bits wide on a device: f32, i32, u32, and bool as 0 or 1.
 */
export type ScalarType = Exclude<DType, "f64">;

/** Memory that a kernel addresses by element. Identity is object identity. */
export interface Buffer {
  readonly name: string;
  readonly type: ScalarType;
  /** Elements. */
  readonly length: number;
  /**
   * `scratch` belongs to one launch of the kernel and `workgroup` to one workgroup of it; both start undefined. All
   * others are parameters, in order.
   */
  readonly access: "read" | "write" | "readwrite" | "scratch" | "workgroup";
}

/**
 * Registers that can be set: accumulators. An index must be constant once unrolled and vector axes are, so that each
 * element (or run of four along a vector axis) is a register.
 */
export interface LocalArray {
  readonly name: string;
  readonly type: ScalarType;
  readonly length: number;
  /** What every element starts as. */
  readonly initial: number;
}

/** A value with a name, set once by its `let`. */
export interface Register {
  readonly name: string;
  readonly type: ScalarType;
  /** For registers that index expressions use (as an opaque atom of this id): a value read from a tensor. */
  readonly opaqueId?: number;
}

/**
 * - `grid`: iterations are independent; targets may spread them over workgroups or threads
 * - `local`: the invocations of a workgroup, which run side by side, share its memory and meet at barriers. It lies
 *   directly inside grid axes or at the top, and around it nothing is stored or set.
 * - `loop`: in order
 * - `unroll`: in order, written out
 * - `vector`: written out four at a time in vector registers; the extent is a multiple of 4 and its iterations are
 *   independent. It contains no loop but unrolled ones.
 */
export type AxisTag = "grid" | "local" | "loop" | "unroll" | "vector";

/** Runs from 0 to extent - 1 as the index variable `name`, which is unique in its kernel. */
export interface Axis {
  readonly name: string;
  readonly extent: number;
  readonly tag: AxisTag;
}

/** The elementwise ops that are computed as they are; the others become these. */
export type UnaryScalarOp = Exclude<UnaryName, SpecialUnaryName | "detach" | "sigmoid" | "relu">;

export type BinaryScalarOp = BinaryName;

/**
 * An element's value; a tree over registers, loads and constants, shared subtrees being shared objects until
 * `placeLets` names them. `type` is the type of the result. Meanings are those of the op table, per element.
 */
export type Scalar =
  | { readonly kind: "constant"; readonly type: ScalarType; readonly value: number }
  | { readonly kind: "register"; readonly type: ScalarType; readonly register: Register }
  | {
      readonly kind: "local";
      readonly type: ScalarType;
      readonly array: LocalArray;
      readonly index: Expression;
    }
  | { readonly kind: "load"; readonly type: ScalarType; readonly buffer: Buffer; readonly index: Expression }
  /** The index expression's own value, as i32, u32 or f32. */
  | { readonly kind: "index"; readonly type: ScalarType; readonly expression: Expression }
  | {
      readonly kind: "unary";
      readonly type: ScalarType;
      readonly op: UnaryScalarOp;
      readonly args: readonly [Scalar];
    }
  | {
      readonly kind: "binary";
      readonly type: ScalarType;
      readonly op: BinaryScalarOp;
      readonly args: readonly [Scalar, Scalar];
    }
  /** a * b + c, rounded once or twice: whichever the target does faster. */
  | {
      readonly kind: "multiplyAdd";
      readonly type: ScalarType;
      readonly args: readonly [Scalar, Scalar, Scalar];
    }
  /** args[0] ? args[1] : args[2]; both are evaluated (neither may trap). */
  | { readonly kind: "select"; readonly type: ScalarType; readonly args: readonly [Scalar, Scalar, Scalar] }
  | { readonly kind: "cast"; readonly type: ScalarType; readonly args: readonly [Scalar] }
  | { readonly kind: "bitcast"; readonly type: ScalarType; readonly args: readonly [Scalar] }
  /**
   * `args[0]` where the condition holds, else `otherwise`. Unlike select, nothing of `args[0]` is loaded from memory
   * where it does not hold: its indices may be out of range there.
   */
  | {
      readonly kind: "guard";
      readonly type: ScalarType;
      readonly condition: Condition;
      readonly otherwise: number;
      readonly args: readonly [Scalar];
    };

export type Statement =
  | { readonly kind: "for"; readonly axis: Axis; readonly body: readonly Statement[] }
  | { readonly kind: "if"; readonly condition: Condition; readonly body: readonly Statement[] }
  | { readonly kind: "let"; readonly register: Register; readonly value: Scalar }
  /** Brings an array into scope, all elements set to its initial value (again, each time it is reached). */
  | { readonly kind: "declare"; readonly array: LocalArray }
  | { readonly kind: "set"; readonly array: LocalArray; readonly index: Expression; readonly value: Scalar }
  | { readonly kind: "store"; readonly buffer: Buffer; readonly index: Expression; readonly value: Scalar }
  /**
   * What comes before has happened for all before anything after it happens: for the invocations of a `workgroup`, which
   * must all reach it and then see what the others stored in the workgroup's memory; or (at the top of a kernel, where
   * it ends all scopes) for the whole `device`, in all memory.
   */
  | { readonly kind: "barrier"; readonly scope: "workgroup" | "device" };

export interface Kernel {
  readonly name: string;
  /** Parameters first, in the order in which they are bound; then scratch, then what is a workgroup's own. */
  readonly buffers: readonly Buffer[];
  readonly body: readonly Statement[];
}
