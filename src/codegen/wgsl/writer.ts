import { InternalError } from "../../graph/errors.ts";
import type { Condition } from "../index/condition.ts";
import { substituteCondition } from "../index/condition.ts";
import { type Expression, type Opaque, substitute, type Variable } from "../index/expression.ts";
import type { Buffer, LocalArray } from "../kernel/ir.ts";
import { conditionText, indexText } from "./indices.ts";
import type { LibraryFunction } from "./library.ts";

/** How the elements of a buffer are written: their place as WGSL, and the type that it holds there. */
export interface Elements {
  readonly at: (index: string) => string;
  readonly stored: "f32" | "i32" | "u32";
}

/** Text being written, and what the names in it stand for. */
export class Writer {
  readonly lines: string[] = [];
  /** Functions that the text calls. */
  readonly library = new Set<LibraryFunction>();
  readonly #elements: ReadonlyMap<Buffer, Elements>;
  readonly #opaques = new Map<number, string>();
  #replacements: ReadonlyMap<string, Expression> = new Map();
  /** What must hold for loads to be in range: the names of the conditions around. */
  #guards: readonly string[] = [];
  #indent = "  ";
  #temporaries = 0;

  constructor(elements: ReadonlyMap<Buffer, Elements>) {
    this.#elements = elements;
  }

  line(text: string): void {
    this.lines.push(this.#indent + text);
  }

  /** A block in braces. */
  block(head: string, body: () => void): void {
    this.line(head === "" ? "{" : `${head} {`);
    const outside = this.#indent;
    this.#indent = `${outside}  `;
    body();
    this.#indent = outside;
    this.line("}");
  }

  /** A name that nothing else has. */
  temporary(): string {
    return `x${this.#temporaries++}`;
  }

  call(name: LibraryFunction, ...args: readonly string[]): string {
    this.library.add(name);
    return `${name}(${args.join(", ")})`;
  }

  /** Writes what `body` writes with an axis standing for an expression. */
  with(axis: string, index: Expression, body: () => void): void {
    const before = this.#replacements;
    this.#replacements = new Map([...before, [axis, index]]);
    body();
    this.#replacements = before;
  }

  /** Lets the index expressions after this use a register. */
  nameOpaque(id: number, text: string): void {
    this.#opaques.set(id, text);
  }

  resolve(expression: Expression): Expression {
    return this.#replacements.size === 0 ? expression : substitute(expression, this.#replacements);
  }

  resolveCondition(condition: Condition): Condition {
    return this.#replacements.size === 0 ? condition : substituteCondition(condition, this.#replacements);
  }

  index(expression: Expression): string {
    return indexText(this.resolve(expression), (leaf) => this.#nameOf(leaf));
  }

  /** The index of a load, which is 0 where what guards it does not hold. */
  loadIndex(expression: Expression): string {
    const text = this.index(expression);
    if (this.#guards.length === 0 || /^\d+$/.test(text)) return text;
    return `select(0, ${text}, ${this.#guards.join(" & ")})`;
  }

  /** Writes what `write` writes for places where a condition of this name holds. */
  where<T>(name: string, write: () => T): T {
    const before = this.#guards;
    this.#guards = [...before, name];
    const result = write();
    this.#guards = before;
    return result;
  }

  /** Of a condition that is resolved already. */
  condition(condition: Condition): string {
    return conditionText(condition, (leaf) => this.#nameOf(leaf));
  }

  elements(buffer: Buffer): Elements {
    const elements = this.#elements.get(buffer);
    if (elements === undefined) throw new InternalError(`wgsl: ${buffer.name} is not bound`);
    return elements;
  }

  /** The variable that is an array's element; its index is constant once unrolled axes are. */
  arrayElement(array: LocalArray, index: Expression): string {
    const at = this.resolve(index);
    if (at.kind !== "constant") throw new InternalError(`wgsl: the index of ${array.name} is no constant`);
    return `${array.name}_${at.value}`;
  }

  #nameOf(leaf: Variable | Opaque): string {
    if (leaf.kind === "variable") return axisName(leaf.name);
    const name = this.#opaques.get(leaf.id);
    if (name === undefined) throw new InternalError(`wgsl: the index @${leaf.id} is not known here`);
    return name;
  }
}

/** An axis by a name that is no word of the language (`i32` may be the 33rd axis of a kernel) and no other thing's. */
export function axisName(name: string): string {
  return `${name}_`;
}

/** A buffer or register by a name that is no word of the language and no axis's. */
export function identifier(name: string): string {
  return /^[abrt]\d+$/.test(name) ? name : `${name}_data`;
}
