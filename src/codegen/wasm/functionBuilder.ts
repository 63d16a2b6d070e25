import { InternalError } from "../../graph/errors.ts";
import {
  emptyBlock,
  type Instruction,
  type InstructionName,
  type ValueType,
  valueTypeCodes,
} from "./instructions.ts";
import { removeUselessLocals } from "./peephole.ts";

/** What a value is known by: a number of the kernel's numbering, or a text for what the builder itself adds. */
export type ValueKey = number | string;

export interface Local {
  readonly type: ValueType;
  readonly name: string;
  /** Set at more than one place, so that its value depends on when it is read. */
  readonly mutable: boolean;
  /** The depth of the scope that sets it. */
  readonly depth: number;
}

/**
 * A stretch of code under construction: the function, a loop's body or a branch. Its code is kept apart until it is
 * complete and then appended to its parent's. So whatever is appended to a scope while an inner one is under
 * construction runs right before the inner one: that is how values leave loops.
 */
export interface Scope {
  readonly kind: "function" | "loop" | "branch";
  readonly parent: Scope | undefined;
  readonly depth: number;
  readonly code: Instruction[];
  /** Runs at the end of each iteration of a loop. */
  readonly latch: Instruction[];
  /** The locals that hold values computed in this scope, by the values' keys. */
  readonly values: Map<ValueKey, number>;
}

export interface FinishedFunction {
  readonly locals: readonly Local[];
  readonly code: readonly Instruction[];
}

/** Builds the code of one function: emits instructions into nested scopes and remembers values in locals. */
export class FunctionBuilder {
  readonly locals: Local[] = [];
  scope: Scope = newScope("function", undefined);
  readonly #parameterCount: number;

  constructor(parameters: readonly string[]) {
    for (const name of parameters) this.newLocal("i32", name);
    this.#parameterCount = parameters.length;
  }

  /** The number of a new local. */
  newLocal(type: ValueType, name: string, mutable = false, depth = this.scope.depth): number {
    this.locals.push({ type, name, mutable, depth });
    return this.locals.length - 1;
  }

  emit(name: InstructionName, ...immediates: readonly number[]): void {
    this.scope.code.push({ name, immediates });
  }

  /** Moves the value on the stack into a local of its own and returns the local. */
  intoLocal(type: ValueType, name: string): number {
    const local = this.newLocal(type, name);
    this.emit("local.set", local);
    return local;
  }

  /** A local that holds the value on the stack from now on, which leaves the stack. */
  nameTop(type: ValueType, name: string): number {
    const { code } = this.scope;
    const last = code.at(-1);
    const [local = -1] = last?.immediates ?? [];
    const reusable = this.locals[local]?.mutable === false;
    if (last?.name === "local.get" && reusable) {
      code.pop();
      return local;
    }
    if (last?.name === "local.tee" && reusable) {
      code[code.length - 1] = { name: "local.set", immediates: [local] };
      return local;
    }
    return this.intoLocal(type, name);
  }

  /** Depth of the innermost branch under construction (the function's is 0): what may fail must not leave it. */
  get branchDepth(): number {
    let scope = this.scope;
    while (scope.kind === "loop" && scope.parent !== undefined) scope = scope.parent;
    return scope.depth;
  }

  /**
   * Leaves a value on the stack. The first time `produce` computes it, in the scope at `depth` (it must depend on
   * nothing deeper); while that scope lasts, the same key finds it again.
   */
  cached(key: ValueKey, depth: number, type: ValueType, name: string, produce: () => void): void {
    const known = this.find(key);
    if (known !== undefined) {
      this.emit("local.get", known);
      return;
    }
    const local = this.newLocal(type, name, false, depth);
    if (depth === this.scope.depth) {
      produce();
      this.emit("local.tee", local);
    } else {
      this.within(depth, () => {
        produce();
        this.emit("local.set", local);
      });
      this.emit("local.get", local);
    }
    this.ancestor(depth).values.set(key, local);
  }

