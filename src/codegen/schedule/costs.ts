/** Ops whose result is worth a store and a load rather than a second computation. */
export const costly: ReadonlySet<string> = new Set([
  "exp",
  "expm1",
  "log",
  "log1p",
  "log2",
  "log10",
  "sin",
  "cos",
  "tanh",
  "erf",
  "erfc",
  "erfinv",
  "lgamma",
  "pow",
  "atan2",
  "threefry2x32",
  "gather",
]);

/** The same, where the alternative is a cheap expression of narrow values. */
export const expensive: ReadonlySet<string> = new Set([...costly, "div", "sqrt"]);
