import { ArgumentError } from "../graph/errors.ts";

/** B contiguous stretches of a text, side by side: what a memory of the last segment needs. */
export interface TokenStreams {
  readonly batchSize: number;
  /** Tokens of each. */
  readonly length: number;
  /** [B, length], row-major. */
  readonly ids: Int32Array;
  /** [B, length]: the number of each token's sentence. */
  readonly sentences: Int32Array;
}

/** Settings of {@link tokenStreams}. */
export interface TokenStreamsOptions {
  readonly batchSize: number;
  /** The second half of the rows is the first one backwards, as XLNet is trained with. Default false. */
  readonly bidirectional?: boolean;
}

/**
 * Lays sentences end to end and cuts them into equal rows; the tokens that do not fill the last column are dropped.
 * @throws ArgumentError for fewer tokens than rows, or an odd number of rows in both directions.
 */
export function tokenStreams(
  sentences: Iterable<ArrayLike<number>>,
  { batchSize, bidirectional = false }: TokenStreamsOptions,
): TokenStreams {
  const rows = bidirectional ? batchSize / 2 : batchSize;
  if (!Number.isInteger(rows) || rows < 1) {
    const wanted = bidirectional ? "an even number of at least 2" : "an integer of at least 1";
    throw new ArgumentError(`tokenStreams: batchSize must be ${wanted}, got ${batchSize}`);
  }
  const tokens: number[] = [];
  const numbers: number[] = [];
  let number = 0;
  for (const sentence of sentences) {
    for (let i = 0; i < sentence.length; i++) {
      tokens.push(sentence[i]);
      numbers.push(number);
    }
    number++;
  }
  const length = Math.floor(tokens.length / rows);
  if (length === 0) {
    throw new ArgumentError(
      `tokenStreams: ${tokens.length} tokens are fewer than ${rows} rows; give more text`,
    );
  }
  const layOut = (values: readonly number[]): Int32Array => {
    const forwards = Int32Array.from(values.slice(0, rows * length));
    if (!bidirectional) return forwards;
    const both = new Int32Array(2 * forwards.length);
    both.set(forwards);
    for (let row = 0; row < rows; row++) {
      const backwards = forwards.slice(row * length, (row + 1) * length).reverse();
      both.set(backwards, forwards.length + row * length);
    }
    return both;
  };
  return { batchSize, length, ids: layOut(tokens), sentences: layOut(numbers) };
}

/** A segment of all streams, for a language model with a memory. */
export interface StreamSegment {
  /** [B, T] */
  readonly inputIds: Int32Array;
  /** [B, T]: the token behind each of them. */
  readonly nextTokens: Int32Array;
  /** Whether the streams begin here, so that there is nothing to remember. */
  readonly isFirst: boolean;
}

/** How many segments of `length` tokens, each with a next one, the streams have. */
export function segmentCount(streams: TokenStreams, length: number): number {
  return Math.floor((streams.length - 1) / length);
}

/**
 * Segment number `index`, which continues the one before it.
 * @throws ArgumentError for a number that is none.
 */
export function streamSegment(streams: TokenStreams, length: number, index: number): StreamSegment {
  const { batchSize, ids } = streams;
  const count = segmentCount(streams, length);
  if (!Number.isInteger(index) || index < 0 || index >= count) {
    throw new ArgumentError(
      `streamSegment: there is no segment ${index}; the streams have ${count} of ${length} tokens`,
    );
  }
  const inputIds = new Int32Array(batchSize * length);
  const nextTokens = new Int32Array(batchSize * length);
  for (let row = 0; row < batchSize; row++) {
    const start = row * streams.length + index * length;
    inputIds.set(ids.subarray(start, start + length), row * length);
    nextTokens.set(ids.subarray(start + 1, start + length + 1), row * length);
  }
  return { inputIds, nextTokens, isFirst: index === 0 };
}
