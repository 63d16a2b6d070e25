import type { Statement } from "./ir.ts";

/** The parts of a kernel's body between barriers of the whole device: each ends everywhere before the next begins. */
export function phasesOf(body: readonly Statement[]): Statement[][] {
  const phases: Statement[][] = [[]];
  for (const statement of body) {
    if (statement.kind === "barrier" && statement.scope === "device") phases.push([]);
    else phases[phases.length - 1].push(statement);
  }
  return phases;
}

/** One body of phases, with barriers between them. */
export function joinPhases(phases: readonly (readonly Statement[])[]): Statement[] {
  return phases.flatMap((phase, i): Statement[] =>
    i === 0 ? [...phase] : [{ kind: "barrier", scope: "device" }, ...phase],
  );
}
