import { Bench } from "tinybench";
import { type ContenderName, load } from "./contenders.ts";
import { processorTime } from "./roofline.ts";
import type { Workload } from "./workloads.ts";

// A process of one contender with one workload, which runs it whenever it is asked to. Messages in: how many runs. Out: the
// time of each in ms, or why there are none. Time is the processor's: what other processes take of it does not count.

export type Reply = { readonly samples: readonly number[] } | { readonly problem: string };

const [name, folder, workload] = process.argv.slice(2);

async function main(): Promise<void> {
  const prepare = await load(name as ContenderName, folder); // given by the runner
  const run = await prepare(JSON.parse(workload) as Workload);
  if (run === undefined) throw new Error("cannot do this");
  const sample = async (iterations: number): Promise<Reply> => {
    const bench = new Bench({ iterations, time: 0, warmup: false, retainSamples: true, now: processorTime });
    bench.add(name, run, { async: true });
    const [{ result }] = await bench.run();
    if (result.state === "completed") return { samples: result.latency.samples ?? [] };
    return { problem: result.state === "errored" ? String(result.error) : result.state };
  };
  process.on("message", (iterations: number) => void sample(iterations).then(reply));
  reply({ samples: [] });
}

function reply(message: Reply): void {
  process.send?.(message);
}

main().catch((error) => reply({ problem: String(error) }));
