import { describe, expect, it } from "vitest";
import { ArgumentError } from "../../../src/graph/errors.ts";
import { attentionMaps, heatmapPage, heatmapText, meanMatrix } from "../../../src/models/index.ts";
import { tensor } from "../../../src/tensor/create.ts";
import { onReferenceDevice } from "../../nn/reference.ts";

onReferenceDevice();

const matrix = {
  title: "a map",
  values: [
    [0, 0.5, 1],
    [1, Number.NaN, 0.25],
  ],
  rowLabels: ["one", "two"],
  columnLabels: ["x", "yy", "a very long label indeed"],
};

describe("heatmapText", () => {
  it("shades each number, with the labels around it", () => {
    expect(heatmapText({ ...matrix, columnLabels: ["x", "yy", "zab"] })).toBe(
      [
        "a map (0 to 1)", //
        "        z",
        "      y a",
        "    x y b",
        "one   ▒▒██",
        "two ██??░░",
      ].join("\n"),
    );
  });

  it("cuts long labels", () => {
    const lines = heatmapText(matrix).split("\n");
    expect(lines).toHaveLength(1 + 14 + 2);
    expect(lines[14]).toContain("…");
  });

  it("refuses labels that do not fit", () => {
    expect(() => heatmapText({ ...matrix, rowLabels: ["one"] })).toThrow(ArgumentError);
    expect(() => heatmapText({ ...matrix, columnLabels: ["x"] })).toThrow(/1 column labels/);
  });

  it("draws nothing of nothing", () => {
    expect(heatmapText({ title: "empty", values: [], rowLabels: [], columnLabels: [] })).toBe(
      "empty (0 to 1)",
    );
  });
});

describe("heatmapPage", () => {
  it("is one file that reaches for nothing, with every value in it", () => {
    const page = heatmapPage("maps", [{ title: "first", matrices: [matrix, { ...matrix, title: "b" }] }]);
    expect(page).toMatch(/^<!doctype html>/);
    expect(page).not.toMatch(/https?:|src=|@import/);
    expect(page.match(/<canvas /g)).toHaveLength(2);
    const data = JSON.parse(/id="data">(.*)<\/script>/.exec(page)?.[1] ?? "") as { values: unknown }[];
    expect(data[0].values).toEqual([
      [0, 0.5, 1],
      [1, null, 0.25],
    ]);
  });

  it("lets no label break out of its place", () => {
    const hostile = '</script><img src=x onerror="alert(1)">';
    const labels = { ...matrix, title: hostile, rowLabels: [hostile, hostile] };
    const page = heatmapPage(hostile, [{ title: hostile, matrices: [labels] }]);
    expect(page).not.toContain("<img");
    expect(page.match(/<\/script>/g)).toHaveLength(2);
  });
});

describe("attentionMaps", () => {
  it("makes a section of each layer, and a matrix of each head", async () => {
    const layer = tensor([[[[1, 0]], [[0.25, 0.75]]]]);
    const [section] = await attentionMaps([layer], { queries: ["q"], keys: ["a", "b"] });
    expect(section.matrices.map(({ values }) => values)).toEqual([[[1, 0]], [[0.25, 0.75]]]);
    expect(meanMatrix("mean", section.matrices).values).toEqual([[0.625, 0.375]]);
    await expect(attentionMaps([layer], { queries: ["q"] })).rejects.toThrow(ArgumentError);
    expect(() => meanMatrix("mean", [])).toThrow(ArgumentError);
  });
});
