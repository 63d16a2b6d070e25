import { InternalError } from "../../graph/errors.ts";
import { type Condition, evaluateCondition } from "../index/condition.ts";
import { type Expression, evaluate, format } from "../index/expression.ts";
import { evaluateBinary, evaluateBitcast, evaluateCast, evaluateUnary, wrap } from "./arithmetic.ts";
import type { Axis, Buffer, Kernel, LocalArray, Register, Scalar, Statement } from "./ir.ts";
import { RaceDetector } from "./races.ts";

/** The elements of a buffer: f32, i32 and u32 in their own arrays, bool as 0 or 1 in a Uint32Array. */
export type Elements = Float32Array | Int32Array | Uint32Array;

/**
 * Runs a kernel on host memory, as a check of code generation: f32 is rounded after every operation,
 * multiplyAdd twice; functions such as exp are the engine's, rounded. Every iteration of an axis runs in
 * order; those of a local axis run side by side, from one barrier to the next. `memory` holds the parameters; scratch
 * and the memory of workgroups are the interpreter's own.
 * @throws InternalError naming kernel, buffer and index: for accesses out of bounds, against a buffer's
 * declared access, of scratch or a workgroup's memory before it is written, of registers and arrays that are not
 * set; for invocations that race, or do not all come by a barrier; and for parameters that are missing or of the wrong
 * type or length.
 */
export function interpret(kernel: Kernel, memory: ReadonlyMap<Buffer, Elements>): void {
  const run = new Interpreter(kernel);
  for (const buffer of kernel.buffers) run.bind(buffer, memory.get(buffer));
  // At the top only barriers of the device stop it, which have nothing to wait for: all before them has ended.
  for (const _ of run.execute(kernel.body));
}

type Barrier = Extract<Statement, { kind: "barrier" }>;

/** What one invocation knows. */
interface Frame {
  readonly registers: Map<Register, number>;
  readonly locals: Map<LocalArray, number[]>;
  readonly indices: Map<string | number, number>;
}

/** A zeroed host array for a buffer's elements. */
export function allocateElements({ type, length }: Pick<Buffer, "type" | "length">): Elements {
  if (type === "f32") return new Float32Array(length);
  return type === "i32" ? new Int32Array(length) : new Uint32Array(length);
}

class Interpreter {
  private readonly kernel: Kernel;
  private readonly memory = new Map<Buffer, Elements>();
  /** Which elements of a scratch buffer have been written. */
  private readonly written = new Map<Buffer, Uint8Array>();
  /** That of the invocation that runs. */
  private frame: Frame = { registers: new Map(), locals: new Map(), indices: new Map() };
  /** Inside a local axis: which invocation runs, and who touched what. */
  private workgroup: { invocation: number; readonly races: RaceDetector } | undefined;

  constructor(kernel: Kernel) {
    this.kernel = kernel;
  }

  bind(buffer: Buffer, elements: Elements | undefined): void {
    const wanted = allocateElements({ type: buffer.type, length: 0 }).constructor;
    if (buffer.access === "scratch" || buffer.access === "workgroup") {
      this.memory.set(buffer, allocateElements(buffer));
      this.written.set(buffer, new Uint8Array(buffer.length));
    } else if (elements?.constructor === wanted && elements.length === buffer.length) {
      this.memory.set(buffer, elements);
    } else {
      const given = elements === undefined ? "nothing" : `${elements.constructor.name} of ${elements.length}`;
      throw this.error(`${buffer.name} is bound to ${given}, wanted ${wanted.name} of ${buffer.length}`);
    }
  }

  /** Stops at each barrier. */
  *execute(body: readonly Statement[]): Generator<Barrier> {
    for (const statement of body) {
      if (statement.kind === "barrier") yield statement;
      else if (statement.kind === "if") {
        if (this.holds(statement.condition)) yield* this.execute(statement.body);
      } else if (statement.kind !== "for") this.executeOne(statement);
      else if (statement.axis.tag === "local") this.executeWorkgroup(statement.axis, statement.body);
      else {
        const { name, extent } = statement.axis;
        for (let at = 0; at < extent; at++) {
          this.frame.indices.set(name, at);
          yield* this.execute(statement.body);
        }
        this.frame.indices.delete(name);
      }
    }
  }

  /** Runs all invocations to the next barrier, again and again; it must be the same one. */
  private executeWorkgroup({ name, extent }: Axis, body: readonly Statement[]): void {
    if (this.workgroup !== undefined) throw this.error(`local axis ${name} lies inside another`);
    for (const buffer of this.kernel.buffers) if (buffer.access === "workgroup") this.bind(buffer, undefined);
    const outside = this.frame;
    const workgroup = { invocation: 0, races: new RaceDetector() };
    this.workgroup = workgroup;
    const invocations = Array.from({ length: extent }, (_, at) => ({
      frame: {
        registers: new Map(outside.registers),
        locals: new Map([...outside.locals].map(([array, elements]) => [array, [...elements]])),
        indices: new Map([...outside.indices, [name, at]]),
      },
      steps: this.execute(body),
    }));
    for (let running = true; running; workgroup.races.meet()) {
      const stops = invocations.map(({ frame, steps }, at) => {
        this.frame = frame;
        workgroup.invocation = at;
        return steps.next().value as Barrier | undefined; // undefined at its end
      });
      running = stops[0] !== undefined;
      const apart = stops.findIndex((stop) => stop !== stops[0]);
      if (apart >= 0)
        throw this.error(`invocations 0 and ${apart} of ${name} do not meet at the same barrier`);
    }
    this.frame = outside;
    this.workgroup = undefined;
  }

