import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ArgumentError, ShapeError } from "../../src/graph/errors.ts";
import { TtaConfig, TtaForLanguageAutoencoding } from "../../src/models/index.ts";
import { randn } from "../../src/tensor/create.ts";
import { type Tensor, where } from "../../src/tensor/tensor.ts";
import { onReferenceDevice } from "../nn/reference.ts";
import { i32, tinyConfig } from "./tiny.ts";

onReferenceDevice();

const config = TtaConfig.from({ ...tinyConfig("tta"), type_vocab_size: 0 });

function model(changes: Partial<TtaConfig> = {}): TtaForLanguageAutoencoding {
  return new TtaForLanguageAutoencoding({ ...config, ...changes }).eval();
}

describe("T-TA", () => {
  it("predicts each token from all others: its own changes nothing, to the bit", async () => {
    const tta = model();
    const sentence = fc.array(fc.integer({ min: 1, max: 10 }), { minLength: 3, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(sentence, fc.nat(), fc.integer({ min: 1, max: 10 }), async (tokens, where, token) => {
        const at = where % tokens.length;
        fc.pre(tokens[at] !== token);
        const before = (await tta.forward(i32([tokens])).logits.array()) as number[][][];
        const changed = tokens.map((old, i) => (i === at ? token : old));
        const after = (await tta.forward(i32([changed])).logits.array()) as number[][][];
        for (const i of tokens.keys()) {
          if (i === at) expect(after[0][i]).toEqual(before[0][i]);
          else expect(after[0][i]).not.toEqual(before[0][i]);
        }
      }),
      { numRuns: 20 },
    );
  });

  it("keeps a token's own key and value from it in every layer: they change nothing there, to the bit", async () => {
    const tta = model();
    const ids = i32([[2, 5, 7, 3]]);
    const { keyValueInput } = tta.forward(ids);
    const rowsOf = async (kv: Tensor) =>
      ((await tta.forward(ids, { keyValueInput: kv }).logits.array()) as number[][][])[0];
    const before = await rowsOf(keyValueInput);
    for (const at of [0, 1, 2, 3]) {
      const place = i32([0, 1, 2, 3].map((i) => Number(i === at))).reshape([1, 4, 1]);
      const after = await rowsOf(where(place.ne(0), randn(keyValueInput.shape), keyValueInput));
      for (const i of [0, 1, 2, 3]) {
        if (i === at) expect(after[i]).toEqual(before[i]);
        else expect(after[i]).not.toEqual(before[i]);
      }
    }
  });

  it("has no use for padding", async () => {
    const tta = model();
    const short = tta.forward(i32([[2, 5, 7]]));
    const long = tta.forward(i32([[2, 5, 7, 0, 0]]), { attentionMask: i32([[1, 1, 1, 0, 0]]) });
    const expected = await short.tokenLogProbs.data();
    const found = await long.tokenLogProbs.data();
    for (const [i, value] of expected.entries()) expect(found[i]).toBeCloseTo(value, 5);
    expect(found.slice(3).every((value) => value === 0)).toBe(true);
    expect(await long.sentenceScore.item()).toBeCloseTo(
      [...expected].reduce((sum, value) => sum + value, 0),
      4,
    );
  });

  it("knows nothing of a token that is alone: its context is zero, and its prediction the same for all", async () => {
    const tta = model();
    const output = tta.forward(i32([[3], [9]]), { outputAttentions: true });
    const [first, second] = (await output.logits.array()) as number[][][];
    expect(first).toEqual(second);
    expect([...((await output.attentions?.[0].data()) ?? [1])]).toEqual([0, 0, 0, 0]);
  });

  it("attends in an empty row as the released code does where that is asked for", async () => {
    const released = model({ empty_row: "additive_-10000" });
    const { attentions } = released.forward(i32([[3]]), { outputAttentions: true });
    expect([...((await attentions?.[0].data()) ?? [])]).toEqual([1, 1]);
  });

  it("averages its loss over the targets, or over all places as the released code does", async () => {
    const labels = i32([[2, 5, -100, -100]]);
    const ids = i32([[2, 5, 0, 0]]);
    const inputs = { attentionMask: i32([[1, 1, 0, 0]]), labels };
    const paper = model();
    const released = model({ loss_reduction: "mean_all" });
    released.loadStateDict(paper.stateDict());
    const mean = (await paper.forward(ids, inputs).loss?.item()) ?? Number.NaN;
    expect(await released.forward(ids, inputs).loss?.item()).toBeCloseTo(mean / 2, 6);
  });

  it("refuses keys and values of another shape, labels that do not fit, and a mask token that there is not", () => {
    const tta = model();
    const ids = i32([[2, 5, 7]]);
    expect(() => tta.forward(ids, { labels: i32([[2, 5]]) })).toThrow(ShapeError);
    const { keyValueInput } = tta.forward(i32([[2, 5]]));
    expect(() => tta.forward(ids, { keyValueInput })).toThrow(
      /keyValueInput \[1, 2, 4\], wanted \[1, 3, 4\]/,
    );
    expect(() => TtaConfig.from({ ...tinyConfig("tta"), mask_token_id: 11 })).toThrow(ArgumentError);
  });
});
