import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { onDevice } from "../../../src/cli/devices.ts";
import { runParity } from "../../../src/cli/parity/run.ts";
import {
  fromFloat32,
  fromInt32,
  parseSafetensors,
  type SafetensorsEntry,
  type SafetensorsTensor,
  serializeSafetensors,
  toFloat32,
} from "../../../src/io/index.ts";
import { writeModelFolder } from "../../../src/io/node/index.ts";
import {
  BertConfig,
  BertForMaskedLM,
  BertModel,
  type PretrainedModel,
  savePretrained,
  TransfoXLConfig,
  TransfoXLModel,
} from "../../../src/models/index.ts";
import { tensor } from "../../../src/tensor/create.ts";
import type { Tensor } from "../../../src/tensor/tensor.ts";

const config = BertConfig.from({
  vocab_size: 7,
  hidden_size: 4,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  intermediate_size: 6,
  max_position_embeddings: 5,
  initializer_range: 0.5,
});
const ids = Int32Array.of(1, 4, 6, 2, 3, 0);
const otherIds = Int32Array.of(1, 5, 6, 2, 3, 0);
const labels = Int32Array.of(-100, 4, 6, 2, -100, -100);
const shape = [2, 3];

let folder: string;

async function hostOf(value: Tensor): Promise<SafetensorsTensor> {
  return fromFloat32(Float32Array.from(await value.data()), value.shape);
}

function absmax({ data, dtype }: SafetensorsTensor): number {
  return Math.max(...toFloat32({ data, dtype, shape: [data.byteLength / 4] }).map(Math.abs));
}

interface Case {
  readonly name: string;
  readonly model: PretrainedModel;
  readonly tensors: Map<string, SafetensorsTensor>;
  readonly description: object;
}

async function writeCase({ name, model, tensors, description }: Case): Promise<void> {
  const outputs: Record<string, object> = {};
  const grads: Record<string, object> = {};
  for (const [key, value] of tensors) {
    // Python writes an unknown noise as NaN.
    if (key.startsWith("out.")) outputs[key.slice(4)] = { absmax: absmax(value), f32_noise: "NaN" };
  }
  for (const [key, { grad }] of model.namedParameters()) {
    if (!grad) continue;
    const values = Array.from(await grad.data());
    const l2 = Math.sqrt(values.reduce((sum, x) => sum + x * x, 0));
    grads[key] = { l2, absmax: Math.max(...values.map(Math.abs)), f32_noise: null };
    if (key.endsWith("query.weight")) tensors.set(`grad.${key}`, await hostOf(grad));
  }
  const saved = await savePretrained(model);
  const path = join(folder, name);
  await mkdir(path);
  await writeModelFolder(path, saved);
  await writeFile(join(path, "case.safetensors"), serializeSafetensors(tensors));
  const common = { mode: "eval", call_kwargs: {}, extra_runs: {}, extra_outputs: {}, no_grad_params: [] };
  const text = JSON.stringify({ ...common, outputs, grads, ...description });
  await writeFile(join(path, "case.json"), text.replaceAll('"NaN"', "NaN"));
}

/** A model with a loss and a further run. */
async function masked(): Promise<void> {
  const model = new BertForMaskedLM(config).eval();
  const given = { labels: tensor(labels, { shape }), outputHiddenStates: true };
  const output = model.forward(tensor(ids, { shape }), given);
  output.loss?.backward();
  const other = model.forward(tensor(otherIds, { shape }));
  const tensors = new Map([
    ["in.input_ids", fromInt32(ids, shape)],
    ["in.labels", fromInt32(labels, shape)],
    ["in@other.input_ids", fromInt32(otherIds, shape)],
    ["out.loss", await hostOf(output.loss as Tensor)],
    ["out.logits", await hostOf(output.logits)],
    ["out.hidden_states.1", await hostOf(output.lastHiddenState)],
    ["out@other.logits", await hostOf(other.logits)],
  ]);
  const description = {
    class: "BertForMaskedLM",
    inputs: ["input_ids", "labels"],
    extra_runs: { other: { inputs: ["input_ids"], call_kwargs: {} } },
    extra_outputs: { "other.logits": [2, 3, 7], generated: [2, 9] },
    grad_objective: "loss",
  };
  await writeCase({ name: "good-masked", model, tensors, description });
  tensors.set("out@other.logits", await hostOf(other.logits.mul(1.001)));
  await writeCase({ name: "wrong-run", model, tensors: new Map(tensors), description });
}

