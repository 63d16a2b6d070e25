import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { chartSvg } from "../../../src/cli/compare/chart.ts";

const texts = { title: "losses", x: "step", y: "loss" };
const numbersIn = (text: string, pattern: RegExp): number[] =>
  [...text.matchAll(pattern)].map(([, value]) => Number(value));

describe("chartSvg", () => {
  it("draws each curve with its level, greater values higher", () => {
    const falling: [number, number][] = [
      [0, 4],
      [10, 2],
    ];
    const svg = chartSvg(
      [
        { name: "first", points: falling, level: 3 },
        { name: "a < b", points: [[5, 3]], level: 3 },
      ],
      texts,
    );
    const [[x1, y1], [x2, y2]] = (/points="([^"]+)"/.exec(svg)?.[1] ?? "")
      .split(" ")
      .map((point) => point.split(",").map(Number));
    expect(x1).toBeLessThan(x2);
    expect(y1).toBeLessThan(y2);
    // The level is half-way between.
    expect(numbersIn(svg, /class="level color0" x1="56" x2="588" y1="([\d.]+)"/g)).toEqual([(y1 + y2) / 2]);
    expect(svg).toContain("a &lt; b");
  });

  it("has some five round ticks, and stays within its frame", () => {
    const value = fc.double({ min: -1e4, max: 1e4, noNaN: true });
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 9 }), value, (losses, level) => {
        const points = losses.map((loss, i): [number, number] => [i, loss]);
        const svg = chartSvg([{ name: "one", points, level }], texts);
        const ticks = numbersIn(svg, /text-anchor="end">([^<]+)</g);
        expect(ticks.length).toBeGreaterThanOrEqual(2);
        expect(ticks.length).toBeLessThanOrEqual(7);
        for (const y of numbersIn(svg, /[xy][12]="(-?[\d.]+)"/g)) {
          expect(y).toBeGreaterThanOrEqual(0);
          expect(y).toBeLessThanOrEqual(720);
        }
        expect(svg).not.toMatch(/NaN|Infinity/);
      }),
    );
  });
});
