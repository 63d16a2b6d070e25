import { InternalError } from "../../graph/errors.ts";
import type { Node, Value } from "../../graph/node.ts";
import { numel } from "../../graph/shape.ts";
import { build } from "../../ops/build.ts";
import { definitionOf, typed } from "../../ops/table.ts";
import { attentionTemplate, isAttention, isTooCostlyInside } from "./attention.ts";
import { Depths } from "./depths.ts";
import { GroupList } from "./groupList.ts";
import {
  endsWithKernel,
  type Fusion,
  fitsProducts,
  type Group,
  isReduction,
  placeOf,
  readsInPlace,
  reductionTemplate,
  sameLoops,
  sameProducts,
  scanTemplate,
  type Template,
} from "./groups.ts";
import type { Waits } from "./marks.ts";
import { type Pairing, pairReductions, productsFirst } from "./products.ts";
import { type Hops, lastingValues, recomputedFrom } from "./recompute.ts";
import { type Placing, Relations } from "./relations.ts";
import { basesOf, behindReshapes, inPlaceInputs } from "./views.ts";

/**
 * Partitions a graph of primitives into kernels. Nodes are visited inputs first. Reductions, scans, sorts, products and
 * scatters found groups; elementwise ops join the group that computes one of their operands if they read it in place, or
 * else stay free: computed by whoever reads them, from memory. Products of one shape share a group where they share an
 * operand or are added up, and reductions of what a product reads anyway are done beside it. A value that another group
 * needs is stored, or computed again from narrow values where that is cheap (so a layer norm keeps its mean and scale,
 * not its result).
 *
 * Done twice: what is cheaply made of other stored values shows only when all are known.
 */
export function fuse(
  order: readonly Node[],
  roots: readonly Value[],
  isInput: (value: Value) => boolean,
  waits: Waits = new Map(),
): Fusion {
  const pairing = pairReductions(order);
  const sorted = productsFirst(order, pairing);
  const first = new Fuser({ isInput, waits }, pairing, new Set()).run(sorted, roots);
  return new Fuser({ isInput, waits }, pairing, lastingValues(first.groups, isInput)).run(sorted, roots);
}

type Boundary = Pick<Placing, "isInput" | "waits">;

class Fuser {
  readonly #isInput: (value: Value) => boolean;
  readonly #groups = new GroupList();
  readonly #home = new Map<Value, Group>();
  readonly #owner = new Map<Value, Group>();
  readonly #relations: Relations;
  /** Values that will lie in memory in any case: what the program returns or writes. */
  readonly #promised = new Set<Value>();
  readonly #depths = new Depths();
  /** Values that will probably be stored, so that others may count on them. */
  readonly #expected: ReadonlySet<Value>;
  readonly #pairing: Pairing;
  readonly #hops: Hops = new Map();

  constructor({ isInput, waits }: Boundary, pairing: Pairing, expected: ReadonlySet<Value>) {
    this.#isInput = isInput;
    this.#pairing = pairing;
    this.#expected = expected;
    this.#relations = new Relations({ isInput, homeOf: this.#home, ownerOf: this.#owner, waits });
  }

