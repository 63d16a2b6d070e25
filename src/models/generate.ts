import { ArgumentError } from "../graph/errors.ts";
import { compile } from "../tensor/compile.ts";
import { tensor } from "../tensor/create.ts";
import { noGrad } from "../tensor/grad.ts";
import type { Tensor } from "../tensor/tensor.ts";

// Searching for the likeliest output of a model that gives one token after the other.

export interface GenerateOptions {
  /** Tokens of the longest output, the start token included. */
  readonly maxLength: number;
  /** How many outputs are followed at once; 1 (greedy search) by default. */
  readonly beams?: number;
  /** The token that ends an output; without one, all have `maxLength` tokens. */
  readonly endToken?: number;
  /**
   * Outputs are compared by log p / ((5 + length) / 6)^lengthPenalty; Wu et al., Google's Neural Machine Translation System
   * (2016), section 7. 0.6 by default, as in Attention Is All You Need.
   */
  readonly lengthPenalty?: number;
}

interface Beam {
  readonly tokens: readonly number[];
  /** Natural logarithm of the probability of all tokens behind the start. */
  readonly logProbability: number;
}

/** For each row of tokens, the logits of the next: `rows.length` times the vocabulary. `sources[i]` is the input of row i. */
export type NextLogits = (
  rows: readonly (readonly number[])[],
  sources: readonly number[],
) => Promise<ArrayLike<number>>;

/**
 * The best output for each of `count` inputs, found by following the `beams` likeliest beginnings; each with the start
 * token and, if it came, the end token.
 * @throws ArgumentError unless `maxLength` and `beams` are integers of at least 1.
 */
export async function beamSearch(
  next: NextLogits,
  count: number,
  startToken: number,
  { maxLength, beams = 1, endToken, lengthPenalty = 0.6 }: GenerateOptions,
): Promise<number[][]> {
  for (const [name, value] of Object.entries({ maxLength, beams })) {
    if (!Number.isInteger(value) || value < 1)
      throw new ArgumentError(`generate: ${name} is ${value}, wanted an integer of at least 1`);
  }
  const score = ({ tokens, logProbability }: Beam): number =>
    logProbability / ((5 + tokens.length - 1) / 6) ** lengthPenalty;
  const searches = Array.from({ length: count }, () => ({
    open: [{ tokens: [startToken], logProbability: 0 }] as readonly Beam[],
    done: [] as Beam[],
  }));
  for (let length = 1; length < maxLength; length++) {
    const rows = searches.flatMap(({ open }, source) => open.map((beam) => ({ beam, source })));
    if (rows.length === 0) break;
    const logits = await next(
      rows.map(({ beam }) => beam.tokens),
      rows.map(({ source }) => source),
    );
    const classes = logits.length / rows.length;
    const grown = rows.map(({ beam }, row) => extensions(beam, logits, row * classes, classes, beams));
    searches.forEach((search, source) => {
      const candidates = grown.filter((_, row) => rows[row].source === source).flat();
      candidates.sort((a, b) => b.logProbability - a.logProbability);
      const best = candidates.slice(0, beams);
      const ended = ({ tokens }: Beam): boolean => tokens[tokens.length - 1] === endToken;
      search.done.push(...best.filter(ended));
      search.open = search.done.length >= beams ? [] : best.filter((beam) => !ended(beam));
    });
  }
  return searches.map(({ open, done }) => {
    const all = [...done, ...open];
    return [...all.reduce((best, beam) => (score(beam) > score(best) ? beam : best)).tokens];
  });
}

/** A beam with each of the likeliest next tokens; of equal ones the first. */
function extensions(
  { tokens, logProbability }: Beam,
  logits: ArrayLike<number>,
  start: number,
  classes: number,
  beams: number,
): Beam[] {
  let largest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < classes; i++) largest = Math.max(largest, logits[start + i]);
  let total = 0;
  for (let i = 0; i < classes; i++) total += Math.exp(logits[start + i] - largest);
  const normalizer = largest + Math.log(total);
  const order = Array.from({ length: classes }, (_, token) => token);
  order.sort((a, b) => logits[start + b] - logits[start + a] || a - b);
  return order.slice(0, beams).map((token) => ({
    tokens: [...tokens, token],
    logProbability: logProbability + logits[start + token] - normalizer,
  }));
}

/** A model that reads a whole input and gives its output token by token. */
export interface EncoderDecoder {
  readonly training: boolean;
  encode(inputIds: Tensor, inputs: { readonly attentionMask?: Tensor }): { readonly last: Tensor };
  decode(decoderInputIds: Tensor, encoded: Tensor, inputs: { readonly attentionMask?: Tensor }): Tensor;
}

/**
 * Searches the outputs of an encoder-decoder for inputIds [B, S]. Every step runs one and the same plan: the decoder sees
 * outputs filled up to `maxLength`, of which causal attention lets nothing through to the places that are read.
 */
export async function generateTokens(
  model: EncoderDecoder,
  inputIds: Tensor,
  inputs: { readonly attentionMask?: Tensor },
  options: GenerateOptions & { readonly startToken: number; readonly padToken: number },
): Promise<number[][]> {
  const { maxLength, beams = 1, startToken, padToken } = options;
  const [count] = inputIds.shape;
  const rowCount = count * beams;
  const encoded = noGrad(() => model.encode(inputIds, inputs).last);
  const step = compile((ids: Tensor, sources: Tensor, last: Tensor) =>
    noGrad(() => {
      const mask = inputs.attentionMask?.indexSelect(0, sources);
      const logits = model.decode(ids, encoded.indexSelect(0, sources), { attentionMask: mask });
      const at = last.reshape([rowCount, 1, 1]).expand([rowCount, 1, logits.size(2)]);
      return logits.gather(1, at);
    }),
  );
  const next: NextLogits = async (rows, sources) => {
    // Rows that search has no use for repeat the first, so that the shapes stay.
    const fill = <T>(values: readonly T[]): readonly T[] =>
      Array.from({ length: rowCount }, (_, i) => values[i] ?? values[0]);
    const padded = fill(rows).flatMap((row) => [...row, ...Array(maxLength - row.length).fill(padToken)]);
    const i32 = (values: readonly number[], shape: readonly number[]): Tensor =>
      tensor(Int32Array.from(values), { shape, device: inputIds.device });
    const logits = await step(
      i32(padded, [rowCount, maxLength]),
      i32(fill(sources), [rowCount]),
      i32(
        fill(rows).map((row) => row.length - 1),
        [rowCount],
      ),
    ).data();
    return logits.slice(0, (logits.length / rowCount) * rows.length);
  };
  return beamSearch(next, count, startToken, options);
}
