import { expect, test } from "vitest";
import { tensor } from "../../../src/tensor/create.ts";
import { explain } from "../../../src/tensor/explain.ts";
import { compile } from "../../../src/tensor/compile.ts";

test("smoke", async () => {
  const x = tensor([[1, 2], [3, 4]]);
  console.log(await x.add(1).array());
  console.log(await x.matmul(x.t()).array());
  console.log(await x.matmul(x.t()).softmax(-1).array());
  const f = (a: typeof x) => a.softmax(-1);
  console.log(explain(f, x).toString());
  const y = tensor(Float32Array.from({length: 37*70}, (_, i) => Math.sin(i)), {shape: [37, 70]});
  const s = await y.softmax(-1).sum({dim: -1}).array() as number[];
  expect(Math.max(...s.map(v => Math.abs(v-1)))).toBeLessThan(1e-5);
  console.log(explain((a: typeof x) => a.softmax(-1), y).toString());
});
