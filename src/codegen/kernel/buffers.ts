import type { Buffer, Statement } from "./ir.ts";
import { walkScalars } from "./scalars.ts";

/** The buffers that statements store to. */
export function storedIn(body: readonly Statement[]): Set<Buffer> {
  const stored = new Set<Buffer>();
  const walk = (statement: Statement): void => {
    if (statement.kind === "for" || statement.kind === "if") statement.body.forEach(walk);
    else if (statement.kind === "store") stored.add(statement.buffer);
  };
  body.forEach(walk);
  return stored;
}

/** The buffers that statements load from. */
export function loadedIn(body: readonly Statement[]): Set<Buffer> {
  const loaded = new Set<Buffer>();
  walkScalars(body, (scalar) => {
    if (scalar.kind === "load") loaded.add(scalar.buffer);
  });
  return loaded;
}

/** The buffers that statements load from or store to. */
export function usedIn(body: readonly Statement[]): Set<Buffer> {
  return new Set([...loadedIn(body), ...storedIn(body)]);
}
