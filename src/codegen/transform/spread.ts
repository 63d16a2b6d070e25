import { lessThan } from "../index/condition.ts";
import { add, delinearize, type Expression, multiply, variable } from "../index/expression.ts";
import { loadedIn, storedIn } from "../kernel/buffers.ts";
import type { Axis, Buffer, Statement } from "../kernel/ir.ts";
import { joinPhases } from "../kernel/phases.ts";
import { substituteAxes } from "./substitute.ts";

/** Invocations of a workgroup of independent iterations. */
const groupSize = 64;

/**
 * Spreads any kernel over invocations: each grid loop at the top, with the grid loops right inside it, becomes a phase
 * with an invocation an iteration; what stands between such loops runs in a single one. A kernel that needs more than
 * that of its target writes its workgroups itself, and is left as it is.
 */
export function spread(body: readonly Statement[]): Statement[] {
  if (hasWorkgroups(body)) return [...body];
  const phases = independentPhases(body);
  return phases === undefined ? inOrder(body) : joinPhases(phases.map(spreadPhase));
}

/** Whether the kernel says already what runs where. */
function hasWorkgroups(body: readonly Statement[]): boolean {
  return body.some((statement) => {
    if (statement.kind === "barrier") return true;
    if (statement.kind === "for") return statement.axis.tag === "local" || hasWorkgroups(statement.body);
    return statement.kind === "if" && hasWorkgroups(statement.body);
  });
}

/**
 * The statements cut before and after each grid loop. What is named at the top is named again in every phase;
 * undefined where that would not be the same, or where an array lives across.
 */
function independentPhases(body: readonly Statement[]): Statement[][] | undefined {
  const isGrid = (statement: Statement): boolean => statement.kind === "for" && statement.axis.tag === "grid";
  if (!body.some(isGrid)) return [[...body]];
  const lets = body.filter((statement) => statement.kind === "let");
  const stored = storedIn(body);
  const changes = [...loadedIn(lets)].some((buffer: Buffer) => stored.has(buffer));
  const rest = body.filter((statement) => statement.kind !== "let");
  if (changes || rest.some(({ kind }) => kind === "declare" || kind === "set")) return undefined;
  const phases: Statement[][] = [];
  let open = false;
  for (const statement of rest) {
    if (open && !isGrid(statement)) phases[phases.length - 1].push(statement);
    else phases.push([...lets, statement]);
    open = !isGrid(statement);
  }
  return phases;
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
