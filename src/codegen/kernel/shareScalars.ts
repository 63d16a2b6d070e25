import { and, type Condition, formatCondition } from "../index/condition.ts";
import { type Expression, format } from "../index/expression.ts";
import type { Scalar, Statement } from "./ir.ts";
import { argsOf, guard, mapStatements, withArgs } from "./scalars.ts";

/** Makes equal scalars one object (hash-consing). */
export interface ScalarTable {
  /** The one object for this scalar; its operands must come from the table already. */
  readonly intern: (scalar: Scalar) => Scalar;
}

/**
 * An empty table. Buffers, arrays and registers are told apart by identity, indices and conditions by
 * structure.
 */
export function scalarTable(): ScalarTable {
  const canonical = new Set<Scalar>();
  const leaves = new Map<unknown, Map<string, Scalar>>();
  /** By the first two operands. */
  const combined = new Map<Scalar, Map<Scalar | undefined, Scalar[]>>();
  const texts = new Map<Expression | Condition, string>();
  const remember = <T extends Expression | Condition>(of: T, toText: (of: T) => string): string => {
    let text = texts.get(of);
    if (text === undefined) {
      text = toText(of);
      texts.set(of, text);
    }
    return text;
  };
  const leaf = (scalar: Scalar, of: unknown, text: string): Scalar => {
    const alike = entryOf(leaves, of, () => new Map<string, Scalar>());
    return entryOf(alike, text, () => scalar);
  };
  const sameCondition = (a: Condition, b: Condition): boolean =>
    a === b || remember(a, formatCondition) === remember(b, formatCondition);
  const find = (scalar: Scalar): Scalar => {
    switch (scalar.kind) {
      case "constant":
        return leaf(scalar, scalar.type, Object.is(scalar.value, -0) ? "-0" : String(scalar.value));
      case "register":
        return leaf(scalar, scalar.register, "");
      case "local":
        return leaf(scalar, scalar.array, remember(scalar.index, format));
      case "load":
        return leaf(scalar, scalar.buffer, remember(scalar.index, format));
      case "index":
        return leaf(scalar, "index", `${scalar.type} ${remember(scalar.expression, format)}`);
      default: {
        const [first, second]: readonly Scalar[] = scalar.args;
        const byFirst = entryOf(combined, first, () => new Map<Scalar | undefined, Scalar[]>());
        const alike = entryOf(byFirst, second, () => []);
        const known = alike.find((other) => sameOperation(scalar, other, sameCondition));
        if (known === undefined) alike.push(scalar);
        return known ?? scalar;
      }
    }
  };
  return {
    intern: (scalar) => {
      if (canonical.has(scalar)) return scalar;
      const found = find(scalar);
      canonical.add(found);
      return found;
    },
  };
}

/** What the map has for a key, put there first if need be. */
function entryOf<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let entry = map.get(key);
  if (entry === undefined) {
    entry = make();
    map.set(key, entry);
  }
  return entry;
}

/** Whether two scalars do the same to the same operands. */
function sameOperation(
  a: Scalar,
  b: Scalar,
  sameCondition: (a: Condition, b: Condition) => boolean,
): boolean {
  if (a.kind !== b.kind || a.type !== b.type) return false;
  if (argsOf(a).some((arg, at) => arg !== argsOf(b)[at])) return false;
  if ((a.kind === "unary" || a.kind === "binary") && "op" in b) return a.op === b.op;
  if (a.kind === "guard" && b.kind === "guard")
    return Object.is(a.otherwise, b.otherwise) && sameCondition(a.condition, b.condition);
  return true;
}

/**
 * The statements with equal scalars made one object, and guards prepared for naming. A name cannot stand inside a guard,
 * so what loads there stays written out there, and where such a part is shared it would be written many times over. In
 * those guards, each load gets a guard of its own: guard(c, f(load), o) becomes guard(c, f(guard(c, load, 0)), o), and f
 * may leave the outer guard. `free` is filled with the guards of which that is true.
 */
export function shareScalars(body: readonly Statement[], table: ScalarTable, free: Set<Scalar>): Statement[] {
  const loads = loadTest();
  return mapStatements(body, (of) => {
    if (of.kind !== "guard") return table.intern(of);
    const shared = sharesLoads(of.args[0], loads);
    return shared ? protectGuard(of, of.condition, table, free) : table.intern(of);
  });
}

/** A test, remembering what it saw, for scalars that load from memory. */
export function loadTest(): (scalar: Scalar) => boolean {
  const known = new Map<Scalar, boolean>();
  const loads = (of: Scalar): boolean => {
    const result = known.get(of) ?? (of.kind === "load" || argsOf(of).some(loads));
    known.set(of, result);
    return result;
  };
  return loads;
}

/** Whether a part of the scalar that loads is used twice in it. */
function sharesLoads(scalar: Scalar, loads: (of: Scalar) => boolean): boolean {
  const seen = new Set<Scalar>();
  const walk = (of: Scalar): boolean => {
    if (!loads(of)) return false;
    if (seen.has(of)) return true;
    seen.add(of);
    return argsOf(of).some(walk);
  };
  return walk(scalar);
}

/** The guard with a guard of its own, that holds under `condition` at most, around each load in it. */
function protectGuard(
  of: Extract<Scalar, { kind: "guard" }>,
  condition: Condition,
  table: ScalarTable,
  free: Set<Scalar>,
): Scalar {
  const memo = new Map<Scalar, Scalar>();
  const protect = (inner: Scalar): Scalar => {
    const known = memo.get(inner);
    if (known !== undefined) return known;
    const result = protectOne(inner);
    memo.set(inner, result);
    return result;
  };
  const protectOne = (inner: Scalar): Scalar => {
    if (inner.kind === "load") return table.intern(guard(condition, inner, 0));
    if (inner.kind !== "guard") return table.intern(withArgs(inner, argsOf(inner).map(protect)));
    const both = and(condition, inner.condition);
    if (inner.args[0].kind === "load") return table.intern(guard(both, inner.args[0], inner.otherwise));
    return protectGuard(inner, both, table, free);
  };
  const result = table.intern(guard(of.condition, protect(of.args[0]), of.otherwise));
  free.add(result);
  return result;
}
