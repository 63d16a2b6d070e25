/** Ops whose result is worth a store and a load rather than a second computation. */
export const costly: ReadonlySet<string> = new Set([
  "exp",
  "log",
  "sin",
  "cos",
  "tanh",
  "erf",
  "pow",
  "threefry2x32",
  "gather",
]);

/** The same, where the alternative is a cheap expression of narrow values. */
export const expensive: ReadonlySet<string> = new Set([...costly, "div", "sqrt"]);
