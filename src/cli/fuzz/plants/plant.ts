/** A fault that can be planted: a change of one place in the source. */
export interface Plant {
  /** In the source folder, with forward slashes. */
  readonly file: string;
  /** Occurs once in the file. */
  readonly text: string;
  readonly becomes: string;
  /** What is wrong then, in a line. */
  readonly fault: string;
}

/** Faults by their names. */
export type Plants = Readonly<Record<string, Plant>>;
