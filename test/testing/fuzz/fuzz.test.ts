import { describe, expect, it } from "vitest";
import { ArgumentError } from "../../../src/graph/errors.ts";
import {
  CheckedWasmDevice,
  fuzz,
  judge,
  opNames,
  readRepro,
  writeRepro,
} from "../../../src/testing/index.ts";
import { seed } from "../../runtime/agreement/tries.ts";
import { BrokenDevice } from "./brokenDevice.ts";

describe("fuzz", () => {
  it("finds nothing wrong with wasm, fused and unfused, with any seed", { timeout: 60_000 }, async () => {
    const variants = [
      new CheckedWasmDevice({ fusion: "none" }, "wasm-unfused"),
      new CheckedWasmDevice({ relaxedSimd: false }, "wasm-plain"),
    ];
    const { disagreements, graphs, coverage } = await fuzz({ seed, runs: 400, time: 20, variants });
    console.log(`seed ${seed}: ${graphs} graphs, ${coverage.ops} of ${coverage.opsTotal} ops`);
    const found = disagreements.map(({ number, disagreement }) => ({ seed, number, ...disagreement }));
    expect(found).toEqual([]);
    expect(graphs).toBeGreaterThan(10);
  });

  it("shrinks a fault to the op that has it, and its repro fails when it is read back", async () => {
    const device = new BrokenDevice((values) => values.some(({ node }) => node.op === "tanh"));
    const { disagreements } = await fuzz({ seed: 3, runs: 200, devices: [device], maxDisagreements: 3 });
    expect(disagreements.length).toBe(3);
    for (const { smallest, disagreement } of disagreements) {
      expect(smallest.graph.steps.length).toBeLessThanOrEqual(3);
      const repro = { fuzzCase: smallest, devices: ["broken"], versions: {}, found: disagreement.message };
      const { fuzzCase } = readRepro(writeRepro(repro));
      expect(await judge(fuzzCase, [device])).toEqual(disagreement);
    }
  });

  it("reports a device that fails", async () => {
    const device = new BrokenDevice(() => {
      throw new ArgumentError("cannot plan this");
    });
    const { disagreements } = await fuzz({ seed: 3, runs: 3, devices: [device], maxDisagreements: 1 });
    expect(disagreements[0].disagreement).toMatchObject({ oracle: "error", message: "cannot plan this" });
  });

  it("draws the same cases for the same seed, and those of the ops asked for alone", async () => {
    const ops = ["exp", "sum"];
    const quiet = new BrokenDevice(() => false);
    const one = await fuzz({ seed: 5, runs: 12, ops, devices: [quiet] });
    const other = await fuzz({ seed: 5, runs: 12, ops, devices: [quiet] });
    expect({ ...other, seconds: 0 }).toEqual({ ...one, seconds: 0 });
    expect(one.coverage.ops).toBeLessThan(opNames.length / 2);
    expect(one.coverage.missing).not.toContain("exp");
  });

  it("refuses ops and limits that mean nothing", async () => {
    await expect(fuzz({ ops: ["frobnicate"] })).rejects.toThrow(ArgumentError);
    await expect(fuzz({ runs: 0 })).rejects.toThrow(ArgumentError);
    await expect(fuzz({ time: -1 })).rejects.toThrow(ArgumentError);
  });
});
