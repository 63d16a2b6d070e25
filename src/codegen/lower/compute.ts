import type { DType } from "../../graph/dtype.ts";
import { InternalError } from "../../graph/errors.ts";
import type { Value } from "../../graph/node.ts";
import { numel } from "../../graph/shape.ts";
import { typed } from "../../ops/table.ts";
import { always, and, type Condition, inRange } from "../index/condition.ts";
import { type Expression, equal, linearize, subtract } from "../index/expression.ts";
import type { BinaryScalarOp, Buffer, Scalar, ScalarType, UnaryScalarOp } from "../kernel/ir.ts";
import { threefry2x32 } from "../kernel/math.ts";
import * as s from "../kernel/scalars.ts";
import type { Group } from "../schedule/groups.ts";
import { stepThroughView } from "../schedule/views.ts";
import type { Target } from "../target.ts";
import type { Block, Names } from "./block.ts";

/** What is known of the graph when a kernel is written. */
export interface LoweringScope {
  readonly group: Group;
  /** Whether a value lies in memory before this kernel runs (an input, or stored by another kernel). */
  readonly inMemory: (value: Value) => boolean;
  readonly target: Target;
  /** Names that several groups share which become one kernel. */
  readonly names?: Names;
}

/** Whether loops are over single elements: where invocations are many, four-wide registers are not. */
export function isScalar({ target }: LoweringScope): boolean {
  return target.workgroup !== undefined;
}

/**
 * Writes the elements of values as scalars: a value in memory is a load, a movement changes the index, an elementwise op
 * computes its operands' elements at the same index, and so on down. This is where fusion happens.
 */
export class Computation {
  readonly #scope: LoweringScope;
  readonly #length: number | undefined;
  readonly #buffers = new Map<Value, Buffer>();
  /** Values of the group that are already in registers: at one index, or (without) wherever they are asked for. */
  readonly #bound = new Map<Value, { readonly scalar: Scalar; readonly index?: readonly Expression[] }>();
  /** Elements already written, to keep shared subexpressions shared. */
  #memo = new Map<Value, { readonly index: readonly Expression[]; readonly scalar: Scalar }[]>();
  /** What holds where the element being written is asked for. */
  #guard: Condition = always;
  /** Whether an index was read from a tensor inside a vector loop: such a loop must be written one by one. */
  needsScalarLoops = false;
  /** Floating-point operations written for one element, by loop: for the listing. */
  operations = 0;

  /** `length` overrides the length of buffers of many elements, for a kernel over a wider range than its values. */
  constructor(scope: LoweringScope, length?: number) {
    this.#scope = scope;
    this.#length = length;
  }

  get buffers(): ReadonlyMap<Value, Buffer> {
    return this.#buffers;
  }

  /** The buffer that a value lies in, made on first use; `readwrite` where the kernel reads back what it stores. */
  bufferOf(value: Value, stored: "write" | "readwrite" = "write"): Buffer {
    let buffer = this.#buffers.get(value);
    if (buffer === undefined) {
      const access = this.#scope.group.stores.has(value) ? stored : "read";
      const count = numel(value.shape);
      const length = count === 1 ? 1 : (this.#length ?? count);
      const name = this.#scope.names?.buffer() ?? `b${this.#buffers.size}`;
      buffer = { name, type: scalarType(value.dtype), length, access };
      this.#buffers.set(value, buffer);
    }
    return buffer;
  }

  /** From now on the value is this scalar (a register or an accumulator's element), at any index or the given one. */
  bind(value: Value, scalar: Scalar, index?: readonly Expression[]): void {
    this.#bound.set(value, { scalar, index });
    this.#memo = new Map();
  }

  unbind(value: Value): void {
    this.#bound.delete(value);
    this.#memo = new Map();
  }

  /** Forgets shared elements: called where a loop begins, since its index variables may be new ones of the same meaning. */
  forget(): void {
    this.#memo = new Map();
  }

  /** The element of `value` at `index`, computed in `block`. */
  element(value: Value, index: readonly Expression[], block: Block): Scalar {
    const bound = this.#bound.get(value);
    if (bound && (bound.index === undefined || sameIndex(bound.index, index))) return bound.scalar;
    const known = this.#memo.get(value);
    const found = known?.find((entry) => sameIndex(entry.index, index));
    if (found) return found.scalar;
    const scalar = this.#write(value, index, block);
    if (known) known.push({ index, scalar });
    else this.#memo.set(value, [{ index, scalar }]);
    return scalar;
  }

  #write(value: Value, index: readonly Expression[], block: Block): Scalar {
    if (this.#scope.inMemory(value)) return this.#load(value, index);
    const read = stepThroughView(value, index);
    if (read) return this.#guarded(read.guard, () => this.element(read.base, read.index, block), value.dtype);
    const node = typed(value.node);
    const type = scalarType(value.dtype);
    switch (node.op) {
      case "full":
        return s.constant(type, node.attrs.value);
      case "iota":
        return s.indexValue(index[0], type);
      case "concat":
        return this.#concat(value, index, node.attrs.dim, block);
      case "gather":
        return this.#gather(value, index, node.attrs.dim, block);
      default:
        return this.#map(value, index, block);
    }
  }

  #load(value: Value, index: readonly Expression[]): Scalar {
    return s.load(this.bufferOf(value), linearize(index, value.shape));
  }

