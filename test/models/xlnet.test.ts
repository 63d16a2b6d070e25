import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ArgumentError, ShapeError } from "../../src/graph/errors.ts";
import {
  XLNetConfig,
  XLNetForQuestionAnswering,
  XLNetForSequenceClassification,
  type XLNetInputs,
  XLNetLMHeadModel,
  XLNetModel,
  xlnetAttention,
} from "../../src/models/index.ts";
import { AdamW } from "../../src/nn/optim/index.ts";
import { ReferenceDevice } from "../../src/runtime/reference/device.ts";
import { WasmDevice } from "../../src/runtime/wasm/device.ts";
import { compile } from "../../src/tensor/compile.ts";
import { randn, tensor } from "../../src/tensor/create.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { permutationMask } from "../../src/text/index.ts";
import { startEngine } from "../engine/worlds.ts";
import { onReferenceDevice } from "../nn/reference.ts";
import { i32 } from "./tiny.ts";

onReferenceDevice();

const tiny = {
  ...{ vocab_size: 13, d_model: 4, n_layer: 2, n_head: 2, d_inner: 6, mem_len: 3 },
  ...{ initializer_range: 0.5, empty_row: "zero" },
};
const config = (change: object = {}): XLNetConfig => XLNetConfig.from({ ...tiny, ...change });

async function rowsOf(x: Tensor): Promise<number[][]> {
  return ((await x.array()) as number[][][])[0];
}

describe("parameters", () => {
  it("are as many as the release's", () => {
    const count = (model: XLNetModel | XLNetLMHeadModel): number =>
      model.parameters().reduce((total, { numel }) => total + numel, 0);
    expect(count(new XLNetModel(XLNetConfig.base))).toBe(116_718_336);
    // The decoder is the token table; it adds a bias a token.
    expect(count(new XLNetLMHeadModel(XLNetConfig.base))).toBe(116_718_336 + 32_000);
    expect(count(new XLNetLMHeadModel({ ...XLNetConfig.base, tie_word_embeddings: false }))).toBe(
      116_718_336 + 32_000 + 32_000 * 768,
    );
  });
});

/** A permutation of a few tokens, some of which are predicted; and which token to perturb. */
const permutations = fc.constantFrom(2, 6).chain((length) => {
  const positions = Array.from({ length }, (_, i) => i);
  return fc.record({
    order: fc.shuffledSubarray(positions, { minLength: length }),
    targets: fc.subarray(positions, { minLength: 1 }),
    perturbed: fc.nat({ max: length - 1 }),
  });
});

describe("streams", () => {
  it.each([
    ["reference", () => new ReferenceDevice()],
    ["wasm", () => new WasmDevice()],
  ] as const)("do not see, to the bit, what the permutation hides from them: %s", async (_, makeDevice) => {
    startEngine(makeDevice);
    const model = new XLNetModel(config({ n_layer: 3 })).eval();
    await fc.assert(
      fc.asyncProperty(permutations, async ({ order, targets, perturbed }) => {
        const length = order.length;
        const isTarget = order.map((_, i) => Number(targets.includes(i)));
        const mask = permutationMask({ order, isTarget, isSpecial: order.map(() => 0) });
        const targetMapping = tensor(
          order.map((_, i) => order.map((_, j) => Number(i === j))),
          { shape: [1, length, length] },
        );
        const permMask = tensor(Float32Array.from(mask), { shape: [1, length, length] });
        const run = async (ids: number[]) => {
          const output = model.forward(i32([ids]), { permMask, targetMapping, outputHiddenStates: true });
          return {
            g: await rowsOf(output.lastHiddenState),
            h: await rowsOf(output.hiddenStates?.at(-2) as Tensor),
          };
        };
        const ids = order.map((_, i) => i);
        const before = await run(ids);
        const after = await run(ids.map((id, i) => (i === perturbed ? 12 : id)));
        for (let i = 0; i < length; i++) {
          const visible = !isTarget[perturbed] || (isTarget[i] && order[perturbed] < order[i]);
          if (visible) expect(after.g[i]).not.toEqual(before.g[i]);
          else expect(after.g[i]).toEqual(before.g[i]);
          if (visible || i === perturbed) expect(after.h[i]).not.toEqual(before.h[i]);
          else expect(after.h[i]).toEqual(before.h[i]);
        }
      }),
      { numRuns: 25 },
    );
  });

  it("give a token that may attend nothing zeros, or as in the release a mixture of everything", async () => {
    const inputs = {
      permMask: tensor([
        [
          [1, 1],
          [0, 1],
        ],
      ]),
      targetMapping: tensor([
        [
          [1, 0],
          [0, 1],
        ],
      ]),
    };
    const queryOf = async (empty_row: string): Promise<number[]> => {
      const model = new XLNetModel(config({ empty_row })).eval();
      const { query = [] } = xlnetAttention(model, i32([[5, 6]]), inputs);
      return ((await query[0].array()) as number[][][][])[0][1][0];
    };
    expect(await queryOf("zero")).toEqual([0, 0]);
    expect(await queryOf("uniform")).toEqual([0.5, 0.5]);
  });

  it("can be looked into", async () => {
    const model = new XLNetModel(config()).eval();
    const permMask = tensor([
      [
        [0, 1],
        [0, 1],
      ],
    ]);
    const looked = xlnetAttention(model, i32([[5, 6]]), {
      permMask,
      targetMapping: tensor([[[0, 1]]]),
      mems: [randn([1, 1, 4]), randn([1, 1, 4])],
    });
    expect(await looked.contentMask.array()).toEqual([
      [
        [true, true, false],
        [true, true, true],
      ],
    ]);
    expect(await looked.queryMask?.array()).toEqual([
      [
        [true, true, false],
        [true, true, false],
      ],
    ]);
    expect(looked.content.map(({ shape }) => shape)).toEqual([
      [1, 2, 2, 3],
      [1, 2, 2, 3],
    ]);
    for (const layer of looked.query ?? []) {
      for (const [, , hidden] of ((await layer.array()) as number[][][][]).flat(2)) expect(hidden).toBe(0);
    }
    expect(xlnetAttention(model, i32([[5, 6]])).query).toBeUndefined();
  });
});

