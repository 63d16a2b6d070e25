import { SingleBar } from "cli-progress";
import { print, type Terminal } from "./terminal.ts";
import type { StepResult } from "./trainBert.ts";

/** Shows how a training goes on. */
export interface Progress {
  update(result: StepResult): void;
  /** Leaves the terminal as it was found; may be called twice. */
  stop(): void;
}

/** A bar on a terminal, and plain lines (some twenty, the first and the last among them) elsewhere. */
export function showProgress(terminal: Terminal, steps: number): Progress {
  return terminal.stdout.isTTY ? bar(terminal, steps) : lines(terminal, steps);
}

/** Speed is averaged over this many steps. */
const window = 20;

function averageSpeed(): (result: StepResult) => number {
  const recent: number[] = [];
  return ({ tokensPerSecond }) => {
    recent.push(1 / tokensPerSecond);
    if (recent.length > window) recent.shift();
    return recent.length / recent.reduce((sum, seconds) => sum + seconds, 0);
  };
}

function bar(terminal: Terminal, steps: number): Progress {
  const speed = averageSpeed();
  const single = new SingleBar({
    stream: terminal.stdout,
    format: "{bar} step {value}/{total} | loss {loss} | {speed} tokens/s | {eta_formatted} left",
    barCompleteChar: "█",
    barIncompleteChar: "░",
    barsize: 24,
    etaBuffer: window,
    hideCursor: true,
    // Ctrl-C is the command's own business.
    gracefulExit: false,
  });
  single.start(steps, 0, { loss: "-", speed: "-" });
  return {
    update: (result) =>
      single.update(result.step, {
        loss: result.loss.toFixed(3),
        speed: Math.round(speed(result)).toLocaleString("en"),
      }),
    stop: () => single.stop(),
  };
}

function lines(terminal: Terminal, steps: number): Progress {
  const speed = averageSpeed();
  const interval = Math.max(1, Math.floor(steps / 20));
  const started = performance.now();
  return {
    update: (result) => {
      const tokensPerSecond = Math.round(speed(result));
      const { step, loss } = result;
      if (step !== 1 && step !== steps && step % interval !== 0) return;
      const left = ((performance.now() - started) / 1000 / step) * (steps - step);
      print(
        terminal,
        `step ${step}/${steps}  loss ${loss.toFixed(4)}  ${tokensPerSecond} tokens/s  ${left.toFixed(0)} s left`,
      );
    },
    stop: () => undefined,
  };
}
