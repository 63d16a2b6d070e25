import type { Comparison, Condition } from "../index/condition.ts";
import {
  type Atom,
  add,
  constantPartOf,
  type Expression,
  multiply,
  type Term,
  termsOf,
} from "../index/expression.ts";
import type { Buffer } from "../kernel/ir.ts";
import type { KernelContext } from "./context.ts";

// Index expressions, addresses and conditions as i32 code. All expressions here are resolved and the same in all lanes.
// Terms are grouped by the loop they depend on and summed from the outside in, so that each loop computes only what
// its own variable changes.

/** The depth of the innermost scope that expressions depend on. */
export function depthOf(context: KernelContext, ...expressions: readonly Expression[]): number {
  let depth = 0;
  for (const expression of expressions) {
    const { variables, opaques } = context.factsOf(expression);
    for (const name of variables) depth = Math.max(depth, context.loop(name).depth);
    for (const id of opaques) depth = Math.max(depth, context.opaque(id).depth);
  }
  return depth;
}

/** A number that is equal for equal values only: run-time indices are named by where they lie. */
export function indexKey(context: KernelContext, expression: Expression): number {
  const { number, opaques } = context.factsOf(expression);
  return opaques.length === 0 ? number : withOpaques(context, number, opaques);
}

function withOpaques(context: KernelContext, key: number, opaques: readonly number[]): number {
  const { lane } = context.environment;
  let text = "";
  for (const id of opaques) {
    const { local, vector } = context.opaque(id);
    text += ` @${id}=${local}${vector ? `.${lane}` : ""}`;
  }
  return context.numbering.pair(key, context.numbering.text(text));
}

/** The key of a value that is of the given kind and made of what has the other key. */
function keyOf({ numbering }: KernelContext, kind: string, of: number): number {
  return numbering.pair(numbering.text(kind), of);
}

/** Leaves the value of an expression on the stack. */
export function emitIndex(context: KernelContext, expression: Expression): void {
  const { builder } = context;
  if (expression.kind === "constant") builder.emit("i32.const", expression.value);
  else if (expression.kind === "variable") builder.emit("local.get", context.loop(expression.name).local);
  else {
    const depth = depthOf(context, expression);
    const key = keyOf(context, "index of", indexKey(context, expression));
    builder.cached(key, depth, "i32", "index", () => {
      const { inner, outer } = splitByDepth(context, expression, depth);
      const hasOuter = outer.kind !== "constant" || outer.value !== 0;
      if (hasOuter) emitIndex(context, outer);
      emitTerms(context, inner, hasOuter);
    });
  }
}

/** The terms that depend on the scope at `depth`, and the rest of the sum. */
function splitByDepth(
  context: KernelContext,
  expression: Expression,
  depth: number,
): { inner: readonly Term[]; outer: Expression } {
  const terms = termsOf(expression);
  const inner = terms.filter(({ of }) => depthOf(context, of) === depth);
  const rest = terms.filter((term) => !inner.includes(term)).map(({ factor, of }) => multiply(of, factor));
  return { inner, outer: add(constantPartOf(expression), ...rest) };
}

/** Adds terms to the sum on the stack, or begins one. */
function emitTerms(context: KernelContext, terms: readonly Term[], begun: boolean): void {
  const { builder } = context;
  let onStack = begun;
  for (const { factor, of } of [...terms].sort((a, b) => b.factor - a.factor)) {
    if (!onStack && factor < 0) {
      builder.emit("i32.const", 0);
      onStack = true;
    }
    emitAtom(context, of);
    emitMultiply(context, Math.abs(factor));
    if (onStack) builder.emit(factor < 0 ? "i32.sub" : "i32.add");
    onStack = true;
  }
}

/** Multiplies the value on the stack by a positive integer. */
function emitMultiply({ builder }: KernelContext, factor: number): void {
  if (factor === 1) return;
  const shift = Math.log2(factor);
  builder.emit("i32.const", Number.isInteger(shift) ? shift : factor | 0);
  builder.emit(Number.isInteger(shift) ? "i32.shl" : "i32.mul");
}

