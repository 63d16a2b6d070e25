import { and, type Condition, formatCondition } from "../index/condition.ts";
import { type Expression, format } from "../index/expression.ts";
import type { Scalar, Statement } from "./ir.ts";
import { argsOf, guard, mapStatements, withArgs } from "./scalars.ts";

/** Makes equal scalars one object (hash-consing). */
export interface ScalarTable {
  /** The one object for this scalar; its operands must come from the table already. */
  readonly intern: (scalar: Scalar) => Scalar;
}

/** Numbers things in the order in which they are first seen. */
function numbering<T>(): (of: T) => number {
  const numbers = new Map<T, number>();
  return (of) => {
    const number = numbers.get(of) ?? numbers.size;
    numbers.set(of, number);
    return number;
  };
}

/**
 * An empty table. Buffers, arrays and registers are told apart by identity, indices and conditions by
 * structure.
 */
export function scalarTable(): ScalarTable {
  const known = new Map<string, Scalar>();
  const scalarNumber = numbering<Scalar>();
  const objectNumber = numbering<object>();
  const texts = new Map<Expression | Condition, string>();
  const remember = <T extends Expression | Condition>(of: T, toText: (of: T) => string): string => {
    const text = texts.get(of) ?? toText(of);
    texts.set(of, text);
    return text;
  };
  const payload = (of: Scalar): string => {
    switch (of.kind) {
      case "constant":
        return Object.is(of.value, -0) ? "-0" : String(of.value);
      case "register":
        return String(objectNumber(of.register));
      case "local":
        return `${objectNumber(of.array)} ${remember(of.index, format)}`;
      case "load":
        return `${objectNumber(of.buffer)} ${remember(of.index, format)}`;
      case "index":
        return remember(of.expression, format);
      case "unary":
      case "binary":
        return of.op;
      case "guard":
        return `${of.otherwise} ${remember(of.condition, formatCondition)}`;
      default:
        return "";
    }
  };
  return {
    intern: (scalar) => {
      const operands = argsOf(scalar).map(scalarNumber).join(",");
      const key = `${scalar.kind} ${scalar.type} ${payload(scalar)} (${operands})`;
      const first = known.get(key) ?? scalar;
      known.set(key, first);
      return first;
    },
  };
}

/** The statements with equal scalars made one object. */
export function shareScalars(body: readonly Statement[], table: ScalarTable): Statement[] {
  return mapStatements(body, table.intern);
}

/**
 * Prepares guards for naming. A name cannot stand inside a guard, so what loads there stays written out
 * there, and where such a part is shared it would be written many times over. In those guards, each load gets
 * a guard of its own: guard(c, f(load), o) becomes guard(c, f(guard(c, load, 0)), o), and f may leave the
 * outer guard. `free` is filled with the guards of which that is true.
 */
export function freeGuards(body: readonly Statement[], table: ScalarTable, free: Set<Scalar>): Statement[] {
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
