import { exactMatches, testPairs, trainTranslator, written } from "./translation.ts";

const steps = Number(process.argv[2] ?? 1000);
const translator = await trainTranslator({
  ...{ steps, width: 64, batchSize: 64, learningRate: 2e-3 },
  onStep: (step, loss) => {
    if (step === 1 || step % Math.ceil(steps / 20) === 0) {
      console.log(`step ${step}/${steps}  loss ${loss.toFixed(4)}`);
    }
  },
});
const pairs = testPairs(200);
const found = await translator.translate(pairs.slice(0, 5).map(({ source }) => source));
for (const [i, { source, target }] of pairs.slice(0, 5).entries()) {
  const right = written(found[i]) === written(target);
  console.log(
    `\n${written(source)}\n${written(found[i])}${right ? "" : `   (it should be: ${written(target)})`}`,
  );
}
const share = await exactMatches(translator, pairs);
console.log(
  `\n${(100 * share).toFixed(1)} % of ${pairs.length} sentences that it never saw are translated without a mistake`,
);
