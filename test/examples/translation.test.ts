import { expect, it } from "vitest";
import { sentencePair, words } from "../../examples/language.ts";
import { exactMatches, testPairs, trainTranslator, written } from "../../examples/translation.ts";
import { withEngine } from "../../src/engine/current.ts";
import { Engine } from "../../src/engine/engine.ts";
import { WasmDevice } from "../../src/runtime/wasm/device.ts";

it("the two languages say the same of everything that English says", () => {
  const known = new Set(words);
  const meanings = new Map<string, string>();
  for (let i = 0; i < 3000; i++) {
    const { source, target } = sentencePair(i);
    for (const word of [...source, ...target]) expect(known.has(word)).toBe(true);
    expect(source.length).toBeLessThanOrEqual(10);
    expect(target.length).toBeLessThanOrEqual(17);
    const english = written(source);
    expect(meanings.get(english) ?? written(target)).toBe(written(target));
    meanings.set(english, written(target));
  }
  // Few sentences come twice, so that those of odd numbers are hardly ever among those of even ones.
  expect(meanings.size).toBeGreaterThan(2900);
});

it("a translator learns most of the order and the endings within few steps", async () => {
  await withEngine(new Engine(() => new WasmDevice(), 1), async () => {
    const losses: number[] = [];
    const translator = await trainTranslator({
      ...{ steps: 60, width: 32, batchSize: 16, learningRate: 5e-3 },
      onStep: (_, loss) => losses.push(loss),
    });
    expect(losses[0]).toBeGreaterThan(4);
    expect(losses[59]).toBeLessThan(2.2);
    const [{ source }] = testPairs(1);
    const [found] = await translator.translate([source]);
    // Long before it knows the words it ends a sentence with a verb's ending.
    expect(["-at", "-ant"]).toContain(found.at(-1));
    expect(await exactMatches(translator, [{ source, target: found }])).toBe(1);
  });
}, 60_000);
