import type { Register, Scalar, Statement } from "./ir.ts";
import { argsOf, walkScalars, withArgs } from "./scalars.ts";
import { loadTest, scalarTable, shareScalars } from "./shareScalars.ts";
import {
  type Block,
  type Location,
  type Use,
  type Value,
  type ValueGraph,
  valueGraph,
} from "./valueGraph.ts";

/** Uses of a value that one `let` can serve: the block it would be in, and before which statement. */
interface Group {
  readonly block: Block;
  at: number;
  uses: number;
  /** Whether a `let` of the input is among the uses; it does not count as one. */
  hasLet: boolean;
  /** Whether naming it here moves it out of a loop. */
  hoisted: boolean;
  named: boolean;
  /** Its name, from the moment at which its `let` is written. */
  register: Register | undefined;
}

/**
 * Names what is computed more than once, and what does not change in a loop outside of that loop. Equal
 * values of the same state of memory get one `let`, in the outermost block in which their operands are known,
 * before the first statement that needs them. Nothing leaves the body of an `if`, or a guard whose condition
 * keeps its loads in range. Values of existing lets keep their registers and move as well; unused ones
 * vanish. No floating-point result changes. Takes time linear in the statements and the distinct scalars in
 * them (times the depth of the loops).
 */
export function placeLets(body: readonly Statement[]): Statement[] {
  const table = scalarTable();
  const free = new Set<Scalar>();
  const shared = shareScalars(body, table, free);
  const graph = valueGraph(shared);
  return new Placement(graph, free, namesIn(shared)).rewrite();
}

class Placement {
  private readonly graph: ValueGraph;
  private readonly free: ReadonlySet<Scalar>;
  /** Names that new registers may not have. */
  private readonly taken: ReadonlySet<string>;
  private readonly placed = new Set<Register>();
  private readonly loads = loadTest();
  private readonly uses = new Map<Value, Use[]>();
  private readonly groups = new Map<Value, Map<Block, Group>>();
  /** The values to name, per block and statement, in an order in which operands come last. */
  private readonly lets = new Map<Block, Map<number, { value: Value; group: Group }[]>>();
  private nextName = 0;

  constructor(graph: ValueGraph, free: ReadonlySet<Scalar>, taken: ReadonlySet<string>) {
    this.graph = graph;
    this.free = free;
    this.taken = taken;
    for (const use of graph.uses) this.addUse(use);
    // What uses a value comes after it: going from the end, all uses of a value are known when it is reached.
    for (let at = graph.values.length - 1; at >= 0; at--) this.place(graph.values[at] as Value);
  }

  rewrite(): Statement[] {
    return this.rewriteBlock(this.graph.root);
  }

  private addUse(use: Use): void {
    const uses = this.uses.get(use.value);
    if (uses === undefined) this.uses.set(use.value, [use]);
    else uses.push(use);
  }

  private need(value: Value, location: Location): void {
    this.addUse({ value, location, isLet: false });
  }

  /** Decides where a value is named; where it is evaluated, its operands are needed. */
  private place(value: Value): void {
    const uses = this.uses.get(value) ?? [];
    this.uses.delete(value);
    const groups = groupsOf(value, uses);
    this.groups.set(value, groups);
    for (const group of new Set(groups.values())) {
      if (!isNamed(value, group)) continue;
      const location = { block: group.block, at: group.at };
      group.named = true;
      this.letsAt(location).push({ value, group });
      this.needOperands(value, location);
    }
    for (const { location, isLet } of uses) {
      if (!isLet && groupAt(groups, value, location)?.named !== true) this.needOperands(value, location);
    }
  }

  /** The value's own register the first time it is asked for, then new ones. */
  private newRegister({ register, scalar }: Value): Register {
    if (register !== undefined && !this.placed.has(register)) {
      this.placed.add(register);
      return register;
    }
    let name: string;
    do name = `t${this.nextName++}`;
    while (this.taken.has(name));
    return { name, type: scalar.type };
  }

  private letsAt({ block, at }: Location): { value: Value; group: Group }[] {
    const ofBlock = this.lets.get(block) ?? new Map<number, { value: Value; group: Group }[]>();
    this.lets.set(block, ofBlock);
    const here = ofBlock.get(at) ?? [];
    ofBlock.set(at, here);
    return here;
  }

  private needOperands(value: Value, location: Location): void {
    for (const index of value.indices) this.need(index, location);
    const inside = this.confines(value);
    value.args.forEach((arg, at) => {
      if (inside && this.isConfined(value, at)) this.needConfined(arg, location);
      else this.need(arg, location);
    });
  }

  /** Needs what a value inside a guard is made of: what loads stays there, and what does not is free. */
  private needConfined(value: Value, location: Location): void {
    for (const index of value.indices) this.need(index, location);
    value.args.forEach((arg, at) => {
      if (this.isConfined(value, at)) this.needConfined(arg, location);
      else this.need(arg, location);
    });
  }

  /** Whether the value is a guard that what it loads may not leave. */
  private confines({ scalar }: Value): boolean {
    return scalar.kind === "guard" && !this.free.has(scalar);
  }

