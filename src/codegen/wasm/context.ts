import { InternalError } from "../../graph/errors.ts";
import type { Condition } from "../index/condition.ts";
import { add, type Expression, variable } from "../index/expression.ts";
import type { Buffer, Kernel, LocalArray, Register, Scalar, Statement } from "../kernel/ir.ts";
import { FunctionBuilder } from "./functionBuilder.ts";
import { type IndexFacts, IndexTable, laneName, type Replacement } from "./indexTable.ts";
import { Numbering } from "./numbering.ts";
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

/**
 * What index variables stand for. `lane` is "none" outside vector loops and "all" in them, where code computes four
 * iterations at once; a number means code for that one iteration alone.
 */
export interface Environment {
  readonly lane: "none" | "all" | number;
  readonly replacements: ReadonlyMap<string, Replacement>;
  /** Of the scalars in the statement at hand. */
  readonly described: Map<Scalar, Description>;
}

function environment(lane: Environment["lane"], replacements: ReadonlyMap<string, Replacement>): Environment {
  return { lane, replacements, described: new Map() };
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
  readonly numbering = new Numbering();
  readonly #indices = new IndexTable(this.numbering);

  /** The arrays to keep four elements in each local. */
  readonly vectorArrays: ReadonlySet<LocalArray>;

  constructor(kernel: Kernel, vectorArrays: ReadonlySet<LocalArray>, relaxedSimd: boolean) {
    this.vectorArrays = vectorArrays;
    this.builder = new FunctionBuilder(kernel.buffers.map(({ name }) => name));
    this.relaxedSimd = relaxedSimd;
    this.buffers = new Map(kernel.buffers.map((buffer, at) => [buffer, at]));
    this.stored = changedBy(kernel.body);
  }

  factsOf(expression: Expression): IndexFacts {
    return this.#indices.factsOf(expression);
  }

  conditionNumber(condition: Condition): number {
    return this.#indices.conditionNumber(condition);
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
    return this.#indices.resolve(expression, this.environment.replacements);
  }

  resolveCondition(condition: Condition): Condition {
    return this.#indices.resolveCondition(condition, this.environment.replacements);
  }

  /** A resolved expression in vector code at one lane. */
  atLane(expression: Expression, lane: number): Expression {
    return this.#indices.atLane(expression, lane);
  }

  /** An index as its least value and what comes on top of it. */
  fromLeast(index: Expression): { readonly offset: number; readonly rest: Expression } {
    return this.#indices.fromLeast(index);
  }

  /** Runs `emit` with a variable standing for an expression; with `lane` "all", in vector code. */
  withVariable(name: string, value: Expression, emit: () => void, lane = this.environment.lane): void {
    const replacements = new Map(this.environment.replacements).set(name, this.#replacement(value));
    this.#inEnvironment(environment(lane, replacements), emit);
  }

  /** Runs `emit` for one of the four iterations of vector code. */
  inLane(lane: number, emit: () => void): void {
    const replacements = new Map<string, Replacement>();
    for (const [name, { of }] of this.environment.replacements)
      replacements.set(name, this.#replacement(this.atLane(of, lane)));
    this.#inEnvironment(environment(lane, replacements), emit);
  }

  #replacement(of: Expression): Replacement {
    return { of, number: this.factsOf(of).number };
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
    return expressions.some((expression) => {
      const { hasLane, opaques } = this.factsOf(expression);
      return hasLane || opaques.some((id) => this.opaque(id).vector);
    });
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
