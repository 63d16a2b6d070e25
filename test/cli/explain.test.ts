import { describe, expect, it } from "vitest";
import { fusegrad, jsonLines, tiny } from "./samples.ts";

describe("explain", () => {
  it("prints a table of the kernels of a training step, and what they cost", async () => {
    const { status, stdout, stderr } = await fusegrad(["explain", ...tiny]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const lines = stdout.trimEnd().split("\n");
    expect(lines[0]).toMatch(/^ *# +kernel +template +bytes +flops +ops$/);
    expect(lines.some((line) => /^ *\d+ +matmul +\S+ +[\d,]+ +[\d,]+ +matmul/.test(line))).toBe(true);
    expect(lines.at(-1)).toMatch(/^\d+ kernels, [\d,]+ bytes moved, [\d,]+ floating-point operations, /);
  });

  it("prints the same as JSON, without sources", async () => {
    const { status, stdout } = await fusegrad(["explain", ...tiny, "--json"]);
    expect(status).toBe(0);
    const [{ kernels, ...totals }, ...rest] = jsonLines(stdout);
    expect(rest).toEqual([]);
    const list = kernels as { name: string; ops: string[]; bytes: number; flops: number }[];
    // Forward, backward and update are in it.
    const ops = new Set(list.flatMap((kernel) => kernel.ops));
    for (const op of ["layerNorm", "softmax", "crossEntropy", "scatterAdd", "sqrt"])
      expect(ops).toContain(op);
    expect(Object.keys(list[0])).toEqual(["name", "template", "ops", "bytes", "flops", "stopped"]);
    expect(totals.bytes).toBe(list.reduce((sum, { bytes }) => sum + bytes, 0));
    expect(totals.flops).toBe(list.reduce((sum, { flops }) => sum + flops, 0));
  });

  it("grows with the model", async () => {
    const count = async (layers: string): Promise<number> => {
      const [{ kernels }] = jsonLines(
        (await fusegrad(["explain", ...tiny, "--json", "--layers", layers])).stdout,
      );
      return (kernels as unknown[]).length;
    };
    expect(await count("2")).toBeGreaterThan(await count("1"));
  });

  it("prints the source of one kernel", async () => {
    const { status, stdout } = await fusegrad(["explain", ...tiny, "--source", "matmul"]);
    expect(status).toBe(0);
    expect(stdout).toContain("matmul");
    expect(stdout).not.toContain("layerNorm");
  });

  it("says which kernels there are when one is not known", async () => {
    const { status, stdout, stderr } = await fusegrad(["explain", ...tiny, "--source", "nothing"]);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toMatch(/^error: no kernel is named nothing; the kernels are .*matmul.*\n$/);
  });
});