  /** Where the guard does not hold, the element is 0 and nothing is loaded. */
  #guarded(guard: Condition, write: () => Scalar, dtype: DType): Scalar {
    if (guard.kind === "always") return write();
    if (guard.kind === "never") return s.constant(scalarType(dtype), 0);
    return s.guard(guard, this.where(guard, write), 0);
  }

  /** What `write` writes for places where the condition holds. It is not shared with what stands outside. */
  where<T>(condition: Condition, write: () => T): T {
    const [outerMemo, outerGuard] = [this.#memo, this.#guard];
    this.#memo = new Map();
    this.#guard = and(outerGuard, condition);
    const result = write();
    this.#memo = outerMemo;
    this.#guard = outerGuard;
    return result;
  }

  /** The element of `value` at `index` where the condition holds, else 0. */
  elementWhere(condition: Condition, value: Value, index: readonly Expression[], block: Block): Scalar {
    return this.#guarded(condition, () => this.element(value, index, block), value.dtype);
  }

  #concat(value: Value, index: readonly Expression[], dim: number, block: Block): Scalar {
    let start = 0;
    let result: Scalar | undefined;
    const at = index[dim];
    for (const part of value.node.inputs) {
      const end = start + part.shape[dim];
      const guard = inRange(at, start, end);
      const inside = index.map((expression, d) => (d === dim ? subtract(expression, start) : expression));
      if (guard.kind !== "never") {
        const scalar = this.#guarded(guard, () => this.element(part, inside, block), value.dtype);
        // Parts do not overlap: all but one are 0, and an integer or (for floats, on the bits) gives that one exactly.
        result = result === undefined ? scalar : combineParts(result, scalar);
      }
      start = end;
    }
    return result ?? s.constant(scalarType(value.dtype), 0);
  }

  #gather(value: Value, index: readonly Expression[], dim: number, block: Block): Scalar {
    const [data, at] = value.node.inputs;
    const size = data.shape[dim];
    // The index is read outside of any guard that stands around the element: there it must not leave its tensor.
    const raw = s.guard(this.#guard, s.cast(this.element(at, index, block), "i32"), 0);
    // As unsigned, a negative index is a large one: one comparison checks both ends.
    const inside = s.binary("lt", s.bitcast(raw, "u32"), s.constant("u32", size));
    const { index: position, needsVector } = block.letIndex(
      s.select(inside, raw, s.constant("i32", 0)),
      0,
      Math.max(size - 1, 0),
    );
    if (needsVector) this.needsScalarLoops = true;
    if (size === 0) return s.constant(scalarType(value.dtype), 0);
    const source = index.map((expression, d) => (d === dim ? position : expression));
    const element = this.element(data, source, block);
    return s.select(inside, element, s.constant(element.type, 0));
  }

  #map(value: Value, index: readonly Expression[], block: Block): Scalar {
    const node = typed(value.node);
    const args = node.inputs.map((input) => this.element(input, index, block));
    this.operations += 1;
    switch (node.op) {
      case "cast":
        return s.cast(args[0], scalarType(node.attrs.dtype));
      case "bitcast":
        return s.bitcast(args[0], scalarType(node.attrs.dtype));
      case "detach":
        return args[0];
      case "where":
        return s.select(args[0], args[1], args[2]);
      case "threefry2x32": {
        const words = threefry2x32(args[0], args[1], args[2], args[3]);
        return words[value.index];
      }
      case "neg":
      case "abs":
      case "sign":
      case "exp":
      case "expm1":
      case "log":
      case "log1p":
      case "log2":
      case "log10":
      case "sqrt":
      case "rsqrt":
      case "reciprocal":
      case "sin":
      case "cos":
      case "tanh":
      case "erf":
      case "erfc":
      case "erfinv":
      case "lgamma":
      case "floor":
      case "ceil":
      case "round":
      case "trunc":
      case "logicalNot":
      case "bitwiseNot":
        return s.unary(node.op satisfies UnaryScalarOp, args[0]);
      case "add":
      case "sub":
      case "mul":
      case "div":
      case "pow":
      case "atan2":
      case "maximum":
      case "minimum":
      case "fmod":
      case "remainder":
      case "floorDivide":
      case "eq":
      case "ne":
      case "lt":
      case "le":
      case "gt":
      case "ge":
      case "logicalAnd":
      case "logicalOr":
      case "bitwiseAnd":
      case "bitwiseOr":
      case "bitwiseXor":
      case "shiftLeft":
      case "shiftRight":
        return s.binary(node.op satisfies BinaryScalarOp, args[0], args[1]);
      default:
        throw new InternalError(
          `lowering: ${node.op} of ${this.#scope.group.template.kind} kernel is not computed elementwise`,
        );
    }
  }
}

function sameIndex(a: readonly Expression[], b: readonly Expression[]): boolean {
  return a.every((expression, dim) => equal(expression, b[dim]));
}

function combineParts(a: Scalar, b: Scalar): Scalar {
  if (a.type === "f32") {
    return s.bitcast(s.binary("bitwiseOr", s.bitcast(a, "u32"), s.bitcast(b, "u32")), "f32");
  }
  return s.binary(a.type === "bool" ? "logicalOr" : "bitwiseOr", a, b);
}

/** How a dtype is held on a device. @throws InternalError for f64, which no device but the reference has. */
export function scalarType(dtype: DType): ScalarType {
  if (dtype === "f64") throw new InternalError("lowering: f64 lives on the reference device alone");
  return dtype;
}
