/**
 * A binary heap of the integers 0, 1, 2, ... whose order may change while they are in it: after a change,
 * `update` the item. `isBefore` must be a strict total order, so that the sequence of what comes out is
 * determined.
 */
export class UpdatableHeap {
  readonly #isBefore: (a: number, b: number) => boolean;
  readonly #items: number[] = [];
  /** Place of each item in `#items`; -1 for one that is not in the heap. */
  readonly #places: number[] = [];

  constructor(isBefore: (a: number, b: number) => boolean) {
    this.#isBefore = isBefore;
  }

  /** The first item, left in the heap; undefined when it is empty. */
  peek(): number | undefined {
    return this.#items[0];
  }

  /** Puts `item` into the heap, or to where it now belongs. */
  update(item: number): void {
    while (this.#places.length <= item) this.#places.push(-1);
    let place = this.#places[item];
    if (place === -1) {
      place = this.#items.length;
      this.#items.push(item);
    }
    this.#sink(item, this.#rise(item, place));
  }

  /** Takes `item` out, if it is in. */
  remove(item: number): void {
    const place = this.#places[item] ?? -1;
    const last = this.#items.at(-1);
    if (place === -1 || last === undefined) return;
    this.#items.pop();
    this.#places[item] = -1;
    if (last !== item) this.#sink(last, this.#rise(last, place));
  }

  #rise(item: number, from: number): number {
    let place = from;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (!this.#isBefore(item, this.#items[parent])) break;
      this.#put(this.#items[parent], place);
      place = parent;
    }
    this.#put(item, place);
    return place;
  }

  #sink(item: number, from: number): void {
    let place = from;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= this.#items.length) break;
      if (child + 1 < this.#items.length && this.#isBefore(this.#items[child + 1], this.#items[child]))
        child++;
      if (!this.#isBefore(this.#items[child], item)) break;
      this.#put(this.#items[child], place);
      place = child;
    }
    this.#put(item, place);
  }

  #put(item: number, place: number): void {
    this.#items[place] = item;
    this.#places[item] = place;
  }
}
