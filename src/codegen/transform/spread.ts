import { type Condition, lessThan } from "../index/condition.ts";
import { add, delinearize, type Expression, multiply, opaquesOf, variable } from "../index/expression.ts";
import { loadedIn, storedIn } from "../kernel/buffers.ts";
import type { Axis, Buffer, LocalArray, Register, Statement } from "../kernel/ir.ts";
import { joinPhases, phasesOf } from "../kernel/phases.ts";
import { walkScalars } from "../kernel/scalars.ts";
import { substituteAxes } from "./substitute.ts";

/** Invocations of a workgroup of independent iterations. */
const groupSize = 64;

/**
 * Spreads any kernel over invocations: each grid loop at the top, with the grid loops right inside it, becomes a phase
 * with an invocation an iteration; what stands between such loops runs in a single one. Phases that say already what
 * their workgroups do stay as they are.
 */
export function spread(body: readonly Statement[]): Statement[] {
  const phases = phasesOf(body).flatMap((phase) => independentPhases(phase) ?? [inOrder(phase)]);
  return joinPhases(phases.map(spreadPhase));
}

function hasWorkgroups(body: readonly Statement[]): boolean {
  return body.some(
    (statement) =>
      (statement.kind === "for" && (statement.axis.tag === "local" || hasWorkgroups(statement.body))) ||
      (statement.kind === "if" && hasWorkgroups(statement.body)),
  );
}

/**
 * The statements cut before and after each parallel loop. What is named at the top is named again in every phase that
 * needs it; undefined where that would not be the same, or where an array lives across.
 */
function independentPhases(body: readonly Statement[]): Statement[][] | undefined {
  const isParallel = (statement: Statement): boolean =>
    statement.kind === "for" && (statement.axis.tag === "grid" || statement.axis.tag === "local");
  const phases: Statement[][] = [];
  let open = false;
  for (const statement of body) {
    if (open && !isParallel(statement)) phases[phases.length - 1].push(statement);
    else phases.push([statement]);
    open = !isParallel(statement);
  }
  if (phases.length === 1) return phases;
  const lets = body.flatMap((statement) => (statement.kind === "let" ? [statement] : []));
  const stored = storedIn(body);
  const complete = phases
    .filter((phase) => phase.some(({ kind }) => kind !== "let"))
    .map((phase) => [...missingLets(phase, lets), ...phase]);
  const repeated = lets.filter((one) => complete.filter((phase) => phase.includes(one)).length > 1);
  if ([...loadedIn(repeated)].some((buffer: Buffer) => stored.has(buffer))) return undefined;
  return complete.every(declaresItsArrays) ? complete : undefined;
}

type Let = Extract<Statement, { kind: "let" }>;

/** The lets that a phase needs and does not have, in order. */
function missingLets(phase: readonly Statement[], lets: readonly Let[]): Let[] {
  const needed = new Set<Let>();
  for (let found = true; found; ) {
    const registers = registersIn([...needed, ...phase]);
    const more = lets.filter(
      (one) =>
        !phase.includes(one) &&
        !needed.has(one) &&
        (registers.has(one.register) || registers.has(one.register.opaqueId)),
    );
    for (const one of more) needed.add(one);
    found = more.length > 0;
  }
  return lets.filter((one) => needed.has(one));
}

/** The registers that statements read, and the ids of those that their indices use. */
function registersIn(body: readonly Statement[]): Set<Register | number | undefined> {
  const found = new Set<Register | number | undefined>();
  const index = (...expressions: readonly Expression[]): void => {
    for (const id of opaquesOf(...expressions).keys()) found.add(id);
  };
  walkScalars(body, (scalar) => {
    if (scalar.kind === "register") found.add(scalar.register);
    else if (scalar.kind === "load" || scalar.kind === "local") index(scalar.index);
    else if (scalar.kind === "index") index(scalar.expression);
    else if (scalar.kind === "guard") index(...sidesOf(scalar.condition));
  });
  const walk = (statement: Statement): void => {
    if (statement.kind === "store" || statement.kind === "set") index(statement.index);
    if (statement.kind === "if") index(...sidesOf(statement.condition));
    if (statement.kind === "for" || statement.kind === "if") statement.body.forEach(walk);
  };
  body.forEach(walk);
  found.delete(undefined);
  return found;
}

function sidesOf(condition: Condition): Expression[] {
  if (condition.kind === "always" || condition.kind === "never") return [];
  const comparisons = condition.kind === "and" ? condition.conditions : [condition];
  return comparisons.flatMap(({ left, right }) => [left, right]);
}

function declaresItsArrays(phase: readonly Statement[]): boolean {
  const declared = new Set<LocalArray>();
  const used = new Set<LocalArray>();
  const walk = (statement: Statement): void => {
    if (statement.kind === "declare") declared.add(statement.array);
    else if (statement.kind === "set") used.add(statement.array);
    else if (statement.kind === "for" || statement.kind === "if") statement.body.forEach(walk);
  };
  phase.forEach(walk);
  walkScalars(phase, (scalar) => {
    if (scalar.kind === "local") used.add(scalar.array);
  });
  return [...used].every((array) => declared.has(array));
}

/** The statements for a single invocation. */
function inOrder(body: readonly Statement[]): Statement[] {
  return body.map((statement) => {
    if (statement.kind === "if") return { ...statement, body: inOrder(statement.body) };
    if (statement.kind !== "for") return statement;
    const tag = statement.axis.tag === "grid" ? "loop" : statement.axis.tag;
    return { ...statement, axis: { ...statement.axis, tag }, body: inOrder(statement.body) };
  });
}

function spreadPhase(phase: readonly Statement[], number: number): Statement[] {
  if (hasWorkgroups(phase)) return [...phase];
  const { axes, body } = gridOf(phase);
  const extents = axes.map(({ extent }) => extent);
  const count = extents.reduce((product, extent) => product * extent, 1);
  if (count === 1) return [...phase];
  const size = Math.min(groupSize, count);
  const group: Axis = { name: `group${number}`, extent: Math.ceil(count / size), tag: "grid" };
  const lane: Axis = { name: `lane${number}`, extent: size, tag: "local" };
  const position = add(multiply(variable(group.name, group.extent), size), variable(lane.name, size));
  const indices = delinearize(position, extents);
  const replacements = new Map(axes.map(({ name }, i): [string, Expression] => [name, indices[i]]));
  const inner = substituteAxes(body, replacements);
  const inRange = lessThan(position, count);
  const guarded: Statement[] =
    inRange.kind === "always" ? inner : [{ kind: "if", condition: inRange, body: inner }];
  const invocations: Statement = { kind: "for", axis: lane, body: guarded };
  return group.extent === 1 ? [invocations] : [{ kind: "for", axis: group, body: [invocations] }];
}

/** The grid axes around a phase, each the only loop of its block, and the statements inside. */
function gridOf(phase: readonly Statement[]): {
  readonly axes: readonly Axis[];
  readonly body: readonly Statement[];
} {
  const last = phase[phase.length - 1];
  const before = phase.slice(0, -1);
  if (last?.kind !== "for" || last.axis.tag !== "grid" || before.some(({ kind }) => kind !== "let"))
    return { axes: [], body: phase };
  const inner = gridOf(last.body);
  return { axes: [last.axis, ...inner.axes], body: [...before, ...inner.body] };
}
