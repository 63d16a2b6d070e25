import { InternalError } from "../../graph/errors.ts";
import { type Condition, substituteCondition } from "../index/condition.ts";
import {
  add,
  constant,
  type Expression,
  opaquesOf,
  substitute,
  variable,
  variablesOf,
} from "../index/expression.ts";
import type { Buffer, Kernel, LocalArray, Register, Scalar, Statement } from "../kernel/ir.ts";
import { FunctionBuilder } from "./functionBuilder.ts";
import { laneCount } from "./vectorOps.ts";

/** A value in a wasm local. */
export interface Binding {
  readonly local: number;
  /** The depth of the scope that sets it. */
  readonly depth: number;
  /** Whether the local holds four lanes. */
  readonly vector: boolean;
}

/** A local array's elements: one in each local, or four if `vector`. */
export interface ArrayLocals {
  readonly locals: readonly number[];
  readonly vector: boolean;
}

/** What a scalar is in its place, apart from its type: found without emitting anything. */
export interface Description {
  /** Equal keys, equal values. */
  readonly key: number;
  /** The depth of the innermost scope that it depends on. */
  readonly depth: number;
  /** Whether all lanes have the same value. */
  readonly uniform: boolean;
}

/** The name of the variable that counts the lanes of a vector loop's current four iterations. */
export const laneName = "#lane";

/**
 * What index variables stand for. `lane` is "none" outside vector loops and "all" in them, where code computes four
 * iterations at once; a number means code for that one iteration alone.
 */
export interface Environment {
  readonly lane: "none" | "all" | number;
  readonly replacements: ReadonlyMap<string, Expression>;
  /** Expressions after replacement. */
  readonly resolved: Map<Expression, Expression>;
  /** Of the scalars in the statement at hand. */
  readonly described: Map<Scalar, Description>;
}

function environment(lane: Environment["lane"], replacements: ReadonlyMap<string, Expression>): Environment {
  return { lane, replacements, resolved: new Map(), described: new Map() };
}

/** What is known while one kernel is printed. */
export class KernelContext {
  readonly builder: FunctionBuilder;
  readonly relaxedSimd: boolean;
  /** The counters of the loops around. */
  readonly loops = new Map<string, Binding>();
  readonly registers = new Map<Register, Binding>();
  /** Registers that index expressions use, by their ids there. */
  readonly opaques = new Map<number, Binding>();
  readonly arrays = new Map<LocalArray, ArrayLocals>();
  /** The buffers' numbers, which are those of the function's parameters. */
  readonly buffers: ReadonlyMap<Buffer, number>;
  /** What the kernel stores to anywhere. */
  readonly stored: ReadonlySet<Buffer | LocalArray>;
  environment: Environment = environment("none", new Map());
  /** How often a buffer or array was changed so far: values read from it are the same within one version. */
  readonly #versions = new Map<Buffer | LocalArray, number>();
  readonly #keys = new Map<string, number>();

  /** The arrays to keep four elements in each local. */
  readonly vectorArrays: ReadonlySet<LocalArray>;

  constructor(kernel: Kernel, vectorArrays: ReadonlySet<LocalArray>, relaxedSimd: boolean) {
    this.vectorArrays = vectorArrays;
    this.builder = new FunctionBuilder(kernel.buffers.map(({ name }) => name));
    this.relaxedSimd = relaxedSimd;
    this.buffers = new Map(kernel.buffers.map((buffer, at) => [buffer, at]));
    this.stored = changedBy(kernel.body);
  }

  /** A number for a text; equal texts have equal numbers. */
  keyOf(text: string): number {
    const known = this.#keys.get(text);
    if (known !== undefined) return known;
    this.#keys.set(text, this.#keys.size);
    return this.#keys.size - 1;
  }

  versionOf(changed: Buffer | LocalArray): number {
    return this.#versions.get(changed) ?? 0;
  }

  /** Forgets what was read from there. */
  change(changed: Buffer | LocalArray): void {
    this.#versions.set(changed, this.versionOf(changed) + 1);
  }

  /** The expression in terms of runtime loops' variables, run-time indices and, in vector code, the lane. */
  resolve(expression: Expression): Expression {
    const { resolved, replacements } = this.environment;
    let result = resolved.get(expression);
    if (result === undefined) {
      result = substitute(expression, replacements);
      resolved.set(expression, result);
    }
    return result;
  }

  resolveCondition(condition: Condition): Condition {
    return substituteCondition(condition, this.environment.replacements);
  }

  /** Runs `emit` with a variable standing for an expression; with `lane` "all", in vector code. */
  withVariable(name: string, value: Expression, emit: () => void, lane = this.environment.lane): void {
    const replacements = new Map(this.environment.replacements).set(name, value);
    this.#inEnvironment(environment(lane, replacements), emit);
  }

  /** Runs `emit` for one of the four iterations of vector code. */
  inLane(lane: number, emit: () => void): void {
    const only = new Map([[laneName, constant(lane)]]);
    const replacements = new Map<string, Expression>();
    for (const [name, value] of this.environment.replacements)
      replacements.set(name, substitute(value, only));
    this.#inEnvironment(environment(lane, replacements), emit);
  }

  #inEnvironment(inner: Environment, emit: () => void): void {
    const outer = this.environment;
    this.environment = inner;
    emit();
    this.environment = outer;
  }

  /** Whether the lanes of vector code see different values of a resolved expression. */
  variesByLane(...expressions: readonly Expression[]): boolean {
    if (this.environment.lane !== "all") return false;
    if (variablesOf(...expressions).has(laneName)) return true;
    for (const id of opaquesOf(...expressions).keys()) if (this.opaque(id).vector) return true;
    return false;
  }

  opaque(id: number): Binding {
    const binding = this.opaques.get(id);
    if (binding === undefined)
      throw new InternalError(`wasm: run-time index @${id} is used before its register is set`);
    return binding;
  }

  loop(name: string): Binding {
    const binding = this.loops.get(name);
    if (binding === undefined)
      throw new InternalError(`wasm: index variable ${name} is used outside its loop`);
    return binding;
  }

  array(array: LocalArray): ArrayLocals {
    const locals = this.arrays.get(array);
    if (locals === undefined) throw new InternalError(`wasm: array ${array.name} is used before its declare`);
    return locals;
  }

  /** A number of its own for each array in scope. */
  arrayNumber(array: LocalArray): number {
    return this.array(array).locals[0] ?? -1;
  }

  bufferNumber(buffer: Buffer): number {
    const at = this.buffers.get(buffer);
    if (at === undefined) throw new InternalError(`wasm: ${buffer.name} is none of the kernel's buffers`);
    return at;
  }
}

/** A resolved expression in vector code at one lane. */
export function atLane(expression: Expression, lane: number): Expression {
  return substitute(expression, new Map([[laneName, constant(lane)]]));
}

/** The four iterations that begin at `base`, as one expression. */
export function fourFrom(base: Expression): Expression {
  return add(base, variable(laneName, laneCount));
}

/** The buffers and arrays that statements change. */
export function changedBy(body: readonly Statement[]): Set<Buffer | LocalArray> {
  const changed = new Set<Buffer | LocalArray>();
  const visit = (statements: readonly Statement[]): void => {
    for (const statement of statements) {
      if (statement.kind === "for" || statement.kind === "if") visit(statement.body);
      else if (statement.kind === "store") changed.add(statement.buffer);
      else if (statement.kind === "set" || statement.kind === "declare") changed.add(statement.array);
    }
  };
  visit(body);
  return changed;
}