describe("XLNetModel", () => {
  it("does not see padding, and knows where tokens stand by their distances alone", async () => {
    const model = new XLNetModel(config()).eval();
    const whole = await rowsOf(model.forward(i32([[5, 6, 7]])).lastHiddenState);
    const attentionMask = i32([[0, 0, 1, 1, 1]]);
    const padded = await rowsOf(model.forward(i32([[1, 2, 5, 6, 7]]), { attentionMask }).lastHiddenState);
    for (const [i, row] of whole.entries())
      for (const [d, x] of row.entries()) expect(padded[i + 2][d]).toBeCloseTo(x, 5);
    const inputMask = i32([[1, 1, 0, 0, 0]]);
    expect(await rowsOf(model.forward(i32([[9, 9, 5, 6, 7]]), { inputMask }).lastHiddenState)).toEqual(
      expect.arrayContaining(padded.slice(2)),
    );
  });

  it("asks of segments only whether they are the same", async () => {
    const model = new XLNetModel(config()).eval();
    const run = (types: number[]): Promise<number[][]> =>
      rowsOf(model.forward(i32([[5, 6, 7]]), { tokenTypeIds: i32([types]) }).lastHiddenState);
    const first = await run([0, 0, 1]);
    expect(await run([2, 2, 7])).toEqual(first);
    expect(await run([0, 1, 1])).not.toEqual(first);
  });

  it("reads the second half of a batch backwards with bi_data", async () => {
    const model = new XLNetModel(config({ bi_data: true })).eval();
    const output = (await model
      .forward(
        i32([
          [5, 6, 7],
          [7, 6, 5],
        ]),
      )
      .lastHiddenState.array()) as number[][][];
    const mirrored = [...output[1]].reverse();
    for (const [i, row] of output[0].entries())
      for (const [d, x] of row.entries()) expect(mirrored[i][d]).toBeCloseTo(x, 5);
    expect(() => model.forward(i32([[5, 6, 7]]))).toThrow(ArgumentError);
  });

  it("remembers the part to reuse, up to its length, without gradients", async () => {
    const model = new XLNetModel(config({ mem_len: 4, reuse_len: 2, attn_type: "uni" })).eval();
    const first = model.forward(i32([[5, 6, 7]]), { useMems: true, outputHiddenStates: true });
    const second = model.forward(i32([[7, 8, 9]]), { mems: first.mems, outputHiddenStates: true });
    expect(first.mems?.map(({ shape }) => shape)).toEqual([
      [2, 1, 4],
      [2, 1, 4],
    ]);
    expect(second.mems?.map(({ shape }) => shape)).toEqual([
      [4, 1, 4],
      [4, 1, 4],
    ]);
    const states = await rowsOf(first.hiddenStates?.[1] as Tensor);
    expect(await first.mems?.[1].array()).toEqual(states.slice(0, 2).map((row) => [row]));
    expect(first.mems?.every(({ requiresGrad }) => !requiresGrad)).toBe(true);
    // What is remembered is seen: the tokens read as one segment.
    const whole = await rowsOf(model.forward(i32([[5, 6, 7, 8, 9]])).lastHiddenState);
    const found = await rowsOf(second.lastHiddenState);
    for (const [i, row] of found.entries())
      for (const [d, x] of row.entries()) expect(x).toBeCloseTo(whole[i + 2][d], 5);
    expect(model.forward(i32([[5]]), { useMems: false }).mems).toBeUndefined();
  });

  it("sees equally many keys from everywhere with same_length", async () => {
    const model = new XLNetModel(config({ attn_type: "uni", same_length: true })).eval();
    const mems = [randn([2, 1, 4]), randn([2, 1, 4])];
    const { contentMask } = xlnetAttention(model, i32([[5, 6, 7]]), { mems });
    expect(await contentMask.to("i32").array()).toEqual([
      [
        [1, 1, 1, 0, 0],
        [0, 1, 1, 1, 0],
        [0, 0, 1, 1, 1],
      ],
    ]);
  });

  it("refuses inputs that do not fit", () => {
    const model = new XLNetModel(config());
    const call = (inputs: XLNetInputs) => () => model.forward(i32([[5, 6, 7]]), inputs);
    expect(call({ permMask: i32([[[0]]]) })).toThrow(ShapeError);
    expect(call({ targetMapping: i32([[[0, 1]]]) })).toThrow(ShapeError);
    expect(call({ mems: [randn([2, 1, 4])] })).toThrow(ShapeError);
    expect(call({ attentionMask: i32([[1, 1, 1]]), inputMask: i32([[0, 0, 0]]) })).toThrow(ArgumentError);
    expect(() => XLNetConfig.from({ d_model: 6, n_head: 4 })).toThrow(ArgumentError);
    expect(() => XLNetConfig.from({ d_head: 3 })).toThrow(ArgumentError);
  });
});