function emitAtom(context: KernelContext, atom: Atom): void {
  const { builder } = context;
  switch (atom.kind) {
    case "variable":
      builder.emit("local.get", context.loop(atom.name).local);
      return;
    case "opaque": {
      const { local, vector } = context.opaque(atom.id);
      builder.emit("local.get", local);
      const { lane } = context.environment;
      if (vector) builder.emit("i32x4.extract_lane", typeof lane === "number" ? lane : 0);
      return;
    }
    case "floorDivide":
      emitDivision(context, atom.of, atom.divisor, "i32.shr_u", "i32.div_u");
      return;
    case "modulo":
      emitDivision(context, atom.of, atom.modulus, "i32.and", "i32.rem_u");
      return;
    case "product":
      emitIndex(context, atom.left);
      emitIndex(context, atom.right);
      builder.emit("i32.mul");
      return;
    case "minimum":
    case "maximum":
      for (const operand of [atom.left, atom.right, atom.left, atom.right]) emitIndex(context, operand);
      builder.emit(atom.kind === "minimum" ? "i32.lt_s" : "i32.gt_s");
      builder.emit("select");
  }
}

/** Dividends are never negative. */
function emitDivision(
  context: KernelContext,
  dividend: Expression,
  divisor: number,
  byPower: "i32.shr_u" | "i32.and",
  general: "i32.div_u" | "i32.rem_u",
): void {
  emitIndex(context, dividend);
  const shift = Math.log2(divisor);
  if (Number.isInteger(shift)) {
    context.builder.emit("i32.const", byPower === "i32.and" ? divisor - 1 : shift);
    context.builder.emit(byPower);
  } else {
    context.builder.emit("i32.const", divisor);
    context.builder.emit(general);
  }
}

const elementBytes = 4;

/**
 * Leaves an address on the stack and returns the offset, in bytes, that the access adds to it: the least value of the
 * index. So addresses that differ by a constant share their code, and no address lies before its buffer.
 */
export function emitAddress(context: KernelContext, buffer: Buffer, index: Expression): number {
  const { offset, rest } = context.fromLeast(index);
  emitAddressOf(context, buffer, rest);
  return offset * elementBytes;
}

function emitAddressOf(context: KernelContext, buffer: Buffer, index: Expression): void {
  const { builder } = context;
  const parameter = context.bufferNumber(buffer);
  if (index.kind === "constant" && index.value === 0) {
    builder.emit("local.get", parameter);
    return;
  }
  const base = keyOf(context, "address", context.numbering.integer(parameter));
  const key = context.numbering.pair(base, indexKey(context, index));
  const known = builder.find(key);
  if (known !== undefined) {
    builder.emit("local.get", known);
    return;
  }
  const depth = depthOf(context, index);
  const { inner, outer } = splitByDepth(context, index, depth);
  const [only] = inner;
  if (inner.length === 1 && only?.of.kind === "variable") {
    const start = () => emitAddressOf(context, buffer, outer);
    builder.induction(key, depth, `${buffer.name}.at`, start, only.factor * elementBytes);
    return;
  }
  builder.cached(key, depth, "i32", `${buffer.name}.at`, () => {
    if (index.kind === "constant") {
      builder.emit("local.get", parameter);
      builder.emit("i32.const", (index.value * elementBytes) | 0);
      builder.emit("i32.add");
      return;
    }
    emitAddressOf(context, buffer, outer);
    emitTerms(
      context,
      inner.map(({ factor, of }) => ({ factor: factor * elementBytes, of })),
      true,
    );
  });
}

/** The comparisons that must all hold. */
export function comparisonsOf(condition: Condition): readonly Comparison[] {
  if (condition.kind === "and") return condition.conditions;
  return condition.kind === "less" || condition.kind === "equal" ? [condition] : [];
}

/** The expressions that a condition compares. */
export function sidesOf(condition: Condition): Expression[] {
  return comparisonsOf(condition).flatMap(({ left, right }) => [left, right]);
}

/** A number that is equal for equal conditions only. */
export function conditionKey(context: KernelContext, condition: Condition): number {
  const number = context.conditionNumber(condition);
  const opaques = sidesOf(condition).flatMap((side) => context.factsOf(side).opaques);
  return opaques.length === 0 ? number : withOpaques(context, number, opaques);
}

/** Leaves 1 on the stack if the condition holds, else 0. */
export function emitCondition(context: KernelContext, condition: Condition): void {
  const { builder } = context;
  const comparisons = comparisonsOf(condition);
  if (comparisons.length === 0) {
    builder.emit("i32.const", condition.kind === "always" ? 1 : 0);
    return;
  }
  const depth = depthOf(context, ...sidesOf(condition));
  const key = keyOf(context, "condition", conditionKey(context, condition));
  builder.cached(key, depth, "i32", "holds", () => {
    comparisons.forEach(({ kind, left, right }, at) => {
      emitIndex(context, left);
      emitIndex(context, right);
      builder.emit(kind === "less" ? "i32.lt_s" : "i32.eq");
      if (at > 0) builder.emit("i32.and");
    });
  });
}
