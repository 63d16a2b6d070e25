import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FileFormatError } from "../../../src/graph/errors.ts";
import { arbitraries, type FuzzCase, readRepro, writeRepro } from "../../../src/testing/index.ts";

const text = (fuzzCase: FuzzCase): string =>
  writeRepro({ fuzzCase, devices: ["wasm"], versions: {}, found: "?" });

const small: FuzzCase = {
  check: "values",
  graph: {
    leaves: [{ shape: [2, 3], dtype: "f32", numbers: { kind: "pattern", seed: 1 } }],
    steps: [{ op: "slice", inputs: [0], attrs: { starts: [0, 0], sizes: [2, 2], steps: [1, 1] } }],
    results: [1],
  },
};

/** The file with something else in it. */
function changed(change: (file: Record<string, unknown>) => void): string {
  const file = JSON.parse(text(small)) as Record<string, unknown>;
  change(file);
  return JSON.stringify(file);
}

describe("repro files", () => {
  it("hold every case that is drawn", () => {
    fc.assert(
      fc.property(arbitraries.cases(), (fuzzCase) => {
        const { fuzzCase: back } = readRepro(text(fuzzCase));
        expect(back).toEqual(fuzzCase);
      }),
      { numRuns: 60 },
    );
  });

  it("keep infinities, NaN and the sign of zero", () => {
    const values = [Infinity, -Infinity, NaN, -0, 0, 1];
    const graph = {
      ...small.graph,
      leaves: [{ ...small.graph.leaves[0], numbers: { kind: "list" as const, values } }],
    };
    const { fuzzCase } = readRepro(text({ check: "edges", graph }));
    const [{ numbers }] = fuzzCase.graph.leaves;
    expect(numbers.kind === "list" && Object.is(numbers.values[3], -0)).toBe(true);
    expect(numbers).toEqual({ kind: "list", values });
  });

  const step = (op: string, inputs: unknown, attrs: unknown) => (file: Record<string, unknown>) => {
    file.steps = [{ op, inputs, attrs }];
  };

  it.each<[string, (file: Record<string, unknown>) => void]>([
    ["no format", (file) => delete file.format],
    ["another version", (file) => Object.assign(file, { version: 2 })],
    ["an unknown check", (file) => Object.assign(file, { check: "everything" })],
    ["an unknown op", step("frobnicate", [0], {})],
    ["an op named like a property of all objects", step("constructor", [0], {})],
    ["a leaf as a step", step("constant", [], { shape: [1], dtype: "f32", data: [0] })],
    ["an operand that does not exist yet", step("neg", [1], {})],
    ["a dim out of range", step("softmax", [0], { dim: 2 })],
    ["a dim named twice", step("sum", [0], { dims: [0, 0] })],
    ["an attribute too many", step("neg", [0], { dim: 0 })],
    ["an attribute that is missing", step("permute", [0], {})],
    ["a step of 0", step("slice", [0], { starts: [0, 0], sizes: [1, 1], steps: [0, 1] })],
    ["a slice outside", step("slice", [0], { starts: [0, 2], sizes: [2, 2], steps: [1, 1] })],
    ["operands that do not fit", step("matmul", [0, 0], {})],
    ["a huge value", step("full", [], { shape: [1e6, 1e6], dtype: "f32", value: 0 })],
    [
      "a composite that would be huge",
      step("unfold", [0], { dim: 1, size: 1, step: 1, dilation: 2 ** 31 + 1 }),
    ],
    ["a padding beyond memory", step("pad", [0], { before: [0, 0], after: [2 ** 31, 0] })],
    [
      "a huge leaf",
      (file) =>
        Object.assign(file, {
          leaves: [{ shape: [2 ** 30], dtype: "f32", numbers: { kind: "pattern", seed: 0 } }],
        }),
    ],
    [
      "too few numbers",
      (file) =>
        Object.assign(file, {
          leaves: [{ shape: [2], dtype: "f32", numbers: { kind: "list", values: [1] } }],
        }),
    ],
    ["results that do not exist", (file) => Object.assign(file, { results: [7] })],
    ["cells without their check", (file) => Object.assign(file, { cells: [] })],
  ])("with %s are refused", (_, change) => {
    expect(() => readRepro(changed(change))).toThrow(FileFormatError);
  });

  it("of other bytes are refused, whatever they are", () => {
    fc.assert(
      fc.property(fc.string(), fc.nat(), (noise, at) => {
        const whole = text(small);
        const place = at % whole.length;
        try {
          readRepro(whole.slice(0, place) + noise + whole.slice(place + noise.length));
        } catch (error) {
          expect(error).toBeInstanceOf(FileFormatError);
        }
      }),
      { numRuns: 300 },
    );
  });
});