  run(order: readonly Node[], roots: readonly Value[]): Fusion {
    for (const root of roots) this.#promised.add(behindReshapes(root));
    for (const node of order) this.#place(node);
    const rootStorage = new Map(roots.map((root) => [root, this.#storeRoot(root)]));
    return { groups: this.#groups.all, homeOf: this.#home, ownerOf: this.#owner, rootStorage };
  }

  #place(original: Node): void {
    const node = typed(original);
    const { kind } = definitionOf(original);
    if (kind === "leaf" || kind === "movement") return;
    if (isAttention(original)) this.#placeAlone(original, attentionTemplate(original));
    else if (kind === "composite") throw new InternalError(`fuse: ${node.op} was not expanded`);
    else if (node.op === "matmul") this.#placeProduct(original);
    else if (node.op === "scatterAdd" || node.op === "scatterReduce")
      this.#placeAlone(original, { kind: "scatter", target: node.outputs[0] });
    else if (node.op === "argsort") this.#placeAlone(original, { kind: "sort", order: node.outputs[0] });
    else if (isReduction(node))
      this.#placeInRows(original, reductionTemplate(node.inputs[0], node.attrs.dims));
    else if (kind === "scan") this.#placeInRows(original, scanTemplate(node.inputs[0]));
    else this.#placeMap(original);
  }

  // Placing

  #placeMap(node: Node): void {
    const homes = new Set<Group>();
    for (const input of inPlaceInputs(node)) {
      for (const base of basesOf(input)) {
        const home = this.#home.get(base);
        if (home) homes.add(home);
      }
    }
    this.#unite(node, homes);
    for (const group of [...homes].sort((a, b) => b.id - a.id)) {
      const reason = this.#obstacle(node, group);
      if (reason === undefined) {
        this.#join(node, group);
        return;
      }
      group.stopped.add(`${node.op}: ${reason}`);
    }
    for (const input of node.inputs) this.#externalise(input);
    this.#noteDepth(node);
    for (const output of node.outputs) if (this.#depths.isDeep(output)) this.#requireMemory(output);
  }

  /** Why an elementwise node cannot be computed in the group's loops; undefined if it can. */
  #obstacle(node: Node, group: Group): string | undefined {
    if (endsWithKernel(group.template))
      return "follows a scatter, a sort or gradients of attention, which end only with the kernel";
    if (this.#relations.waitsFor(node, group)) return "is computed again later";
    const coordinates = this.#groups.coordinatesOf(group);
    const { shape } = node.outputs[0];
    const place = placeOf(shape, coordinates);
    if (place === undefined) return "another iteration space";
    const isWide = place.width === "wide" && numel(shape) !== numel(coordinates.narrowShape);
    if (group.template.kind === "reduce" && isWide) return "needs the reduction's result for every element";
    const inPlace = new Set(inPlaceInputs(node));
    for (const input of node.inputs) {
      for (const base of basesOf(input)) {
        if (this.#home.get(base) === group) {
          if (this.#depths.isDeep(base)) return "the kernel is long enough";
          if (!inPlace.has(input) || !readsInPlace(shape, input, coordinates))
            return "reads another element of the kernel's own result";
          if (group.template.kind === "contract" && isWide && numel(base.shape) !== numel(shape))
            return "needs the reduction's result for every element";
        } else if (this.#relations.isBehind(base, group)) {
          return "another operand is computed from this kernel's result";
        }
      }
    }
    return undefined;
  }

  #join(node: Node, group: Group): void {
    for (const input of node.inputs) {
      if (basesOf(input).every((base) => this.#home.get(base) === group)) continue;
      this.#externalise(input, group);
      this.#relations.depend(group, input);
    }
    this.#relations.wait(group, node);
    for (const output of node.outputs) {
      this.#home.set(output, group);
      group.members.add(output);
    }
    this.#noteDepth(node, group);
  }

  /** Notes how deep a node's results stand, in a group or free. */
  #noteDepth(node: Node, group?: Group): void {
    this.#depths.note(
      node,
      node.inputs.flatMap(basesOf),
      (base) => this.#inMemory(base) && (group === undefined || this.#home.get(base) !== group),
    );
  }

  /**
   * Makes one group of those that compute products of one shape, which the node takes in place: they are computed side
   * by side, and none is stored for the other.
   */
  #unite(node: Node, homes: Set<Group>): void {
    const [first, ...others] = [...homes].sort((a, b) => a.id - b.id);
    for (const other of others) {
      if (!this.#canUnite(node, first, other)) continue;
      for (const value of other.members) {
        first.members.add(value);
        this.#home.set(value, first);
      }
      for (const value of other.stores) {
        first.stores.add(value);
        this.#owner.set(value, first);
      }
      for (const value of other.inlined) first.inlined.add(value);
      for (const reason of other.stopped) first.stopped.add(reason);
      this.#relations.absorb(first, other);
      this.#groups.remove(other);
      homes.delete(other);
    }
  }

  #canUnite(node: Node, a: Group, b: Group): boolean {
    if (!sameProducts(a, b) || !this.#groups.isRecent(a) || this.#relations.areOrdered(a, b)) return false;
    if (this.#relations.waitsFor(node, a) || this.#relations.waitsFor(node, b)) return false;
    const coordinates = this.#groups.coordinatesOf(a);
    const { shape } = node.outputs[0];
    return node.inputs.every((input) =>
      basesOf(input).every((base) => {
        const home = this.#home.get(base);
        if (home !== a && home !== b)
          return !this.#relations.isBehind(base, a) && !this.#relations.isBehind(base, b);
        return (
          numel(base.shape) === numel(coordinates.wideShape) &&
          !this.#depths.isDeep(base) &&
          readsInPlace(shape, input, coordinates)
        );
      }),
    );
  }

  /** Reductions and scans: in a group of the same loops that computes or reads the same, or in a new one. */
  #placeInRows(node: Node, template: Template): void {
    const [output] = node.outputs;
    const group =
      this.#productBeside(node) ??
      this.#groupsNear(node.inputs).find(
        (candidate) => this.#obstacleToReduce(node, template, candidate) === undefined,
      ) ??
      this.#groups.add(template);
    this.#noteStopped(node, (home) =>
      home === group ? undefined : this.#obstacleToReduce(node, template, home),
    );
    // What feeds it is computed in its loops too, once, if nobody else does: several passes may read it.
    for (const input of node.inputs) {
      this.#externalise(input, group);
      this.#relations.depend(group, input);
      for (const base of basesOf(input)) this.#adopt(base, input, group);
    }
    this.#relations.wait(group, node);
    this.#home.set(output, group);
    group.members.add(output);
    this.#noteDepth(node, group);
  }

  /** Recent groups and those that compute an operand, youngest first: all that may take in what reads the operands. */
  #groupsNear(operands: readonly Value[]): Group[] {
    const near = new Set(this.#groups.recent());
    for (const base of operands.flatMap(basesOf)) {
      const home = this.#home.get(base);
      if (home) near.add(home);
    }
    return [...near].sort((a, b) => b.id - a.id);
  }

  /** The group of a product that multiplies what the reduction reads. */
  #productBeside(node: Node): Group | undefined {
    for (const product of this.#pairing.waitsFor.get(node) ?? []) {
      const group = this.#home.get(product.outputs[0]);
      const { beside } = group?.template.kind === "contract" ? group.template : { beside: undefined };
      if (beside === undefined || beside !== this.#pairing.sideOf.get(product)) continue;
      if (group && !this.#relations.waitsFor(node, group)) return group;
    }
    return undefined;
  }

  /** Why a reduction or scan cannot share the group's loops; undefined if it reads what is there, or the same data. */
  #obstacleToReduce(node: Node, template: Template, group: Group): string | undefined {
    if (!sameLoops(group.template, template)) return "runs over other elements";
    if (this.#relations.waitsFor(node, group)) return "is computed again later";
    for (const input of node.inputs) {
      const reason = this.#obstacleToReduceIn(input, group);
      if (reason !== undefined) return reason;
    }
    return undefined;
  }

  #obstacleToReduceIn(input: Value, group: Group): string | undefined {
    const bases = basesOf(input);
    const atHome = bases.some((base) => this.#home.get(base) === group);
    if (!atHome && !this.#groups.isRecent(group)) return "reads other data";
    if (atHome && group.template.kind === "reduce") return "needs the reduction's result for every element";
    if (atHome && !readsInPlace(input.shape, input, this.#groups.coordinatesOf(group)))
      return "reads another element of the kernel's own result";
    if (atHome && bases.some((base) => this.#depths.isDeep(base))) return "the kernel is long enough";
    for (const base of bases) {
      if (this.#home.get(base) !== group && this.#relations.isBehind(base, group))
        return "another operand is computed from this kernel's result";
    }
    return atHome || this.#sharesReads(input, group) ? undefined : "reads other data";
  }

  /** Notes in the kernels that compute an operand why the node did not join them. */
  #noteStopped(node: Node, reasonFor: (home: Group) => string | undefined): void {
    for (const base of node.inputs.flatMap(basesOf)) {
      const home = this.#home.get(base);
      const reason = home && reasonFor(home);
      if (home && reason !== undefined) home.stopped.add(`${node.op}: ${reason}`);
    }
  }

  #adopt(base: Value, input: Value, group: Group): void {
    if (group.template.kind !== "row" || this.#inMemory(base) || this.#home.has(base)) return;
    if (definitionOf(base.node).kind !== "map") return;
    if (!this.#inPlaceForAdoption(base, input, group)) return;
    this.#hold(group, base);
  }

  #inPlaceForAdoption(base: Value, input: Value, group: Group): boolean {
    return (
      numel(base.shape) === numel(input.shape) &&
      base.node.outputs.length === 1 &&
      readsInPlace(input.shape, input, this.#groups.coordinatesOf(group))
    );
  }

  #placeProduct(node: Node): void {
    const [product] = node.outputs;
    this.#noteStopped(node, () => "reads each element many times, from memory");
    for (const input of node.inputs) for (const base of basesOf(input)) this.#requireMemory(base);
    const beside = this.#pairing.sideOf.get(node);
    const group =
      this.#groups
        .recent()
        .find(
          (candidate) =>
            fitsProducts(product, beside, candidate) &&
            !this.#relations.waitsFor(node, candidate) &&
            !node.inputs.some((input) => this.#relations.isBehind(input, candidate)),
        ) ?? this.#groups.add({ kind: "contract", shape: product.shape, beside });
    this.#relations.compute(group, node);
    this.#home.set(product, group);
    group.members.add(product);
  }

  /** Scatters, sorts and attention, of whose results those are stored that somebody reads. */
  #placeAlone(node: Node, template: Template): void {
    this.#noteStopped(node, () => "is a kernel of its own, which only elementwise operands join");
    for (const base of node.inputs.flatMap(basesOf)) {
      if (isTooCostlyInside(base, template, this.#relations)) this.#requireMemory(base);
      else this.#externalise(base);
    }
    const group = this.#groups.add(template);
    this.#relations.compute(group, node);
    for (const output of node.outputs) {
      this.#home.set(output, group);
      group.members.add(output);
    }
    if (node.outputs.length === 1) this.#store(node.outputs[0]);
  }

  #storeRoot(root: Value): Value {
    const value = behindReshapes(root);
    if (this.#isInput(value)) {
      const copy = build("reshape", [value], { shape: [numel(value.shape)] }).outputs[0];
      this.#storeFree(copy);
      return copy;
    }
    this.#requireMemory(value);
    return value;
  }

  // Memory

  /** Makes sure that `value` can be computed outside of its group: from memory. `reader` computes it at home anyway. */
  #externalise(value: Value, reader?: Group): void {
    for (const base of basesOf(value)) {
      const home = this.#home.get(base);
      if (home === undefined || home === reader || this.#inMemory(base)) continue;
      const needed = this.#recomputable(base, home);
      if (needed === undefined) this.#store(base);
      else for (const part of needed) this.#store(part);
    }
  }

  /**
   * The values (narrow ones, or ones that will be stored anyway) from which a wide member can cheaply be computed again;
   * undefined if it should be stored itself.
   */
  #recomputable(value: Value, home: Group): Value[] | undefined {
    const coordinates = this.#groups.coordinatesOf(home);
    const isNarrow = (part: Value): boolean =>
      numel(part.shape) < numel(coordinates.wideShape) &&
      placeOf(part.shape, coordinates)?.width === "narrow";
    const isExpected = (part: Value): boolean => this.#promised.has(part) || this.#expected.has(part);
    if (isExpected(value) || isNarrow(value)) return undefined;
    return recomputedFrom(value, {
      isFree: (part) => this.#inMemory(part) || this.#home.get(part) !== home,
      isStorable: (part) => isExpected(part) || (home.template.kind === "row" && isNarrow(part)),
      hops: this.#hops,
      isInMemory: (part) => this.#inMemory(part),
    });
  }

  #requireMemory(value: Value): void {
    if (this.#inMemory(value)) return;
    if (this.#home.has(value)) this.#store(value);
    else this.#storeFree(value);
  }

  #store(value: Value): void {
    const home = this.#home.get(value);
    if (home === undefined) throw new InternalError(`fuse: ${value.node.op} has no home to be stored from`);
    home.stores.add(value);
    this.#owner.set(value, home);
  }

  /** Gives a free value a kernel: one that already runs over the same elements and reads the same data, or its own. */
  #storeFree(value: Value): void {
    const home = this.#elementwiseHome(value);
    for (const input of value.node.inputs) this.#externalise(input, home);
    const fits = (group: Group): boolean =>
      group.template.kind === "map" &&
      numel(group.template.shape) === numel(value.shape) &&
      this.#sharesReads(value, group) &&
      !this.#relations.isBehind(value, group);
    const group =
      home ?? this.#groups.recent().find(fits) ?? this.#groups.add({ kind: "map", shape: value.shape });
    this.#relations.depend(group, value);
    this.#hold(group, value);
    this.#store(value);
  }

  /** The elementwise group that computes an operand, if the value can be computed there too. */
  #elementwiseHome({ node }: Value): Group | undefined {
    if (definitionOf(node).kind !== "map") return undefined;
    const homes = node.inputs.flatMap(basesOf).map((base) => this.#home.get(base));
    return homes.find((group) => group?.template.kind === "map" && this.#obstacle(node, group) === undefined);
  }

  #inMemory(value: Value): boolean {
    return this.#isInput(value) || this.#owner.has(value);
  }

  // Relations

  /** Gives a free value a group. */
  #hold(group: Group, value: Value): void {
    this.#home.set(value, group);
    group.members.add(value);
    this.#relations.held(value, group);
  }

  /** Whether the group already reads a large value that computing `value` reads too. */
  #sharesReads(value: Value, group: Group): boolean {
    const elements = numel(this.#groups.coordinatesOf(group).wideShape);
    const large = (read: Value): boolean => numel(read.shape) >= elements;
    const mine = new Set([...this.#relations.readsOf([value])].filter(large));
    if (mine.size === 0) return false;
    const inputs = [...group.members].flatMap(({ node }) => node.inputs);
    return [...this.#relations.readsOf(inputs)].some((read) => mine.has(read));
  }
}
