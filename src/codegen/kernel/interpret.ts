import { InternalError } from "../../graph/errors.ts";
import { type Condition, evaluateCondition } from "../index/condition.ts";
import { type Expression, evaluate, format } from "../index/expression.ts";
import { evaluateBinary, evaluateBitcast, evaluateCast, evaluateUnary, wrap } from "./arithmetic.ts";
import type { Buffer, Kernel, LocalArray, Register, Scalar, Statement } from "./ir.ts";

/** The elements of a buffer: f32, i32 and u32 in their own arrays, bool as 0 or 1 in a Uint32Array. */
export type Elements = Float32Array | Int32Array | Uint32Array;

/**
 * Runs a kernel on host memory, as a check of code generation: f32 is rounded after every operation,
 * multiplyAdd twice; functions such as exp are the engine's, rounded. Every iteration of an axis runs in
 * order. `memory` holds the parameters; scratch is the interpreter's own.
 * @throws InternalError naming kernel, buffer and index: for accesses out of bounds, against a buffer's
 * declared access, of scratch before it is written, of registers and arrays that are not set; and for
 * parameters that are missing or of the wrong type or length.
 */
export function interpret(kernel: Kernel, memory: ReadonlyMap<Buffer, Elements>): void {
  const run = new Interpreter(kernel);
  for (const buffer of kernel.buffers) run.bind(buffer, memory.get(buffer));
  run.execute(kernel.body);
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
  private readonly registers = new Map<Register, number>();
  private readonly locals = new Map<LocalArray, number[]>();
  private readonly indices = new Map<string | number, number>();

  constructor(kernel: Kernel) {
    this.kernel = kernel;
  }

  bind(buffer: Buffer, elements: Elements | undefined): void {
    const wanted = allocateElements({ type: buffer.type, length: 0 }).constructor;
    if (buffer.access === "scratch") {
      this.memory.set(buffer, allocateElements(buffer));
      this.written.set(buffer, new Uint8Array(buffer.length));
    } else if (elements?.constructor === wanted && elements.length === buffer.length) {
      this.memory.set(buffer, elements);
    } else {
      const given = elements === undefined ? "nothing" : `${elements.constructor.name} of ${elements.length}`;
      throw this.error(`${buffer.name} is bound to ${given}, wanted ${wanted.name} of ${buffer.length}`);
    }
  }

  execute(body: readonly Statement[]): void {
    for (const statement of body) this.executeOne(statement);
  }

  private executeOne(statement: Statement): void {
    switch (statement.kind) {
      case "for": {
        const { name, extent } = statement.axis;
        for (let at = 0; at < extent; at++) {
          this.indices.set(name, at);
          this.execute(statement.body);
        }
        this.indices.delete(name);
        break;
      }
      case "if":
        if (this.holds(statement.condition)) this.execute(statement.body);
        break;
      case "let": {
        const { register } = statement;
        const value = this.value(statement.value);
        this.registers.set(register, value);
        if (register.opaqueId !== undefined) this.indices.set(register.opaqueId, value);
        break;
      }
      case "declare": {
        const { array } = statement;
        this.locals.set(array, new Array<number>(array.length).fill(wrap(array.type, array.initial)));
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
        const value = this.registers.get(of.register);
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
    return elements[at] as number; // in range
  }

  private store(buffer: Buffer, index: Expression, value: number): void {
    const [elements, at] = this.access("store", buffer, index);
    if (buffer.access === "read") throw this.error(`store to ${buffer.name}, which is for reading only`);
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
    const elements = this.locals.get(array);
    if (elements === undefined) throw this.error(`array ${array.name} is used before it is declared`);
    const at = this.index(index);
    if (at >= 0 && at < array.length) return [elements, at];
    throw this.error(`${array.name}[${at}] (${format(index)}), which has length ${array.length}`);
  }

  private index(expression: Expression): number {
    return this.inKernel(() => evaluate(expression, this.indices));
  }

  private holds(condition: Condition): boolean {
    return this.inKernel(() => evaluateCondition(condition, this.indices));
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