describe("XLNetLMHeadModel", () => {
  it("learns inside a compiled step that is given a memory and gives the next", async () => {
    const model = new XLNetLMHeadModel(config({ dropout: 0, mem_len: 3, reuse_len: 2 }));
    const adamw = new AdamW(model.parameters(), { lr: 3e-2 });
    const step = compile((ids: Tensor, mems: readonly Tensor[], labels: Tensor) => {
      adamw.zeroGrad();
      const permMask = tensor([
        [
          [0, 0, 0, 1],
          [0, 0, 0, 1],
          [0, 0, 0, 1],
          [0, 0, 0, 1],
        ],
      ]);
      const targetMapping = tensor([[[0, 0, 0, 1]]]);
      const inputs = { permMask, targetMapping, mems, labels, useMems: true };
      const output = model.forward(ids, inputs);
      output.loss?.backward();
      adamw.step();
      return { loss: output.loss as Tensor, mems: output.mems ?? [] };
    });
    let mems: readonly Tensor[] = [randn([3, 1, 4]), randn([3, 1, 4])];
    const losses: number[] = [];
    for (let i = 0; i < 40; i++) {
      const result = step(i32([[5, 6, 7, 8]]), mems, i32([[8]]));
      mems = result.mems;
      losses.push(await result.loss.item());
    }
    expect(step.traces).toBe(1);
    expect(losses.at(-1)).toBeLessThan(losses[0] / 2);
  });
});

describe("tasks", () => {
  it("summarise a sequence by its last token, its first or their mean", async () => {
    const score = async (summary_type: string): Promise<number[]> => {
      const change = { summary_type, summary_use_proj: false, summary_activation: null };
      const model = new XLNetForSequenceClassification(config(change)).eval();
      model.output.weight.assign(model.output.weight.mul(0).add(1));
      const { logits, lastHiddenState } = model.forward(i32([[5, 6, 7]]));
      const rows = (await rowsOf(lastHiddenState)).map((row) => row.reduce((a, b) => a + b, 0));
      return [((await logits.array()) as number[][])[0][0], ...rows];
    };
    for (const [type, pick] of [
      ["last", (rows: number[]) => rows[2]],
      ["cls_index", (rows: number[]) => rows[2]],
      ["first", (rows: number[]) => rows[0]],
      ["mean", (rows: number[]) => (rows[0] + rows[1] + rows[2]) / 3],
    ] as const) {
      const [logit, ...rows] = await score(type);
      expect(logit).toBeCloseTo(pick(rows), 5);
    }
  });

  it("answer questions by the likeliest starts and their likeliest ends", async () => {
    const model = new XLNetForQuestionAnswering(config({ start_n_top: 2, end_n_top: 3 })).eval();
    const pMask = tensor([
      [1, 0, 0, 0],
      [0, 0, 0, 0],
    ]);
    const output = model.forward(
      i32([
        [5, 6, 7, 8],
        [9, 6, 7, 2],
      ]),
      { pMask },
    );
    const starts = (await output.startTopIndex?.array()) as number[][];
    const likely = (await output.startTopLogProbs?.array()) as number[][];
    const ends = (await output.endTopIndex?.array()) as number[][];
    expect([ends[0].length, ends[1].length]).toEqual([6, 6]);
    expect(starts[0]).not.toContain(0);
    for (const row of likely) expect(row[0]).toBeGreaterThanOrEqual(row[1]);
    // Column e S + s is the e-th likeliest end of start s: no end comes twice for one start.
    for (const row of ends)
      for (const s of [0, 1]) expect(new Set([row[s], row[2 + s], row[4 + s]]).size).toBe(3);
    expect(output.clsLogits?.shape).toEqual([2]);
    expect(output.loss).toBeUndefined();
    expect(() =>
      new XLNetForQuestionAnswering(config({ start_n_top: 5 })).forward(i32([[5, 6, 7, 8]])),
    ).toThrow(ArgumentError);
  });
});
