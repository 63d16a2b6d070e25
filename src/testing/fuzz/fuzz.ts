import { ArgumentError } from "../../graph/errors.ts";
import { topologicalOrder } from "../../graph/node.ts";
import { expandComposites } from "../../ops/expand.ts";
import type { Device } from "../../runtime/device.ts";
import { CheckedWasmDevice } from "../devices/checkedWasm.ts";
import { opNames } from "../opSpecs.ts";
import type { Disagreement, FuzzCase } from "./cases.ts";
import { Tally } from "./elements.ts";
import { caseMaker } from "./generate.ts";
import { judge, valuesOf } from "./oracles.ts";
import { shrink } from "./shrink.ts";

export interface FuzzOptions {
  /** Seed of everything that is drawn. Default 1. */
  readonly seed?: number;
  /** The most cases. Default 1000. */
  readonly runs?: number;
  /** The most seconds. Default no limit. */
  readonly time?: number;
  /** What is compared with the reference device. Default a wasm device that checks what it runs. */
  readonly devices?: readonly Device[];
  /** Devices that judge every fourth case only: other forms of those above. */
  readonly variants?: readonly Device[];
  /** Names of ops that cases consist of. Default all. */
  readonly ops?: readonly string[];
  /** Ends the run after so many disagreements. Default 10. */
  readonly maxDisagreements?: number;
  /** Called after each case. */
  readonly onProgress?: (report: FuzzReport) => void;
  /** Called with each disagreement, when it is as small as it gets. */
  readonly onDisagreement?: (found: Found) => void;
  /** Ends the run early. */
  readonly signal?: AbortSignal;
}

/** A case that disagrees, and the smallest one that does so in the same way. */
export interface Found {
  readonly seed: number;
  /** Which case of the seed. */
  readonly number: number;
  readonly original: FuzzCase;
  readonly smallest: FuzzCase;
  /** Of the smallest. */
  readonly disagreement: Disagreement;
}

export interface Coverage {
  /** Ops of the table that ran, and all that can. */
  readonly ops: number;
  readonly opsTotal: number;
  /** Pairs of an op and the dtype of its result. */
  readonly opDTypes: number;
  /** Code templates of kernels. */
  readonly templates: readonly string[];
  /** Ways to view a value: permuted, sliced, stepped, flipped, padded, expanded, and so on. */
  readonly views: readonly string[];
  /** Ops that did not run. */
  readonly missing: readonly string[];
}

export interface FuzzReport {
  readonly seed: number;
  /** Graphs that were judged. */
  readonly graphs: number;
  readonly seconds: number;
  /** Elements compared, and those of which nothing can be said. */
  readonly compared: number;
  readonly undecided: number;
  readonly coverage: Coverage;
  readonly disagreements: readonly Found[];
}

/** What ran, as far as a user cares. */
class Seen {
  readonly ops = new Set<string>();
  readonly opDTypes = new Set<string>();
  readonly views = new Set<string>();

  add(fuzzCase: FuzzCase): void {
    const check = fuzzCase.check === "differences" ? "gradients" : fuzzCase.check;
    const values = valuesOf({ ...fuzzCase, check }, "f32");
    const expanded = expandComposites(values, () => false);
    for (const roots of [values, values.map(expanded.valueOf)]) {
      for (const { op, attrs, outputs } of topologicalOrder(roots)) {
        this.ops.add(op);
        for (const { dtype } of outputs) this.opDTypes.add(`${op} ${dtype}`);
        const { steps } = attrs as { readonly steps?: readonly number[] };
        if (op === "slice" && steps?.some((step) => step < 0)) this.views.add("backwards");
        if (op === "slice" && steps?.some((step) => Math.abs(step) > 1)) this.views.add("stepped");
        if (viewOps.has(op)) this.views.add(op);
      }
    }
  }

  coverage(templates: Iterable<string>): Coverage {
    const all = opNames.filter((name) => name !== "source");
    return {
      ops: all.filter((name) => this.ops.has(name)).length,
      opsTotal: all.length,
      opDTypes: this.opDTypes.size,
      templates: [...templates].sort(),
      views: [...this.views].sort(),
      missing: all.filter((name) => !this.ops.has(name)),
    };
  }
}

const viewOps = new Set(["permute", "slice", "pad", "flip", "expand", "reshape", "unfold", "concat"]);

/**
 * Draws graphs and runs them on devices, until `runs` or `time` are used up. What a device computes is compared with the
 * reference device: in f64 within error bounds that are carried through the graph, in f32 exactly where nothing is rounded;
 * gradients with finite differences; later runs with the first. Each disagreement is shrunk.
 * @throws ArgumentError for a device without name, an op that is not in the table, or limits that are no numbers.
 */
export async function fuzz(options: FuzzOptions = {}): Promise<FuzzReport> {
  const { seed = 1, runs = 1000, time = Number.POSITIVE_INFINITY, ops, maxDisagreements = 10 } = options;
  if (!Number.isInteger(runs) || runs < 1)
    throw new ArgumentError(`fuzz: runs is ${runs}, wanted an integer of at least 1`);
  if (!(time > 0)) throw new ArgumentError(`fuzz: time is ${time}, wanted seconds above 0`);
  const devices = options.devices ?? [new CheckedWasmDevice()];
  const { variants = [] } = options;
  const make = caseMaker(ops ? { ops } : {});
  const tally = new Tally();
  const seen = new Seen();
  const disagreements: Found[] = [];
  const start = performance.now();
  const secondsNow = (): number => (performance.now() - start) / 1000;
  let graphs = 0;
  const report = (): FuzzReport => ({
    seed,
    graphs,
    seconds: secondsNow(),
    compared: tally.compared,
    undecided: tally.undecided,
    coverage: seen.coverage(tally.templates),
    disagreements,
  });
  for (let number = 0; number < runs && secondsNow() < time; number++) {
    if (options.signal?.aborted || disagreements.length >= maxDisagreements) break;
    const original = make(seed, number);
    // A variant's turn comes with all kinds of cases.
    const turn = Math.floor(number / 4) % Math.max(1, variants.length);
    const judges = number % 4 === 3 && variants.length > 0 ? [...devices, variants[turn]] : devices;
    const disagreement = await judge(original, judges, tally);
    graphs += 1;
    seen.add(original);
    if (disagreement) {
      const found = await smallestOf(seed, number, original, disagreement, judges);
      disagreements.push(found);
      options.onDisagreement?.(found);
    }
    options.onProgress?.(report());
  }
  return report();
}

async function smallestOf(
  seed: number,
  number: number,
  original: FuzzCase,
  first: Disagreement,
  devices: readonly Device[],
): Promise<Found> {
  const [device] = devices.filter(({ name }) => name === first.device);
  const against = device ? [device] : [];
  let disagreement = first;
  const smallest = await shrink(original, async (candidate) => {
    const found = await judgeQuietly(candidate, against);
    if (found?.oracle !== first.oracle) return false;
    disagreement = found;
    return true;
  });
  return { seed, number, original, smallest, disagreement };
}

/** A candidate that the reference cannot compute is none. */
async function judgeQuietly(
  candidate: FuzzCase,
  devices: readonly Device[],
): Promise<Disagreement | undefined> {
  try {
    return await judge(candidate, devices);
  } catch {
    return undefined;
  }
}
