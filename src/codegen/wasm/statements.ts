import { InternalError } from "../../graph/errors.ts";
import {
  coefficientOf,
  constant,
  type Expression,
  multiply,
  variable,
  variablesOf,
} from "../index/expression.ts";
import type { Axis, LocalArray, Statement } from "../kernel/ir.ts";
import { walkScalars } from "../kernel/scalars.ts";
import { changedBy, fourFrom, type KernelContext } from "./context.ts";
import { describe } from "./describe.ts";
import { emitAddress, emitCondition, sidesOf } from "./indices.ts";
import { valueTypeOf } from "./scalarOps.ts";
import { elementNumber, emitScalar, emitVector, holdsForAllLanes, isRun, localOfRun } from "./values.ts";
import { laneBits, laneCount, replaceLane, toMemory } from "./vectorOps.ts";

type Of<Kind extends Statement["kind"]> = Extract<Statement, { kind: Kind }>;

/** A vector axis longer than this becomes a loop of four at a time, if no local array needs it written out. */
const longestWrittenOut = 64;

export function emitStatements(context: KernelContext, statements: readonly Statement[]): void {
  for (const statement of statements) {
    context.environment.described.clear();
    emitStatement(context, statement);
  }
}

function emitStatement(context: KernelContext, statement: Statement): void {
  switch (statement.kind) {
    case "for":
      emitFor(context, statement);
      return;
    case "if":
      emitIf(context, statement);
      return;
    case "let":
      emitLet(context, statement);
      return;
    case "declare":
      emitDeclare(context, statement.array);
      return;
    case "set":
      emitSet(context, statement);
      return;
    case "store":
      emitStore(context, statement);
      return;
    case "barrier":
      throw new InternalError("wasm: a barrier, but kernels here have no workgroups");
  }
}

function emitFor(context: KernelContext, { axis, body }: Of<"for">): void {
  const { name, extent } = axis;
  if (axis.tag === "vector") {
    emitVectorFor(context, axis, body);
    return;
  }
  if (axis.tag === "unroll" || extent <= 1) {
    for (let at = 0; at < extent; at++) {
      context.withVariable(name, constant(at), () => emitStatements(context, body));
    }
    return;
  }
  if (context.environment.lane !== "none") {
    throw new InternalError(`wasm: the vector loop around ${name} may contain no loop but unrolled ones`);
  }
  emitLoop(context, name, extent, body, () => emitStatements(context, body));
}

function emitLoop(
  context: KernelContext,
  name: string,
  extent: number,
  body: readonly Statement[],
  emit: () => void,
): void {
  const { builder, loops } = context;
  // What was read before the loop is no longer the same in its second iteration.
  for (const changed of changedBy(body)) context.change(changed);
  builder.loop(name, extent, (local) => {
    loops.set(name, { local, depth: builder.scope.depth, vector: false });
    emit();
    loops.delete(name);
  });
}

function emitVectorFor(context: KernelContext, { name, extent }: Axis, body: readonly Statement[]): void {
  if (extent % laneCount !== 0 || context.environment.lane !== "none") {
    throw new InternalError(
      extent % laneCount !== 0
        ? `wasm: the vector axis ${name} has extent ${extent}; make it a multiple of ${laneCount}`
        : `wasm: the vector axis ${name} lies in another vector loop`,
    );
  }
  const emitFour = (base: Expression) =>
    context.withVariable(name, fourFrom(base), () => emitStatements(context, body), "all");
  const chunks = extent / laneCount;
  if (extent > longestWrittenOut && !indexesArrays(body, name)) {
    const chunk = `${name}/${laneCount}`;
    emitLoop(context, chunk, chunks, body, () => emitFour(multiply(variable(chunk, chunks), laneCount)));
  } else for (let at = 0; at < chunks; at++) emitFour(constant(at * laneCount));
}

/** Calls `visit` for every index into a local array. */
function forEachArrayIndex(
  body: readonly Statement[],
  visit: (array: LocalArray, index: Expression) => void,
): void {
  walkScalars(body, (scalar) => {
    if (scalar.kind === "local") visit(scalar.array, scalar.index);
  });
  const walk = (statements: readonly Statement[]): void => {
    for (const statement of statements) {
      if (statement.kind === "for" || statement.kind === "if") walk(statement.body);
      else if (statement.kind === "set") visit(statement.array, statement.index);
    }
  };
  walk(body);
}

function indexesArrays(body: readonly Statement[], axis: string): boolean {
  let found = false;
  forEachArrayIndex(body, (_, index) => {
    found ||= variablesOf(index).has(axis);
  });
  return found;
}

/** The arrays of which some vector loop uses four adjacent elements at once. */
export function vectorArrays(body: readonly Statement[]): Set<LocalArray> {
  const found = new Set<LocalArray>();
  const walk = (statements: readonly Statement[]): void => {
    for (const statement of statements) {
      if (statement.kind === "if") walk(statement.body);
      if (statement.kind !== "for") continue;
      const { axis } = statement;
      if (axis.tag !== "vector") walk(statement.body);
      else {
        forEachArrayIndex(statement.body, (array, index) => {
          if (coefficientOf(index, axis.name) === 1) found.add(array);
        });
      }
    }
  };
  walk(body);
  return found;
}

