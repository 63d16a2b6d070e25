/**
 * A bounded map from full descriptions (compared as strings, never by a hash alone) to what was prepared for them. The
 * least recently used entry is dropped first.
 */
export class PlanCache<T> {
  readonly #entries = new Map<string, T>();
  readonly #capacity: number;
  readonly #drop: (entry: T) => void;

  constructor(capacity: number, drop: (entry: T) => void) {
    this.#capacity = capacity;
    this.#drop = drop;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): T | undefined {
    const entry = this.#entries.get(key);
    if (entry !== undefined) {
      this.#entries.delete(key);
      this.#entries.set(key, entry);
    }
    return entry;
  }

  /** Adds an entry; returns whether another had to go for it. */
  set(key: string, entry: T): boolean {
    this.#entries.set(key, entry);
    if (this.#entries.size <= this.#capacity) return false;
    for (const [oldest, value] of this.#entries) {
      this.#entries.delete(oldest);
      this.#drop(value);
      break;
    }
    return true;
  }

  delete(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#drop(entry);
  }

  clear(): void {
    for (const entry of this.#entries.values()) this.#drop(entry);
    this.#entries.clear();
  }
}