  private executeOne(statement: Exclude<Statement, { kind: "for" | "if" | "barrier" }>): void {
    switch (statement.kind) {
      case "let": {
        const { register } = statement;
        const value = this.value(statement.value);
        this.frame.registers.set(register, value);
        if (register.opaqueId !== undefined) this.frame.indices.set(register.opaqueId, value);
        break;
      }
      case "declare": {
        const { array } = statement;
        this.frame.locals.set(array, new Array<number>(array.length).fill(wrap(array.type, array.initial)));
        break;
      }
      case "set": {
        const [elements, at] = this.element(statement.array, statement.index);
        elements[at] = this.value(statement.value);
        break;
      }
      case "store":
        this.store(statement.buffer, statement.index, this.value(statement.value));
    }
  }

  /** Shared operands are evaluated once a statement. */
  private value(scalar: Scalar): number {
    const known = new Map<Scalar, number>();
    const visit = (of: Scalar): number => {
      const before = known.get(of);
      if (before !== undefined) return before;
      const result = this.compute(of, visit);
      known.set(of, result);
      return result;
    };
    return visit(scalar);
  }

  private compute(of: Scalar, visit: (of: Scalar) => number): number {
    switch (of.kind) {
      case "constant":
        return of.value;
      case "register": {
        const value = this.frame.registers.get(of.register);
        if (value === undefined) throw this.error(`register ${of.register.name} is read before it is set`);
        return value;
      }
      case "local": {
        const [elements, at] = this.element(of.array, of.index);
        return elements[at] as number; // in range
      }
      case "load":
        return this.load(of.buffer, of.index);
      case "index":
        return wrap(of.type, this.index(of.expression));
      case "unary":
        return evaluateUnary(of.op, of.type, visit(of.args[0]));
      case "binary":
        return evaluateBinary(of.op, of.args[0].type, visit(of.args[0]), visit(of.args[1]));
      case "multiplyAdd": {
        const product = evaluateBinary("mul", of.type, visit(of.args[0]), visit(of.args[1]));
        return evaluateBinary("add", of.type, product, visit(of.args[2]));
      }
      case "select": {
        const [condition, x, y] = of.args.map(visit) as [number, number, number]; // one for each argument
        return condition === 0 ? y : x;
      }
      case "cast":
        return evaluateCast(of.args[0].type, of.type, visit(of.args[0]));
      case "bitcast":
        return evaluateBitcast(of.args[0].type, of.type, visit(of.args[0]));
      case "guard":
        return this.holds(of.condition) ? visit(of.args[0]) : of.otherwise;
    }
  }

  private load(buffer: Buffer, index: Expression): number {
    const [elements, at] = this.access("load", buffer, index);
    if (buffer.access === "write") throw this.error(`load from ${buffer.name}, which is for writing only`);
    if (this.written.get(buffer)?.[at] === 0) {
      throw this.error(`load of ${buffer.name}[${at}] (${format(index)}) before it is written`);
    }
    if (this.workgroup?.races.load(buffer, at, this.workgroup.invocation))
      throw this.error(
        `load of ${buffer.name}[${at}], which another invocation has stored and no barrier since`,
      );
    return elements[at] as number; // in range
  }

  private store(buffer: Buffer, index: Expression, value: number): void {
    const [elements, at] = this.access("store", buffer, index);
    if (buffer.access === "read") throw this.error(`store to ${buffer.name}, which is for reading only`);
    if (this.workgroup?.races.store(buffer, at, this.workgroup.invocation))
      throw this.error(
        `store to ${buffer.name}[${at}], which another invocation has touched and no barrier since`,
      );
    elements[at] = value;
    const written = this.written.get(buffer);
    if (written !== undefined) written[at] = 1;
  }

  private access(what: string, buffer: Buffer, index: Expression): [Elements, number] {
    const elements = this.memory.get(buffer);
    if (elements === undefined) throw this.error(`${what}: ${buffer.name} is not a buffer of this kernel`);
    const at = this.index(index);
    if (at >= 0 && at < buffer.length) return [elements, at];
    throw this.error(
      `${what} of ${buffer.name}[${at}] (${format(index)}), which has length ${buffer.length}`,
    );
  }

  private element(array: LocalArray, index: Expression): [number[], number] {
    const elements = this.frame.locals.get(array);
    if (elements === undefined) throw this.error(`array ${array.name} is used before it is declared`);
    const at = this.index(index);
    if (at >= 0 && at < array.length) return [elements, at];
    throw this.error(`${array.name}[${at}] (${format(index)}), which has length ${array.length}`);
  }

  private index(expression: Expression): number {
    return this.inKernel(() => evaluate(expression, this.frame.indices));
  }

  private holds(condition: Condition): boolean {
    return this.inKernel(() => evaluateCondition(condition, this.frame.indices));
  }

  private inKernel<T>(compute: () => T): T {
    try {
      return compute();
    } catch (cause) {
      if (!(cause instanceof InternalError)) throw cause;
      throw this.error(cause.message, { cause });
    }
  }

  private error(message: string, options?: ErrorOptions): InternalError {
    return new InternalError(`kernel ${this.kernel.name}: ${message}`, options);
  }
}