/** A base model with cotangents. */
async function base(): Promise<void> {
  const model = new BertModel(config).eval();
  const output = model.forward(tensor(ids, { shape }));
  const cotangents = new Map([
    ["last_hidden_state", Float32Array.from({ length: 24 }, (_, i) => Math.sin(i))],
    ["pooler_output", Float32Array.from({ length: 8 }, (_, i) => Math.cos(i))],
  ]);
  const fields = { last_hidden_state: output.lastHiddenState, pooler_output: output.poolerOutput as Tensor };
  const tensors = new Map([["in.input_ids", fromInt32(ids, shape)]]);
  const parts: Tensor[] = [];
  for (const [field, value] of Object.entries(fields)) {
    const cotangent = cotangents.get(field) as Float32Array;
    tensors.set(`cot.${field}`, fromFloat32(cotangent, value.shape)).set(`out.${field}`, await hostOf(value));
    parts.push(value.mul(tensor(cotangent, { shape: value.shape })).sum());
  }
  parts[0].add(parts[1]).backward();
  const description = {
    class: "BertModel",
    inputs: ["input_ids"],
    grad_objective:
      "sum(cot.last_hidden_state * out.last_hidden_state) + sum(cot.pooler_output * out.pooler_output)",
  };
  await writeCase({ name: "good-base", model, tensors, description });
  const wrong = { ...description, class: "NoModel" };
  await writeCase({ name: "missing-class", model, tensors: new Map(tensors), description: wrong });
  const saved = await savePretrained(model);
  await writeModelFolder(join(folder, "missing-class"), {
    ...saved,
    config: { ...saved.config, architectures: ["NoModel"] },
  });
  const gradient = tensors.get("grad.encoder.layer.0.attention.self.query.weight") as SafetensorsTensor;
  const moved = Float32Array.from(toFloat32(gradient), (x) => x + 1e-3);
  const changed = new Map(tensors).set("out.last_hidden_state", fromFloat32(new Float32Array(4), [4]));
  await writeCase({ name: "wrong-shape", model, tensors: changed, description });
  await writeCase({ name: "wrong-gradient", model, tensors: new Map(tensors), description });
  const path = join(folder, "wrong-gradient", "case.safetensors");
  const { tensors: stored } = parseSafetensors(await readFile(path));
  const name = "grad.encoder.layer.0.attention.self.query.weight";
  await writeFile(path, serializeSafetensors(new Map([...stored, [name, fromFloat32(moved, [4, 4])]])));
}

