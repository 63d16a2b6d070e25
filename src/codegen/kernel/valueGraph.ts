import type { Condition } from "../index/condition.ts";
import { type Expression, opaquesOf, variablesOf } from "../index/expression.ts";
import { storedIn } from "./buffers.ts";
import type { Buffer, LocalArray, Register, Scalar, Statement } from "./ir.ts";
import { argsOf } from "./scalars.ts";

/** A list of statements that runs as one: a kernel's body, or that of a `for` or `if`. */
export interface Block {
  readonly parent: Block | undefined;
  /** The statement of the parent whose body it is. */
  readonly at: number;
  readonly depth: number;
  /** Whether it may be skipped: nothing leaves the body of an `if`. */
  readonly conditional: boolean;
  readonly statements: readonly Statement[];
  /** The block of each `for` and `if` in it, by the statement's position. */
  readonly children: Map<number, Block>;
}

/** Just before a statement of a block (or in that statement). */
export interface Location {
  readonly block: Block;
  readonly at: number;
}

/** A value that the kernel computes. Equal scalars that read the same state of memory are one value. */
export interface Value {
  readonly scalar: Scalar;
  /** The values of the scalar's operands; values are numbered so that operands come first. */
  readonly args: readonly Value[];
  /** Registers, read by id in the scalar's indices and conditions. */
  readonly indices: readonly Value[];
  /** The outermost block in which everything is known that it depends on. */
  readonly block: Block;
  /**
   * The register that the input names it by; an `alias` must have exactly this one, since indices name its
   * id.
   */
  register: Register | undefined;
  readonly alias: boolean;
}

/** What a statement needs: its scalar, and registers in its indices and conditions. */
export interface Use {
  readonly value: Value;
  readonly location: Location;
  /** A `let` does not need its value; but if the value is needed, then from here on. */
  readonly isLet: boolean;
}

export interface ValueGraph {
  readonly root: Block;
  /** Operands before what they are in. */
  readonly values: readonly Value[];
  readonly uses: readonly Use[];
  /** The value of each `set` and `store`. */
  readonly stored: ReadonlyMap<Statement, Value>;
}

/** The current state of an array or buffer, and the block in which that state began. */
interface Epoch {
  readonly block: Block;
}

/** Numbers the values of a kernel's statements, whose equal scalars must be one object. */
export function valueGraph(body: readonly Statement[]): ValueGraph {
  return new ValueNumbering(body).graph();
}

class ValueNumbering {
  private readonly root: Block;
  private readonly values: Value[] = [];
  private readonly uses: Use[] = [];
  private readonly stored = new Map<Statement, Value>();
  private readonly valueOfRegister = new Map<Register, Value>();
  private readonly valueOfOpaque = new Map<number, Value>();
  private readonly blockOfAxis = new Map<string, Block>();
  private readonly epochs = new Map<LocalArray | Buffer, Epoch>();
  /** Buffers that the kernel writes: what a barrier may make visible. */
  private readonly stores: ReadonlySet<Buffer>;
  private readonly numbers = new Map<Value | Epoch, number>();
  /** Values of scalars that read no state; those of others are known by scalar, operands and epoch. */
  private readonly stateless = new Map<Scalar, Value>();
  private readonly stateful = new Map<Scalar, Map<string, Value>>();

  constructor(body: readonly Statement[]) {
    this.root = newBlock(undefined, 0, false, body);
    this.stores = storedIn(body);
    for (const state of writtenIn(body, this.stores)) this.epochs.set(state, { block: this.root });
    this.visitBlock(this.root);
  }

  graph(): ValueGraph {
    const { root, values, uses, stored } = this;
    return { root, values, uses, stored };
  }

  private visitBlock(block: Block): void {
    block.statements.forEach((statement, at) => {
      this.visitStatement(statement, { block, at });
    });
  }

  private visitStatement(statement: Statement, location: Location): void {
    switch (statement.kind) {
      case "for":
      case "if": {
        const inner = newBlock(location.block, location.at, statement.kind === "if", statement.body);
        location.block.children.set(location.at, inner);
        const written = writtenIn(statement.body, this.stores);
        if (statement.kind === "for") {
          this.blockOfAxis.set(statement.axis.name, inner);
          for (const state of written) this.epochs.set(state, { block: inner });
        } else this.useIndices(this.opaquesIn([], statement.condition), location);
        this.visitBlock(inner);
        for (const state of written) this.epochs.set(state, { block: location.block });
        break;
      }
      case "let":
        this.visitLet(statement.register, statement.value, location);
        break;
      case "declare":
        this.epochs.set(statement.array, { block: location.block });
        break;
      case "set":
      case "store": {
        const value = this.visit(statement.value, new Map());
        this.stored.set(statement, value);
        this.uses.push({ value, location, isLet: false });
        this.useIndices(this.opaquesIn([statement.index], undefined), location);
        this.epochs.set(statement.kind === "set" ? statement.array : statement.buffer, {
          block: location.block,
        });
        break;
      }
      case "barrier":
        for (const buffer of this.stores) this.epochs.set(buffer, { block: location.block });
    }
  }

