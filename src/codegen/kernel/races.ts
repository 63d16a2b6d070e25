import type { Buffer } from "./ir.ts";

const nobody = -1;
const several = -2;

/** Who touched an element since the last barrier. */
interface Touched {
  readonly writer: Int32Array;
  readonly reader: Int32Array;
}

/**
 * Watches the invocations of a workgroup between barriers: what one stores, no other may load or store before all have
 * met, and what one has loaded, no other may store.
 */
export class RaceDetector {
  readonly #touched = new Map<Buffer, Touched>();

  /** Everything so far has happened before anything after. */
  meet(): void {
    this.#touched.clear();
  }

  /** Whether a load by `invocation` races with another. */
  load(buffer: Buffer, at: number, invocation: number): boolean {
    const { writer, reader } = this.#of(buffer);
    const known = reader[at];
    reader[at] = known === nobody || known === invocation ? invocation : several;
    return writer[at] !== nobody && writer[at] !== invocation;
  }

  /** Whether a store by `invocation` races with another. */
  store(buffer: Buffer, at: number, invocation: number): boolean {
    const { writer, reader } = this.#of(buffer);
    const races = [writer[at], reader[at]].some((who) => who !== nobody && who !== invocation);
    writer[at] = invocation;
    return races;
  }

  #of(buffer: Buffer): Touched {
    let touched = this.#touched.get(buffer);
    if (touched === undefined) {
      const empty = (): Int32Array => new Int32Array(buffer.length).fill(nobody);
      touched = { writer: empty(), reader: empty() };
      this.#touched.set(buffer, touched);
    }
    return touched;
  }
}
