import pc from "picocolors";

/** Where the command writes, and how it learns that it should stop. Tests give their own. */
export interface Terminal {
  readonly stdout: NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };
  readonly stderr: NodeJS.WritableStream;
  /** Aborted by Ctrl-C and SIGTERM, whose name is the reason; asked between steps. */
  readonly signal: AbortSignal;
}

/** Writes a line. */
export function print(terminal: Terminal, line = ""): void {
  terminal.stdout.write(`${line}\n`);
}

/** Writes an object as a line of JSON. */
export function printJson(terminal: Terminal, value: object): void {
  print(terminal, JSON.stringify(value));
}

/** Colours, where the output is a terminal that shows them. */
export function colorsOf(terminal: Terminal): ReturnType<typeof pc.createColors> {
  return pc.createColors(terminal.stdout.isTTY === true && pc.isColorSupported);
}
