import { checkMatrix, type LabelledMatrix, rangeOf } from "./heatmap.ts";

/** Matrices that belong together: the heads of a layer, say. */
export interface HeatmapSection {
  readonly title: string;
  readonly matrices: readonly LabelledMatrix[];
}

/** What a page with heatmaps is put together from. */
export interface HeatmapParts {
  /** What the page's style holds for them. */
  readonly style: string;
  /** An element for each list of sections, in their order. */
  readonly bodies: readonly string[];
  /** Goes behind the last of them: the numbers, and what draws them. */
  readonly end: string;
}

/**
 * Lists of sections, each to stand in a place of its own in one page. That page may have no other script.
 * @throws ArgumentError unless each matrix has a label for each row and column.
 */
export function heatmapParts(lists: readonly (readonly HeatmapSection[])[]): HeatmapParts {
  const matrices = lists.flat().flatMap((section) => section.matrices);
  for (const matrix of matrices) checkMatrix(matrix);
  const data = matrices.map((matrix) => ({
    ...matrix,
    ...rangeOf(matrix),
    values: matrix.values.map(rounded),
  }));
  let next = 0;
  const sectionOf = ({ title, matrices }: HeatmapSection): string =>
    `<section><h3>${escaped(title)}</h3><div class="maps">${matrices
      .map((matrix) => figure(matrix, next++))
      .join("")}</div></section>`;
  return {
    style,
    bodies: lists.map((sections) => sections.map(sectionOf).join("\n")),
    end: `<script type="application/json" id="data">${json(data)}</script>
<script>${script}</script>`,
  };
}

/** Tells what is under the pointer; stands above the first picture. */
export const heatmapTeller =
  '<p id="told" role="status" aria-live="polite">Point at a cell, or use the arrow keys in a picture.</p>';

/**
 * A page that shows matrices as pictures and needs nothing but itself: no network, no other file. Pointing at a cell, or
 * moving to it with the arrow keys, tells its labels and its value.
 * @throws ArgumentError unless each matrix has a label for each row and column.
 */
export function heatmapPage(title: string, sections: readonly HeatmapSection[]): string {
  const { style, bodies, end } = heatmapParts([sections]);
  return htmlPage(title, style, [heatmapTeller, ...bodies, end]);
}

/** A page of its own, with a title that is text and a body that is HTML. */
export function htmlPage(title: string, style: string, body: readonly string[]): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escaped(title)}</title>
<style>${style}</style>
<h1>${escaped(title)}</h1>
${body.join("\n")}
</html>
`;
}

function figure({ title, values, columnLabels }: LabelledMatrix, index: number): string {
  const label = `${title}: ${values.length} rows, ${columnLabels.length} columns`;
  return (
    `<figure><canvas tabindex="0" role="img" aria-label="${escaped(label)}" data-index="${index}" ` +
    `width="${columnLabels.length}" height="${values.length}"></canvas>` +
    `<figcaption>${escaped(title)}</figcaption></figure>`
  );
}

function rounded(row: readonly number[]): (number | null)[] {
  return row.map((value) => (Number.isFinite(value) ? Number(value.toPrecision(4)) : null));
}

/** Text as it is written in HTML. */
export function escaped(text: string): string {
  const names: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  return text.replace(/[&<>"]/g, (character) => names[character]);
}

/** JSON that no text in it can end the script with. */
function json(value: unknown): string {
  return JSON.stringify(value).replaceAll("<", "\\u003c");
}

const style = `
:root { color-scheme: light dark; font: 15px/1.4 system-ui, sans-serif; }
body { max-width: 75rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.2rem; } h3 { font-size: 1rem; }
#told { position: sticky; top: 0; padding: .4rem 0; background: Canvas; font-variant-numeric: tabular-nums; }
.maps { display: flex; flex-wrap: wrap; gap: 1rem; }
figure { margin: 0; } figcaption { font-size: .85rem; }
canvas { display: block; width: 12rem; image-rendering: pixelated; outline-offset: 2px; border: 1px solid GrayText; }
`;

// Runs in the page: draws each matrix a pixel a number, and tells what is under the pointer.
const script = `
const matrices = JSON.parse(document.getElementById("data").textContent);
const told = document.getElementById("told");
const dark = matchMedia("(prefers-color-scheme: dark)");
function colorOf(share) {
  const from = dark.matches ? [24, 26, 32] : [250, 250, 247];
  const to = dark.matches ? [255, 203, 107] : [139, 0, 79];
  return from.map((start, i) => Math.round(start + (to[i] - start) * share));
}
function draw(canvas) {
  const { values, low, high } = matrices[canvas.dataset.index];
  if (canvas.width === 0 || canvas.height === 0) return;
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  values.forEach((row, i) => row.forEach((value, j) => {
    const at = 4 * (i * canvas.width + j);
    const color = value === null ? [128, 128, 128] : colorOf(high > low ? (value - low) / (high - low) : 0);
    image.data.set([...color, 255], at);
  }));
  context.putImageData(image, 0, 0);
}
function tell(canvas, row, column) {
  const { title, values, rowLabels, columnLabels } = matrices[canvas.dataset.index];
  const value = values[row]?.[column];
  if (value === undefined) return;
  canvas.cell = [row, column];
  told.textContent = title + ": " + rowLabels[row] + " \\u2192 " + columnLabels[column] + ": " + (value ?? "no number");
}
const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
for (const canvas of document.querySelectorAll("canvas")) {
  canvas.addEventListener("pointermove", (event) => {
    const box = canvas.getBoundingClientRect();
    const cell = (offset, size, count) => Math.min(count - 1, Math.max(0, Math.floor((offset / size) * count)));
    tell(canvas, cell(event.clientY - box.top, box.height, canvas.height), cell(event.clientX - box.left, box.width, canvas.width));
  });
  canvas.addEventListener("keydown", (event) => {
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    const [row, column] = canvas.cell ?? [0, 0];
    tell(canvas, row + move[0], column + move[1]);
  });
}
const drawAll = () => document.querySelectorAll("canvas").forEach(draw);
dark.addEventListener("change", drawAll);
drawAll();
`;
