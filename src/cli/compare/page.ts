import { escaped, heatmapParts, heatmapTeller, htmlPage } from "../../models/inspect/heatmapPage.ts";
import { recipes } from "../train/recipes.ts";
import { type Curve, chartStyle, chartSvg } from "./chart.ts";
import type { Contender } from "./contender.ts";
import { cellsOf, columns } from "./table.ts";

/** Points of a curve: each is the mean of as many steps, so that batches' differences do not hide it. */
const curvePoints = 100;

/**
 * The comparison as a page that needs nothing but itself: the table, the training losses as curves, and what each model
 * attends to in `sentence`.
 */
export function comparisonPage(
  name: string,
  introduction: string,
  contenders: readonly Contender[],
  sentence: string | undefined,
): string {
  const { style, bodies, end } = heatmapParts(contenders.map(({ sections }) => sections));
  const texts = { title: "Training loss by step", x: "step", y: "training loss (nats)" };
  return htmlPage(`Models compared on ${name}`, style + chartStyle + tableStyle, [
    `<p>${escaped(introduction)}.</p>`,
    tableOf(contenders),
    "<h2>Training</h2>",
    chartSvg(contenders.map(curveOf), texts),
    "<p>Each point is a mean over some steps; dashed, the held-out loss of knowing only how frequent each token is. " +
      "T-TA and the Transformer are trained on special tokens too, which are easy and not counted in the table.</p>",
    `<h2>Attention${sentence === undefined ? "" : ` in “${escaped(sentence)}”`}</h2>`,
    heatmapTeller,
    ...contenders.map(({ name }, i) => `<h2>${escaped(recipes[name].title)}</h2>${bodies[i]}`),
    end,
  ]);
}

const tableStyle = `
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .8rem .2rem 0; text-align: right; } th:first-child, td:first-child { text-align: left; }
th { border-bottom: 1px solid GrayText; }
`;

function tableOf(contenders: readonly Contender[]): string {
  const row = (tag: "th" | "td", cells: readonly string[]): string =>
    `<tr>${cells.map((cell) => `<${tag}>${escaped(cell)}</${tag}>`).join("")}</tr>`;
  const rows = contenders.map((contender) => row("td", cellsOf(contender)));
  return `<table><thead>${row("th", columns)}</thead><tbody>${rows.join("")}</tbody></table>`;
}

function curveOf({ name, losses, score }: Contender): Curve {
  const span = Math.ceil(losses.length / curvePoints);
  const points = Array.from({ length: Math.ceil(losses.length / span) }, (_, i): [number, number] => {
    const part = losses.slice(i * span, (i + 1) * span);
    const mean = part.reduce((sum, loss) => sum + loss, 0) / part.length;
    return [i * span + part.length, mean];
  });
  return { name: recipes[name].title, points, level: score.baseline };
}