  /** The local that holds a value. */
  find(key: ValueKey): number | undefined {
    for (let scope: Scope | undefined = this.scope; scope !== undefined; scope = scope.parent) {
      const local = scope.values.get(key);
      if (local !== undefined) return local;
    }
    return undefined;
  }

  /** Runs `emit` with its instructions going to the scope at `depth`, before the inner scopes under construction. */
  within(depth: number, emit: () => void): void {
    const inner = this.scope;
    this.scope = this.ancestor(depth);
    emit();
    this.scope = inner;
  }

  /** The scope at `depth` around the current one. */
  ancestor(depth: number): Scope {
    let scope = this.scope;
    while (scope.depth > depth && scope.parent !== undefined) scope = scope.parent;
    if (scope.depth !== depth)
      throw new InternalError(`wasm: no scope of depth ${depth} at ${this.scope.depth}`);
    return scope;
  }

  /**
   * Leaves on the stack a local that `start` initialises before the loop at `depth` and that grows by `step` with
   * each of its iterations.
   */
  induction(key: ValueKey, depth: number, name: string, start: () => void, step: number): void {
    let local = this.find(key);
    if (local === undefined) {
      const loop = this.ancestor(depth);
      local = this.newLocal("i32", name, true);
      const own = local;
      this.within(depth - 1, () => {
        start();
        this.emit("local.set", own);
      });
      loop.latch.push(...increment(local, step), { name: "local.set", immediates: [local] });
      loop.values.set(key, local);
    }
    this.emit("local.get", local);
  }

  /** A loop of `extent` >= 1 iterations, counted in a local from 0. */
  loop(name: string, extent: number, body: (counter: number) => void): void {
    const counter = this.newLocal("i32", name, true);
    this.emit("i32.const", 0);
    this.emit("local.set", counter);
    const outer = this.scope;
    const scope = newScope("loop", outer);
    this.scope = scope;
    body(counter);
    this.scope = outer;
    outer.code.push({ name: "loop", immediates: [emptyBlock] });
    append(outer.code, scope.code);
    append(outer.code, scope.latch);
    append(outer.code, increment(counter, 1));
    this.emit("local.tee", counter);
    this.emit("i32.const", extent);
    this.emit("i32.lt_u");
    this.emit("br_if", 0);
    this.emit("end");
  }

  /** `then` or `otherwise`, by the condition on the stack; each leaves a value of type `result` if one is given. */
  branch(result: ValueType | undefined, then: () => void, otherwise?: () => void): void {
    // Code that moves out of the branches runs before the `if`, above the condition on the stack, which it leaves alone.
    const thenCode = this.#apart(then);
    const otherwiseCode = otherwise === undefined ? [] : this.#apart(otherwise);
    this.emit("if", result === undefined ? emptyBlock : valueTypeCodes[result]);
    append(this.scope.code, thenCode);
    if (otherwiseCode.length > 0) this.emit("else");
    append(this.scope.code, otherwiseCode);
    this.emit("end");
  }

  /** The code of a branch. */
  #apart(emit: () => void): readonly Instruction[] {
    const outer = this.scope;
    const branch = newScope("branch", outer);
    this.scope = branch;
    emit();
    this.scope = outer;
    return branch.code;
  }

  /** The function's locals and code without what turned out useless. */
  finish(): FinishedFunction {
    return removeUselessLocals(this.locals, this.#parameterCount, this.scope.code);
  }
}

function newScope(kind: Scope["kind"], parent: Scope | undefined): Scope {
  return {
    kind,
    parent,
    depth: parent === undefined ? 0 : parent.depth + 1,
    code: [],
    latch: [],
    values: new Map(),
  };
}

/** Leaves `local + step` on the stack. */
function increment(local: number, step: number): Instruction[] {
  return [
    { name: "local.get", immediates: [local] },
    { name: "i32.const", immediates: [step | 0] },
    { name: "i32.add", immediates: [] },
  ];
}

function append(to: Instruction[], from: readonly Instruction[]): void {
  for (const instruction of from) to.push(instruction);
}
