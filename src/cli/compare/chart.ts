import { escaped } from "../../models/inspect/heatmapPage.ts";

/** A line of a chart, with a level that it should come below. */
export interface Curve {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
  readonly level: number;
}

export interface ChartTexts {
  readonly title: string;
  readonly x: string;
  readonly y: string;
}

const [width, height] = [720, 360];
const [left, right, top, bottom] = [56, 132, 16, 44];

interface Scale {
  readonly low: number;
  readonly high: number;
  readonly at: (value: number) => number;
}

/** Lines over common axes as an SVG; each line's level is a dashed one of its colour. */
export function chartSvg(curves: readonly Curve[], texts: ChartTexts): string {
  const points = curves.flatMap((curve) => curve.points);
  const x = scaleOf(
    points.map(([value]) => value),
    left,
    width - right,
  );
  const levels = curves.map(({ level }) => level);
  const y = scaleOf([...points.map(([, value]) => value), ...levels], height - bottom, top);
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(texts.title)}">
${ticks(x)
  .map((value) => tickX(value, x))
  .join("")}
${ticks(y)
  .map((value) => tickY(value, y))
  .join("")}
<text x="${(left + width - right) / 2}" y="${height - 6}" text-anchor="middle">${escaped(texts.x)}</text>
<text transform="translate(14 ${(top + height - bottom) / 2}) rotate(-90)" text-anchor="middle">${escaped(texts.y)}</text>
${curves.map((curve, i) => line(curve, i, x, y)).join("\n")}
</svg>`;
}

/** The lines' colours are those of Okabe and Ito, which most people can tell apart. */
export const chartStyle = `
svg { max-width: 60rem; width: 100%; font: 12px system-ui, sans-serif; fill: CanvasText; }
svg .grid { stroke: GrayText; stroke-opacity: .25; }
svg .curve { fill: none; stroke-width: 2; stroke-linejoin: round; }
svg .level { stroke-dasharray: 2 4; }
.color0 { stroke: #0072b2; } .color1 { stroke: #d55e00; } .color2 { stroke: #009e73; } .color3 { stroke: #cc79a7; }
.color4 { stroke: #e69f00; } .color5 { stroke: #56b4e9; }
`;
const colors = 6;

function line({ name, points, level }: Curve, index: number, x: Scale, y: Scale): string {
  const path = points.map(([px, py]) => `${x.at(px).toFixed(1)},${y.at(py).toFixed(1)}`).join(" ");
  const color = `color${index % colors}`;
  const [atLevel, atName] = [y.at(level).toFixed(1), top + 8 + 18 * index];
  return (
    `<g><title>${escaped(name)}</title><polyline class="curve ${color}" points="${path}"/>` +
    `<line class="level ${color}" x1="${left}" x2="${width - right}" y1="${atLevel}" y2="${atLevel}"/>` +
    `<line class="curve ${color}" x1="${width - right + 12}" x2="${width - right + 32}" y1="${atName}" y2="${atName}"/>` +
    `<text x="${width - right + 38}" y="${atName + 4}">${escaped(name)}</text></g>`
  );
}

function tickX(value: number, x: Scale): string {
  const at = x.at(value).toFixed(1);
  return (
    `<line class="grid" x1="${at}" x2="${at}" y1="${top}" y2="${height - bottom}"/>` +
    `<text x="${at}" y="${height - bottom + 16}" text-anchor="middle">${value}</text>`
  );
}

function tickY(value: number, y: Scale): string {
  const at = y.at(value);
  return (
    `<line class="grid" x1="${left}" x2="${width - right}" y1="${at.toFixed(1)}" y2="${at.toFixed(1)}"/>` +
    `<text x="${left - 6}" y="${(at + 4).toFixed(1)}" text-anchor="end">${value}</text>`
  );
}

/** From the smallest to the greatest value, drawn between two ends; values that hardly differ are all near the first. */
function scaleOf(values: readonly number[], start: number, end: number): Scale {
  const [low, most] = [Math.min(...values), Math.max(...values)];
  const high = most - low > 1e-6 * Math.max(1, Math.abs(low)) ? most : low + 1;
  return { low, high, at: (value) => start + ((value - low) / (high - low)) * (end - start) };
}

/** Some five round numbers of a scale: multiples of 1, 2 or 5 times a power of ten. */
function ticks({ low, high }: Scale): number[] {
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10);
  const first = Math.ceil(low / step);
  const count = Math.floor(high / step) - first + 1;
  return Array.from({ length: count }, (_, i) => Number(((first + i) * step).toPrecision(6)));
}