function emitIf(context: KernelContext, { condition, body }: Of<"if">): void {
  const { builder } = context;
  const resolved = context.resolveCondition(condition);
  if (resolved.kind === "never") return;
  const emit = () => emitStatements(context, body);
  if (resolved.kind === "always") {
    emit();
    return;
  }
  const varies = context.variesByLane(...sidesOf(resolved));
  const forAll = holdsForAllLanes(context, condition);
  const emitLanes = () => {
    for (let lane = 0; lane < laneCount; lane++) {
      context.inLane(lane, () => emitIf(context, { kind: "if", condition, body }));
    }
  };
  if (forAll === undefined || forAll.kind === "never") emitLanes();
  else {
    emitCondition(context, forAll);
    builder.branch(undefined, emit, varies ? emitLanes : undefined);
  }
}

function emitLet(context: KernelContext, { register, value }: Of<"let">): void {
  const { builder } = context;
  const vector = context.environment.lane === "all" && !describe(context, value).uniform;
  if (vector) emitVector(context, value);
  else emitScalar(context, value);
  const local = builder.nameTop(vector ? "v128" : valueTypeOf(register.type), register.name);
  const binding = { local, depth: builder.locals[local]?.depth ?? builder.scope.depth, vector };
  context.registers.set(register, binding);
  if (register.opaqueId !== undefined) context.opaques.set(register.opaqueId, binding);
}

function emitDeclare(context: KernelContext, array: LocalArray): void {
  const { builder, arrays } = context;
  let known = arrays.get(array);
  if (known === undefined) {
    const vector = context.vectorArrays.has(array);
    const count = vector ? Math.ceil(array.length / laneCount) : array.length;
    const type = vector ? "v128" : valueTypeOf(array.type);
    const locals = Array.from({ length: count }, (_, at) => {
      return builder.newLocal(type, `${array.name}.${vector ? at * laneCount : at}`, true);
    });
    known = { locals, vector };
    arrays.set(array, known);
  }
  for (const local of known.locals) {
    emitInitial(context, array, known.vector);
    builder.emit("local.set", local);
  }
  context.change(array);
}

function emitInitial({ builder }: KernelContext, { type, initial }: LocalArray, vector: boolean): void {
  const bits = laneBits(type, initial);
  if (vector) builder.emit("v128.const", bits, bits, bits, bits);
  else if (type === "f32") builder.emit("f32.const", initial);
  else builder.emit("i32.const", initial | 0);
}

function emitSet(context: KernelContext, statement: Of<"set">): void {
  const { builder } = context;
  const { array, value } = statement;
  const index = context.resolve(statement.index);
  if (context.environment.lane === "all") {
    const run = localOfRun(context, array, index);
    if (run === undefined) {
      // Not four adjacent elements: one iteration after the other.
      for (let lane = 0; lane < laneCount; lane++) {
        context.inLane(lane, () => emitSet(context, statement));
      }
      return;
    }
    emitVector(context, value);
    builder.emit("local.set", run);
  } else {
    const at = elementNumber(array, index);
    const { locals, vector } = context.array(array);
    const local = locals[vector ? Math.floor(at / laneCount) : at] ?? -1;
    if (vector) builder.emit("local.get", local);
    emitScalar(context, value);
    if (vector) replaceLane(builder, array.type, at % laneCount);
    builder.emit("local.set", local);
  }
  context.change(array);
}

function emitStore(context: KernelContext, { buffer, index, value }: Of<"store">): void {
  const { builder } = context;
  const resolved = context.resolve(index);
  if (context.environment.lane !== "all") {
    const offset = emitAddress(context, buffer, resolved);
    emitScalar(context, value);
    builder.emit(`${valueTypeOf(buffer.type)}.store`, offset);
  } else if (isRun(context, resolved)) {
    const offset = emitAddress(context, buffer, context.atLane(resolved, 0));
    emitVector(context, value);
    toMemory(builder, buffer.type);
    builder.emit("v128.store", offset);
  } else {
    emitVector(context, value);
    storeLanes(context, index, buffer);
  }
  context.change(buffer);
}

/** Stores the lanes of the vector on the stack one by one. */
function storeLanes(context: KernelContext, index: Expression, buffer: Of<"store">["buffer"]): void {
  const { builder } = context;
  toMemory(builder, buffer.type);
  const value = builder.intoLocal("v128", "value");
  for (let lane = 0; lane < laneCount; lane++) {
    let offset = 0;
    context.inLane(lane, () => {
      offset = emitAddress(context, buffer, context.resolve(index));
    });
    builder.emit("local.get", value);
    builder.emit("v128.store32_lane", offset, lane);
  }
}