/** A model with a list of inputs, of which a further run has other ones. */
async function recurrent(): Promise<void> {
  const model = new TransfoXLModel(
    TransfoXLConfig.from({
      ...{ vocab_size: 7, cutoffs: [], div_val: 1, n_layer: 1, mem_len: 3, init_std: 0.5 },
      ...{ d_model: 4, d_embed: 4, n_head: 2, d_head: 2, d_inner: 6 },
    }),
  ).eval();
  const memory = (phase: number): Tensor =>
    tensor(
      Float32Array.from({ length: 16 }, (_, i) => Math.sin(i + phase)),
      { shape: [2, 2, 4] },
    );
  const first = model.forward(tensor(ids, { shape }), { mems: [memory(0)] });
  const carried = model.forward(tensor(ids, { shape }), { mems: [memory(1)] });
  const tensors = new Map([["in.input_ids", fromInt32(ids, shape)]]);
  tensors.set("in.mems.0", await hostOf(memory(0)));
  tensors.set("in@carried.mems.0", await hostOf(memory(1)));
  tensors.set("out.mems.0", await hostOf(first.mems?.[0] as Tensor));
  tensors.set("out@carried.last_hidden_state", await hostOf(carried.lastHiddenState));
  const description = {
    class: "TransfoXLModel",
    inputs: ["input_ids", "mems.0"],
    extra_runs: { carried: { inputs: ["input_ids", "mems"], call_kwargs: {} } },
    extra_outputs: { "carried.last_hidden_state": [2, 3, 4] },
    grad_objective: null,
    no_grad_params: model.namedParameters().map(([name]) => name),
  };
  await writeCase({ name: "good-recurrent", model, tensors, description });
}

/** A group with a product that agrees, one whose gradient is off, and an operator that does not exist. */
async function operatorGroup(): Promise<void> {
  const product = { op: "matmul", attrs: {}, inputs: ["a", "b"], outputs: 1, out_noise: [1e-8] };
  const noise = { grad_noise: { a: 1e-8, b: "NaN" } };
  const cases = [
    { name: "product", ...product, ...noise },
    { name: "wrong_gradient", ...product, ...noise },
    { name: "unknown", ...product, ...noise, op: "no_such_operator" },
  ];
  await writeFile(join(folder, "ops-some.json"), JSON.stringify({ cases }).replaceAll('"NaN"', "NaN"));
  const row = (...values: number[]) => fromFloat32(Float32Array.from(values), [1, 2]);
  const column = (...values: number[]) => fromFloat32(Float32Array.from(values), [2, 1]);
  const one = (value: number) => fromFloat32(Float32Array.of(value), [1, 1]);
  const tensors = cases.flatMap(({ name }, i) => [
    [`${name}/in.a`, row(1, 2)] as const,
    [`${name}/in.b`, column(3, 4)] as const,
    [`${name}/out.0`, one(11)] as const,
    [`${name}/cot.0`, one(2)] as const,
    [`${name}/grad.a`, row(6, 8 + i)] as const,
    [`${name}/grad.b`, column(2, 4)] as const,
  ]);
  await writeFile(join(folder, "ops-some.safetensors"), serializeSafetensors(new Map(tensors)));
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "fusegrad-parity-"));
  await onDevice("reference", 3, async () => {
    await masked();
    await base();
    await recurrent();
  });
  await operatorGroup();
});

afterAll(() => rm(folder, { recursive: true }));

interface Line {
  readonly case: string;
  readonly ok?: boolean;
  readonly maxError: number;
  readonly tolerance: number;
  readonly at: string;
  readonly skipped?: string;
  readonly problems?: readonly string[];
  readonly unchecked?: readonly string[];
}

async function parity(
  ...args: string[]
): Promise<{ status: number; lines: Line[]; summary?: string; error: string }> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const status = await runParity(args, { stdout, stderr, signal: new AbortController().signal });
  const text = String(stdout.read() ?? "").trimEnd();
  const lines = text.split("\n");
  const summary = lines.pop();
  return {
    status,
    lines: lines.map((line) => JSON.parse(line) as Line),
    summary,
    error: String(stderr.read() ?? ""),
  };
}

