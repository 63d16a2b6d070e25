import { describe, expect, it } from "vitest";
import { ArgumentError } from "../../src/graph/errors.ts";
import { segmentCount, streamSegment, tokenStreams } from "../../src/text/index.ts";

const sentences = [[1, 2, 3], [4, 5], [], [6, 7, 8, 9, 10], [11]];

describe("tokenStreams", () => {
  it("lays sentences end to end in equal rows", () => {
    const streams = tokenStreams(sentences, { batchSize: 2 });
    expect(streams.length).toBe(5);
    expect(Array.from(streams.ids)).toEqual([...[1, 2, 3, 4, 5], ...[6, 7, 8, 9, 10]]);
    expect(Array.from(streams.sentences)).toEqual([...[0, 0, 0, 1, 1], ...[3, 3, 3, 3, 3]]);
  });

  it("turns the first half around for the second in both directions", () => {
    const streams = tokenStreams(sentences, { batchSize: 4, bidirectional: true });
    const rows = [0, 1, 2, 3].map((row) => Array.from(streams.ids.slice(row * 5, (row + 1) * 5)));
    expect(rows.slice(2)).toEqual(rows.slice(0, 2).map((row) => [...row].reverse()));
    expect(Array.from(streams.sentences.slice(10, 15))).toEqual([1, 1, 0, 0, 0]);
  });

  it("refuses what does not fit", () => {
    expect(() => tokenStreams([[1]], { batchSize: 2 })).toThrow(ArgumentError);
    expect(() => tokenStreams(sentences, { batchSize: 3, bidirectional: true })).toThrow(ArgumentError);
    expect(() => tokenStreams(sentences, { batchSize: 0 })).toThrow(ArgumentError);
  });
});

describe("streamSegment", () => {
  it("goes on where the last one ended, each token with the one behind it", () => {
    const streams = tokenStreams(sentences, { batchSize: 2 });
    expect(segmentCount(streams, 2)).toBe(2);
    const [first, second] = [0, 1].map((index) => streamSegment(streams, 2, index));
    expect([first.isFirst, second.isFirst]).toEqual([true, false]);
    expect(Array.from(first.inputIds)).toEqual([1, 2, 6, 7]);
    expect(Array.from(first.nextTokens)).toEqual([2, 3, 7, 8]);
    expect(Array.from(second.inputIds)).toEqual([3, 4, 8, 9]);
    expect(Array.from(second.nextTokens)).toEqual([4, 5, 9, 10]);
    expect(() => streamSegment(streams, 2, 2)).toThrow(ArgumentError);
  });
});
