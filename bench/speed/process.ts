import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { ContenderName } from "./contenders.ts";
import type { Reply } from "./contestant.ts";
import type { Workload } from "./workloads.ts";

/** Runs of one turn take about so long, in ms. */
const turnTime = 60;
const mostRuns = 50;

/** A process that measures one contender whenever it is its turn. */
export class Contestant {
  readonly name: ContenderName;
  /** Why there are no times. */
  problem: string | undefined;
  readonly #samples: number[] = [];
  readonly #process: ChildProcess;
  readonly #ready: Promise<Reply>;
  #runs = 1;

  constructor(node: string, name: ContenderName, folder: string, workload: Workload) {
    this.name = name;
    const program = fileURLToPath(new URL("contestant.mjs", import.meta.url));
    this.#process = fork(program, [name, folder, JSON.stringify(workload)], { execPath: node, silent: true });
    this.#ready = this.#nextReply();
  }

  /** Begins, and finds how many runs a turn holds. */
  async warmUp(): Promise<void> {
    this.#accept(await this.#ready);
    await this.#run(2);
    const [, later = turnTime] = this.#samples.splice(0);
    this.#runs = Math.min(mostRuns, Math.max(1, Math.floor(turnTime / later)));
    await this.#run(this.#runs);
    this.#samples.length = 0;
  }

  async turn(): Promise<void> {
    await this.#run(this.#runs);
  }

  /** In ms. */
  median(): number | undefined {
    const sorted = this.#samples.toSorted((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)];
  }

  stop(): void {
    this.#process.kill();
  }

  async #run(runs: number): Promise<void> {
    if (this.problem !== undefined) return;
    const reply = this.#nextReply();
    this.#process.send(runs);
    this.#accept(await reply);
  }

  #accept(reply: Reply): void {
    if ("problem" in reply) this.problem = reply.problem;
    else this.#samples.push(...reply.samples);
  }

  #nextReply(): Promise<Reply> {
    return new Promise((resolve) => {
      const end = (code: number | null): void => resolve({ problem: `the process ended with ${code}` });
      this.#process.once("exit", end);
      this.#process.once("message", (message) => {
        this.#process.off("exit", end);
        resolve(message as Reply); // the program's only messages
      });
    });
  }
}
