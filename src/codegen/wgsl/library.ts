/**
 * Functions that kernels call, where WGSL's own differ from what the ops mean or may fail: NaN is told by its bits,
 * integers divide by anything, and what comes through a parameter is no constant expression, which may overflow. None of
 * them branches.
 */
const functions = {
  fromBits: "fn fromBits(bits: u32) -> f32 { return bitcast<f32>(bits); }",
  isNaN: "fn isNaN(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }",
  maximumFloat: `fn maximumFloat(x: f32, y: f32) -> f32 {
  return select(select(max(x, y), y, isNaN(y)), x, isNaN(x));
}`,
  minimumFloat: `fn minimumFloat(x: f32, y: f32) -> f32 {
  return select(select(min(x, y), y, isNaN(y)), x, isNaN(x));
}`,
  signFloat: `fn signFloat(x: f32) -> f32 {
  return select(select(x, -1.0f, x < 0.0f), 1.0f, x > 0.0f);
}`,
  floorDivideInt: `fn floorDivideInt(x: i32, y: i32) -> i32 {
  let safe = select(y, 1, (y == 0) | (y == -1));
  let quotient = x / safe;
  let floored = select(quotient, quotient - 1, (quotient * safe != x) & ((x < 0) != (safe < 0)));
  return select(select(floored, 0 - x, y == -1), 0, y == 0);
}`,
  remainderInt: `fn remainderInt(x: i32, y: i32) -> i32 {
  let safe = select(y, 1, (y == 0) | (y == -1));
  let rest = x % safe;
  return select(rest, rest + safe, (rest != 0) & ((rest < 0) != (safe < 0)));
}`,
  floorDivideUint: `fn floorDivideUint(x: u32, y: u32) -> u32 {
  return select(x / max(y, 1u), 0u, y == 0u);
}`,
  remainderUint: `fn remainderUint(x: u32, y: u32) -> u32 {
  return select(x % max(y, 1u), 0u, y == 0u);
}`,
  // In halves, which are exact: drivers round some large numbers the wrong way.
  uintToFloat: "fn uintToFloat(x: u32) -> f32 { return f32(x >> 16u) * 65536.0f + f32(x & 0xffffu); }",
  toInt: `fn toInt(x: f32) -> i32 {
  let inside = select(0.0f, x, abs(x) < 2147483648.0f);
  let above = select(i32(inside), 2147483647, x >= 2147483648.0f);
  return select(select(above, i32(-2147483648), x <= -2147483648.0f), 0, isNaN(x));
}`,
  toUint: `fn toUint(x: f32) -> u32 {
  let inside = select(0.0f, x, (x > 0.0f) & (x < 4294967296.0f));
  return select(u32(inside), 4294967295u, x >= 4294967296.0f);
}`,
} as const;

export type LibraryFunction = keyof typeof functions;

const needed: Partial<Record<LibraryFunction, readonly LibraryFunction[]>> = {
  maximumFloat: ["isNaN"],
  minimumFloat: ["isNaN"],
  toInt: ["isNaN"],
};

/** The text of the functions named and of those that they call. */
export function libraryText(used: ReadonlySet<LibraryFunction>): string[] {
  const all = new Set([...used].flatMap((name) => [name, ...(needed[name] ?? [])]));
  return Object.entries(functions).flatMap(([name, text]) =>
    all.has(name as LibraryFunction) ? [text] : [],
  );
}
