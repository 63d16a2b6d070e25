import {
  type Condition,
  formatCondition,
  substituteCondition,
  variablesOfCondition,
} from "../index/condition.ts";
import {
  coefficientOf,
  constant,
  type Expression,
  opaquesOf,
  substitute,
  subtract,
  variablesOf,
} from "../index/expression.ts";
import type { Numbering } from "./numbering.ts";

/** The name of the variable that counts the lanes of a vector loop's current four iterations. */
export const laneName = "#lane";

/** What is asked of an index expression again and again while code is written out. */
export interface IndexFacts {
  /** Equal for expressions of the same structure, and for them only. */
  readonly number: number;
  /** Names of the variables in it but for the lane. */
  readonly variables: readonly string[];
  /** Ids of the run-time indices in it. */
  readonly opaques: readonly number[];
  readonly hasLane: boolean;
  /** It is this times the lane plus something without the lane; undefined if it is no such sum. */
  readonly laneCoefficient: number | undefined;
}

/** What a variable stands for, with the number of its expression. */
export interface Replacement {
  readonly of: Expression;
  readonly number: number;
}

/** An access at `offset` elements beyond `rest`, of which no value is negative. */
interface OffsetIndex {
  readonly offset: number;
  readonly rest: Expression;
}

/** Facts about the index expressions and conditions of one kernel, and their forms at each place, each found once. */
export class IndexTable {
  readonly #numbering: Numbering;
  readonly #facts = new Map<Expression, IndexFacts>();
  readonly #conditionNumbers = new Map<Condition, number>();
  readonly #conditionVariables = new Map<Condition, readonly string[]>();
  readonly #resolved = new Map<Expression, Map<string, Expression>>();
  readonly #resolvedConditions = new Map<Condition, Map<string, Condition>>();
  readonly #atLane = new Map<Expression, Expression[]>();
  readonly #fromLeast = new Map<Expression, OffsetIndex>();

  constructor(numbering: Numbering) {
    this.#numbering = numbering;
  }

  factsOf(expression: Expression): IndexFacts {
    let facts = this.#facts.get(expression);
    if (facts === undefined) {
      const names = [...variablesOf(expression).keys()];
      const hasLane = names.includes(laneName);
      facts = {
        number: this.#numbering.expression(expression),
        variables: hasLane ? names.filter((name) => name !== laneName) : names,
        opaques: [...opaquesOf(expression).keys()],
        hasLane,
        laneCoefficient: hasLane ? coefficientOf(expression, laneName) : 0,
      };
      this.#facts.set(expression, facts);
    }
    return facts;
  }

  /** Equal for conditions of the same structure, and for them only. */
  conditionNumber(condition: Condition): number {
    let number = this.#conditionNumbers.get(condition);
    if (number === undefined) {
      number = this.#numbering.text(formatCondition(condition));
      this.#conditionNumbers.set(condition, number);
    }
    return number;
  }

  /** The expression with variables replaced. */
  resolve(expression: Expression, replacements: ReadonlyMap<string, Replacement>): Expression {
    const key = replacementKey(this.factsOf(expression).variables, replacements);
    if (key === "") return expression;
    return remembered(this.#resolved, expression, key, () =>
      substitute(expression, expressionsOf(replacements)),
    );
  }

  /** The condition with variables replaced. */
  resolveCondition(condition: Condition, replacements: ReadonlyMap<string, Replacement>): Condition {
    let variables = this.#conditionVariables.get(condition);
    if (variables === undefined) {
      variables = [...variablesOfCondition(condition).keys()];
      this.#conditionVariables.set(condition, variables);
    }
    const key = replacementKey(variables, replacements);
    if (key === "") return condition;
    return remembered(this.#resolvedConditions, condition, key, () =>
      substituteCondition(condition, expressionsOf(replacements)),
    );
  }

  /** A resolved expression in vector code at one lane. */
  atLane(expression: Expression, lane: number): Expression {
    if (!this.factsOf(expression).hasLane) return expression;
    let lanes = this.#atLane.get(expression);
    if (lanes === undefined) {
      lanes = [];
      this.#atLane.set(expression, lanes);
    }
    lanes[lane] ??= substitute(expression, new Map([[laneName, constant(lane)]]));
    return lanes[lane];
  }

  /** An index as its least value and what comes on top of it. */
  fromLeast(index: Expression): OffsetIndex {
    let parts = this.#fromLeast.get(index);
    if (parts === undefined) {
      const offset = Math.max(index.min, 0);
      parts = { offset, rest: subtract(index, offset) };
      this.#fromLeast.set(index, parts);
    }
    return parts;
  }
}

/** Tells apart what the variables stand for; empty if none of them stands for anything. */
function replacementKey(names: readonly string[], replacements: ReadonlyMap<string, Replacement>): string {
  let key = "";
  for (const name of names) {
    const replacement = replacements.get(name);
    if (replacement !== undefined) key += `${name}=${replacement.number} `;
  }
  return key;
}

function expressionsOf(replacements: ReadonlyMap<string, Replacement>): Map<string, Expression> {
  return new Map([...replacements].map(([name, { of }]) => [name, of]));
}

function remembered<Of, Result>(
  known: Map<Of, Map<string, Result>>,
  of: Of,
  key: string,
  make: () => Result,
): Result {
  let byKey = known.get(of);
  if (byKey === undefined) {
    byKey = new Map();
    known.set(of, byKey);
  }
  let result = byKey.get(key);
  if (result === undefined) {
    result = make();
    byKey.set(key, result);
  }
  return result;
}
