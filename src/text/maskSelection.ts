import { ArgumentError } from "../graph/errors.ts";
import { type RandomStream, shuffle } from "./hashRandom.ts";

/**
 * Which candidates are selected together. A unit is a token, or a whole word where masking is told which
 * tokens continue one.
 *
 * - `"units"` (the default): units, each for itself, as in BERT.
 * - `"ngrams"`: runs of 1 to `maxLength` (default 3) units, n with probability in proportion to 1/n, or to
 *   1/(maxLength + 1 - n) where `favorShorter` is false; as in ALBERT.
 * - `"spans"`: runs whose length is drawn from a geometric distribution, cut off at `maxLength` (default 10),
 *   that ends after each unit with probability `stop` (default 0.2); all tokens of a run are masked, kept or
 *   replaced alike; as in SpanBERT.
 *
 * Source: Lan et al., ALBERT (1909.11942), `create_pretraining_data.py`; Joshi et al., SpanBERT (1907.10529).
 */
export type MaskSelection =
  | { readonly kind: "units" }
  | { readonly kind: "ngrams"; readonly maxLength?: number; readonly favorShorter?: boolean }
  | { readonly kind: "spans"; readonly maxLength?: number; readonly stop?: number };

/**
 * Probability, up to a factor, of each length 1, 2, ... of a run.
 * @throws ArgumentError for a malformed selection.
 */
export function runLengthWeights(selection: Exclude<MaskSelection, { kind: "units" }>): number[] {
  const longest = selection.maxLength ?? (selection.kind === "ngrams" ? 3 : 10);
  if (!(Number.isInteger(longest) && longest >= 1 && longest <= 1_000)) {
    throw new ArgumentError(`masking: maxLength of a run must be an integer from 1 to 1000, got ${longest}`);
  }
  const lengths = Array.from({ length: longest }, (_, i) => i + 1);
  switch (selection.kind) {
    case "ngrams": {
      const weights = lengths.map((length) => 1 / length);
      return selection.favorShorter === false ? weights.reverse() : weights;
    }
    case "spans": {
      const { stop = 0.2 } = selection;
      if (!(stop > 0 && stop <= 1)) {
        throw new ArgumentError(`masking: stop must lie between 0 and 1, got ${stop}`);
      }
      return lengths.map((length) => stop * (1 - stop) ** (length - 1));
    }
  }
}

/** An index of `weights` below `limit`, with probability in proportion to its weight. */
function draw(weights: readonly number[], limit: number, random: RandomStream): number {
  const count = Math.min(limit, weights.length);
  let total = 0;
  for (let i = 0; i < count; i++) total += weights[i];
  let rest = random.uniform() * total;
  for (let i = 0; i < count - 1; i++) {
    rest -= weights[i];
    if (rest < 0) return i;
  }
  return count - 1;
}

/** How many units follow each other without a gap from each unit on, itself included. */
function runsFrom(units: readonly (readonly number[])[]): number[] {
  const runs = units.map(() => 1);
  for (let i = units.length - 2; i >= 0; i--) {
    if (units[i + 1][0] === (units[i].at(-1) ?? 0) + 1) runs[i] = runs[i + 1] + 1;
  }
  return runs;
}

/**
 * Selects groups of positions, at most `quota` positions in all.
 *
 * Runs start at the units in random order. A run that would exceed the quota is shortened unit by unit, and
 * passed over if not even its first fits; one that meets a position selected already is passed over. Runs do
 * not cross special tokens.
 *
 * @param units Candidates in the order of their positions. @returns Disjoint groups, in no particular order.
 */
export function selectGroups(
  units: readonly (readonly number[])[],
  quota: number,
  selection: MaskSelection,
  random: RandomStream,
): (readonly number[])[] {
  const groups: (readonly number[])[] = [];
  let selected = 0;
  if (selection.kind === "units") {
    const order = [...units];
    shuffle(order, random);
    for (const unit of order) {
      if (selected === quota) break;
      if (selected + unit.length > quota) continue;
      groups.push(unit);
      selected += unit.length;
    }
    return groups;
  }
  const weights = runLengthWeights(selection);
  const runs = runsFrom(units);
  const isSelected = new Uint8Array(units.length);
  const starts = units.map((_, i) => i);
  shuffle(starts, random);
  for (const start of starts) {
    if (selected === quota) break;
    let length = 1 + draw(weights, runs[start], random);
    const positions = (): number[] => units.slice(start, start + length).flat();
    while (length > 0 && selected + positions().length > quota) length--;
    if (length === 0 || isSelected.subarray(start, start + length).includes(1)) continue;
    isSelected.fill(1, start, start + length);
    const group = positions();
    groups.push(group);
    selected += group.length;
  }
  return groups;
}