  private visitLet(register: Register, scalar: Scalar, location: Location): void {
    const value = this.visit(scalar, new Map());
    if (register.opaqueId === undefined) {
      value.register ??= register;
      this.valueOfRegister.set(register, value);
      this.uses.push({ value, location, isLet: true });
      return;
    }
    const name: Scalar = { kind: "register", type: register.type, register };
    const alias = this.add({
      scalar: name,
      args: [value],
      indices: [],
      block: value.block,
      register,
      alias: true,
    });
    this.valueOfRegister.set(register, alias);
    this.valueOfOpaque.set(register.opaqueId, alias);
    this.uses.push({ value: alias, location, isLet: true });
  }

  private useIndices(values: readonly Value[], location: Location): void {
    for (const value of values) this.uses.push({ value, location, isLet: false });
  }

  private opaquesIn(expressions: readonly Expression[], condition: Condition | undefined): Value[] {
    const ids = opaquesOf(...expressions, ...expressionsOf(condition)).keys();
    return [...ids].flatMap((id) => this.valueOfOpaque.get(id) ?? []);
  }

  /** `seen` holds what this statement reads of the current state. */
  private visit(scalar: Scalar, seen: Map<Scalar, Value>): Value {
    const known = this.stateless.get(scalar) ?? seen.get(scalar);
    if (known !== undefined) return known;
    const value = this.visitNew(scalar, seen);
    seen.set(scalar, value);
    return value;
  }

  private visitNew(scalar: Scalar, seen: Map<Scalar, Value>): Value {
    if (scalar.kind === "register") {
      const value = this.valueOfRegister.get(scalar.register);
      if (value !== undefined) {
        this.stateless.set(scalar, value);
        return value;
      }
    }
    const args = argsOf(scalar).map((arg) => this.visit(arg, seen));
    const epoch = this.epochOf(scalar);
    const isStateless = epoch === undefined && argsOf(scalar).every((arg) => this.stateless.has(arg));
    const key = isStateless
      ? ""
      : [...args, ...(epoch === undefined ? [] : [epoch])].map((of) => this.number(of)).join();
    const versions = this.stateful.get(scalar) ?? new Map<string, Value>();
    const value = versions.get(key) ?? this.newValue(scalar, args, epoch);
    if (isStateless) this.stateless.set(scalar, value);
    else this.stateful.set(scalar, versions.set(key, value));
    return value;
  }

  private newValue(scalar: Scalar, args: readonly Value[], epoch: Epoch | undefined): Value {
    const expressions = indicesOf(scalar);
    const condition = scalar.kind === "guard" ? scalar.condition : undefined;
    const indices = this.opaquesIn(expressions, condition);
    const variables = variablesOf(...expressions, ...expressionsOf(condition)).keys();
    const blocks = [
      ...[...args, ...indices].map((value) => value.block),
      ...[...variables].flatMap((name) => this.blockOfAxis.get(name) ?? []),
      ...(epoch === undefined ? [] : [epoch.block]),
    ];
    const block = blocks.reduce((inner, other) => (other.depth > inner.depth ? other : inner), this.root);
    return this.add({ scalar, args, indices, block, register: undefined, alias: false });
  }

  private add(value: Value): Value {
    this.values.push(value);
    return value;
  }

  private epochOf(scalar: Scalar): Epoch | undefined {
    if (scalar.kind === "local") return this.epochs.get(scalar.array);
    return scalar.kind === "load" ? this.epochs.get(scalar.buffer) : undefined;
  }

  private number(of: Value | Epoch): number {
    const number = this.numbers.get(of) ?? this.numbers.size;
    this.numbers.set(of, number);
    return number;
  }
}

function newBlock(
  parent: Block | undefined,
  at: number,
  conditional: boolean,
  statements: readonly Statement[],
): Block {
  const depth = parent === undefined ? 0 : parent.depth + 1;
  return { parent, at, depth, conditional, statements, children: new Map() };
}

/** The indices that a scalar itself has (not its operands). */
function indicesOf(scalar: Scalar): readonly Expression[] {
  if (scalar.kind === "load" || scalar.kind === "local") return [scalar.index];
  return scalar.kind === "index" ? [scalar.expression] : [];
}

/** The expressions that a condition compares. */
function expressionsOf(condition: Condition | undefined): readonly Expression[] {
  if (condition === undefined || condition.kind === "always" || condition.kind === "never") return [];
  const comparisons = condition.kind === "and" ? condition.conditions : [condition];
  return comparisons.flatMap(({ left, right }) => [left, right]);
}

/** The arrays and buffers whose content statements change: past a barrier, any buffer's that is stored to at all. */
function writtenIn(
  body: readonly Statement[],
  stores: ReadonlySet<Buffer>,
): ReadonlySet<LocalArray | Buffer> {
  const written = new Set<LocalArray | Buffer>();
  const walk = (statement: Statement): void => {
    switch (statement.kind) {
      case "for":
      case "if":
        statement.body.forEach(walk);
        break;
      case "store":
        written.add(statement.buffer);
        break;
      case "declare":
      case "set":
        written.add(statement.array);
        break;
      case "barrier":
        for (const buffer of stores) written.add(buffer);
        break;
      case "let":
    }
  };
  body.forEach(walk);
  return written;
}
