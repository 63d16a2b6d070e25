import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FileFormatError } from "../../src/graph/errors.ts";
import { parseJsonObject, parseStrictJson } from "../../src/io/strictJson.ts";

const parse = (text: string) => () => parseStrictJson(text, "test");

describe("agreement with JSON.parse", () => {
  test("on what JSON.stringify writes, pretty or not", () => {
    fc.assert(
      fc.property(
        fc.jsonValue({ stringUnit: "grapheme" }),
        fc.integer({ min: 0, max: 4 }),
        (value, indent) => {
          const text = JSON.stringify(value, null, indent);
          expect(parseStrictJson(text, "test")).toEqual(JSON.parse(text));
        },
      ),
      { numRuns: 300 },
    );
  });

  test("on mutated texts: what is accepted is that JSON; what is refused is none, or says why", () => {
    const alphabet = [...'{}[]",:0123456789eE+-.tfn\\u \n\t\u0001\u00e9'];
    const edit = fc.tuple(fc.nat(), fc.constantFrom(0, 1), fc.constantFrom("", ...alphabet));
    fc.assert(
      fc.property(fc.jsonValue(), fc.array(edit, { minLength: 1, maxLength: 3 }), (value, edits) => {
        let text = JSON.stringify(value, null, 1);
        for (const [at, removed, inserted] of edits) {
          const start = at % (text.length + 1);
          text = text.slice(0, start) + inserted + text.slice(start + removed);
        }
        expect(outcome(text)).toBe("agrees");
      }),
      { numRuns: 4000 },
    );
  });

  function outcome(text: string): string {
    let expected: unknown;
    let isJson = true;
    try {
      expected = JSON.parse(text);
    } catch {
      isJson = false;
    }
    try {
      expect(parseStrictJson(text, "test")).toEqual(expected);
      return isJson ? "agrees" : `accepted: ${text}`;
    } catch (error) {
      if (!(error instanceof FileFormatError)) throw error;
      const isStricter = /twice|surrogate|deeper|beyond the range|more than/.test(error.message);
      return isStricter || !isJson ? "agrees" : `refused: ${text}: ${error.message}`;
    }
  }
});

describe("stricter than JSON.parse", () => {
  test("duplicate keys, however they are written and wherever they are", () => {
    expect(parse('{"a":1,"b":2,"a":3}')).toThrow('the key "a" twice');
    expect(parse('[{"a":1,"\\u0061":3}]')).toThrow('the key "a" twice');
    expect(parse('{"__proto__":1,"__proto__":3}')).toThrow(FileFormatError);
  });

  test("nesting beyond 128 levels, by whichever bracket, without a stack overflow", () => {
    expect(parse("[".repeat(128) + "]".repeat(128))).not.toThrow();
    expect(parse("[".repeat(129) + "]".repeat(129))).toThrow("deeper than 128");
    expect(parse("[".repeat(2_000_000))).toThrow("deeper than 128");
    expect(parse('{"a":'.repeat(2_000_000))).toThrow("deeper than 128");
  });

  test("numbers without end, and beyond float64", () => {
    expect(parse("1".repeat(5_000_000))).toThrow("more than 1000 characters");
    expect(parse(`0.${"1".repeat(5_000_000)}`)).toThrow("more than 1000 characters");
    expect(parse("1e999")).toThrow("beyond the range");
  });

  test("halves of surrogate pairs", () => {
    expect(parse('"\\ud800"')).toThrow("surrogate");
    expect(parse('"\\ud83d\\ude00"')()).toBe("\u{1f600}");
  });
});

test("keys that name members of Object.prototype are only keys", () => {
  const object = parseJsonObject('{"__proto__":{"polluted":true},"constructor":1}', "test");
  expect(Object.keys(object)).toEqual(["__proto__", "constructor"]);
  expect(Object.getPrototypeOf(object)).toBe(null);
  expect("polluted" in {}).toBe(false);
  expect("toString" in object).toBe(false);
});

test("an object is asked for by parseJsonObject", () => {
  for (const [text, found] of [
    ["[]", "an array"],
    ["null", "null"],
    ["3", "a number"],
    ['"x"', "a string"],
  ]) {
    expect(() => parseJsonObject(text, "config.json")).toThrow(
      `config.json: expected a JSON object ({...}), found ${found}`,
    );
  }
});
