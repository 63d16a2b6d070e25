import { SingleBar } from "cli-progress";
import { print, type Terminal } from "../terminal.ts";
import type { Progress, StepResult } from "./trainer.ts";

/** A bar on a terminal, and plain lines (some twenty, the first and the last among them) elsewhere. */
export function showProgress(terminal: Terminal, steps: number): Progress {
  return terminal.stdout.isTTY ? bar(terminal, steps) : lines(terminal, steps);
}

/** Speed is averaged over this many steps. */
const window = 20;

interface Pace {
  readonly tokensPerSecond: number;
  /** "40 s", or "?" as long as nothing is known. */
  readonly left: string;
}

/** Averages over the last steps; the first of all takes longer, since it is traced and compiled then. */
function measurePace(steps: number): (result: StepResult) => Pace {
  let recent: { readonly at: number; readonly secondsPerToken: number }[] = [];
  return ({ step, tokensPerSecond }) => {
    if (step === 2) recent = recent.map(({ at }) => ({ at, secondsPerToken: 1 / tokensPerSecond }));
    recent.push({ at: performance.now(), secondsPerToken: 1 / tokensPerSecond });
    if (recent.length > window) recent.shift();
    const average = recent.reduce((sum, { secondsPerToken }) => sum + secondsPerToken, 0) / recent.length;
    const elapsed = recent[recent.length - 1].at - recent[0].at;
    const left =
      recent.length > 1 ? formatTime((elapsed / (recent.length - 1) / 1000) * (steps - step)) : "?";
    return { tokensPerSecond: Math.round(1 / average), left };
  };
}

/** "45 s", "12 min 5 s", "3 h 20 min". */
function formatTime(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${whole % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function bar(terminal: Terminal, steps: number): Progress {
  const pace = measurePace(steps);
  const single = new SingleBar({
    stream: terminal.stdout,
    format: "{bar} step {value}/{total} | loss {loss} | {speed} tokens/s | {left} left",
    barCompleteChar: "█",
    barIncompleteChar: "░",
    barsize: 24,
    hideCursor: true,
    // Ctrl-C is the command's own business.
    gracefulExit: false,
  });
  single.start(steps, 0, { loss: "-", speed: "-", left: "?" });
  return {
    update: (result) => {
      const { tokensPerSecond, left } = pace(result);
      single.update(result.step, {
        loss: result.loss.toFixed(3),
        speed: tokensPerSecond.toLocaleString("en"),
        left,
      });
    },
    stop: () => single.stop(),
  };
}

function lines(terminal: Terminal, steps: number): Progress {
  const pace = measurePace(steps);
  const interval = Math.max(1, Math.floor(steps / 20));
  return {
    update: (result) => {
      const { tokensPerSecond, left } = pace(result);
      const { step, loss } = result;
      if (step !== 1 && step !== steps && step % interval !== 0) return;
      print(
        terminal,
        `step ${step}/${steps}  loss ${loss.toFixed(4)}  ${tokensPerSecond} tokens/s  ${left} left`,
      );
    },
    stop: () => undefined,
  };
}