describe("parity", () => {
  it.each(["wasm", "reference"])("passes what agrees, on %s", async (device) => {
    const { status, lines, summary } = await parity(folder, "--device", device, "--only", "good");
    expect(lines.map((line) => [line.case, line.ok, line.problems])).toEqual([
      ["good-base", true, undefined],
      ["good-masked", true, undefined],
      ["good-recurrent", true, undefined],
    ]);
    expect(lines.map(({ unchecked }) => unchecked)).toEqual([undefined, ["generated"], undefined]);
    for (const { maxError, tolerance } of lines) {
      expect(tolerance).toBeGreaterThanOrEqual(1e-5);
      expect(maxError).toBeLessThanOrEqual(tolerance);
    }
    expect({ status, summary }).toEqual({ status: 0, summary: "3 passed, 0 failed, 0 skipped" });
  });

  it("fails what does not, and says where", async () => {
    const { status, lines, summary } = await parity(folder, "--device", "reference", "--only", "wrong");
    const found = new Map(lines.map((line) => [line.case, line]));
    expect(lines.every(({ ok }) => ok === false)).toBe(true);
    const name = "grad.encoder.layer.0.attention.self.query.weight";
    expect(found.get("wrong-gradient")?.at).toBe(name);
    expect(found.get("wrong-gradient")?.maxError).toBeCloseTo(1e-3, 5);
    expect(found.get("wrong-run")?.at).toBe("out@other.logits");
    expect(found.get("wrong-shape")?.problems).toEqual(["out.last_hidden_state is [2, 3, 4], wanted [4]"]);
    expect({ status, summary }).toEqual({ status: 1, summary: "0 passed, 3 failed, 0 skipped" });
  });

  it("skips what there is not, by name", async () => {
    const { status, lines, summary } = await parity(folder, "--only", "missing");
    expect(lines).toEqual([{ case: "missing-class", skipped: "class NoModel" }]);
    expect({ status, summary }).toEqual({ status: 0, summary: "0 passed, 0 failed, 1 skipped" });
  });

  it.each(["wasm", "reference"])("compares operators and their gradients on %s", async (device) => {
    const dump = join(folder, `dump-${device}`);
    const found = await parity(folder, "--device", device, "--only", "ops-some", "--dump", dump);
    const [right, wrong, unknown] = found.lines;
    expect([right.case, right.ok, wrong.case, wrong.ok]).toEqual(["product", true, "wrong_gradient", false]);
    expect([wrong.at, wrong.maxError, wrong.tolerance]).toEqual(["grad.a", 1, 9e-5]);
    expect(unknown).toEqual({ case: "unknown", skipped: "operator no_such_operator" });
    expect(found).toMatchObject({ status: 1, summary: "1 passed, 1 failed, 1 skipped" });
    const { tensors } = parseSafetensors(await readFile(join(dump, "product.safetensors")));
    expect([...tensors.keys()].sort()).toEqual(["grad.a", "grad.b", "out.0"]);
    expect([...toFloat32(tensors.get("grad.a") as SafetensorsEntry)]).toEqual([6, 8]);
  });

  it("goes on after a case that cannot be read", async () => {
    const path = join(folder, "broken");
    await mkdir(path);
    await writeFile(join(path, "case.json"), "{");
    const { status, lines, summary } = await parity(folder, "--only", "broken");
    expect(lines).toMatchObject([{ case: "broken", ok: false }]);
    expect({ status, summary }).toEqual({ status: 1, summary: "0 passed, 1 failed, 0 skipped" });
  });

  it("writes what the model gave", async () => {
    const dump = join(folder, "dump");
    await parity(folder, "--device", "reference", "--only", "good-masked", "--dump", dump);
    const { tensors } = parseSafetensors(await readFile(join(dump, "good-masked.safetensors")));
    const names = [...tensors.keys()];
    expect(names).toContain("out.loss");
    expect(names).toContain("out@other.logits");
    expect(names).toContain("grad.cls.predictions.transform.dense.bias");
    expect(tensors.get("out.logits")?.shape).toEqual([2, 3, 7]);
  });

  it("refuses wrong options and folders", async () => {
    expect((await parity(folder, "--device", "abacus")).status).toBe(2);
    const nowhere = await parity(join(folder, "nowhere"));
    expect(nowhere.status).toBe(2);
    expect(nowhere.error).toMatch(/^error: .*nowhere/);
  });
});