  /**
   * Whether inside such a guard this operand must be written out: it loads, and is not in a register already.
   */
  private isConfined(value: Value, at: number): boolean {
    return this.loads(argsOf(value.scalar)[at] as Scalar);
  }

  private rewriteBlock(block: Block): Statement[] {
    const ofBlock = this.lets.get(block);
    return block.statements.flatMap((statement, at) => {
      const location = { block, at };
      const before = (ofBlock?.get(at) ?? []).reverse().map(({ value, group }): Statement => {
        const register = this.newRegister(value);
        group.register = register;
        return { kind: "let", register, value: this.define(value, location, this.confines(value)) };
      });
      const rewritten = this.rewriteStatement(statement, location);
      return rewritten === undefined ? before : [...before, rewritten];
    });
  }

  private rewriteStatement(statement: Statement, location: Location): Statement | undefined {
    switch (statement.kind) {
      case "for":
      case "if":
        return { ...statement, body: this.rewriteBlock(location.block.children.get(location.at) as Block) };
      case "let":
        return undefined; // named anew, where it is used
      case "declare":
      case "barrier":
        return statement;
      case "set":
      case "store":
        return { ...statement, value: this.refer(this.graph.stored.get(statement) as Value, location) };
    }
  }

  /** A value where it is used: its name, or what it is. */
  private refer(value: Value, location: Location): Scalar {
    const register = groupAt(this.groups.get(value) as Map<Block, Group>, value, location)?.register;
    if (register !== undefined) return { kind: "register", type: register.type, register };
    return this.define(value, location, this.confines(value));
  }

  private define(value: Value, location: Location, inside: boolean): Scalar {
    if (value.alias) return this.refer(value.args[0] as Value, location);
    const args = value.args.map((arg, at) =>
      inside && this.isConfined(value, at) ? this.define(arg, location, true) : this.refer(arg, location),
    );
    return withArgs(value.scalar, args);
  }
}

function isNamed(value: Value, group: Group): boolean {
  if (group.uses === 0) return false;
  if (value.alias) return true;
  if (group.hasLet) return value.scalar.kind !== "constant";
  return !isCheap(value.scalar) && (group.uses > 1 || group.hoisted);
}

/** Constants, registers, array elements and indices need no name. */
function isCheap(scalar: Scalar): boolean {
  return argsOf(scalar).length === 0 && scalar.kind !== "load";
}

/** How far out of loops a value can be moved from where it is used, and before which statement there. */
function outermost(value: Value, location: Location): Location {
  let { block, at } = location;
  while (block.depth > value.block.depth && !block.conditional && block.parent !== undefined) {
    at = block.at;
    block = block.parent;
  }
  return { block, at };
}

function groupsOf(value: Value, uses: readonly Use[]): Map<Block, Group> {
  const groups = new Map<Block, Group>();
  for (const { location, isLet } of uses) {
    const { block, at } = outermost(value, location);
    const group = groups.get(block) ?? {
      block,
      at,
      uses: 0,
      hasLet: false,
      hoisted: false,
      named: false,
      register: undefined,
    };
    groups.set(block, group);
    group.at = Math.min(group.at, at);
    if (isLet) group.hasLet = true;
    else {
      group.uses += 1;
      group.hoisted ||= block !== location.block;
    }
  }
  return groups.size > 1 ? merged(groups) : groups;
}

function groupAt(groups: ReadonlyMap<Block, Group>, value: Value, location: Location): Group | undefined {
  return groups.get(outermost(value, location).block);
}

/** Groups whose uses lie under an `if` join one further out that comes before. */
function merged(groups: ReadonlyMap<Block, Group>): Map<Block, Group> {
  const result = new Map<Block, Group>();
  const outerFirst = [...groups.values()].sort((a, b) => a.block.depth - b.block.depth);
  for (const group of outerFirst) {
    const outer = groupBefore(result, group.block);
    if (outer !== undefined) {
      outer.uses += group.uses;
      outer.hasLet ||= group.hasLet;
    }
    result.set(group.block, outer ?? group);
  }
  return result;
}

function groupBefore(groups: ReadonlyMap<Block, Group>, block: Block): Group | undefined {
  for (let inner = block; inner.parent !== undefined; inner = inner.parent) {
    const outer = groups.get(inner.parent);
    if (outer !== undefined && outer.block === inner.parent && outer.at <= inner.at) return outer;
  }
  return undefined;
}

/** Every name in the statements. */
function namesIn(body: readonly Statement[]): Set<string> {
  const names = new Set<string>();
  walkScalars(body, (of) => {
    if (of.kind === "load") names.add(of.buffer.name);
    else if (of.kind === "register") names.add(of.register.name);
  });
  const walk = (statement: Statement): void => {
    if (statement.kind === "let") names.add(statement.register.name);
    if (statement.kind === "declare") names.add(statement.array.name);
    if (statement.kind === "store") names.add(statement.buffer.name);
    if (statement.kind === "for") names.add(statement.axis.name);
    if (statement.kind === "for" || statement.kind === "if") statement.body.forEach(walk);
  };
  body.forEach(walk);
  return names;
}
