/**
 * Functions that kernels call, where WGSL's own differ from what the ops mean or may fail: NaN is told by its bits,
 * integers divide by anything, and what comes through a parameter is no constant expression, which may overflow.
 */
const functions = {
  fromBits: "fn fromBits(bits: u32) -> f32 { return bitcast<f32>(bits); }",
  isNaN: "fn isNaN(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }",
  maximumFloat: `fn maximumFloat(x: f32, y: f32) -> f32 {
  if (isNaN(x)) { return x; }
  if (isNaN(y)) { return y; }
  return max(x, y);
}`,
  minimumFloat: `fn minimumFloat(x: f32, y: f32) -> f32 {
  if (isNaN(x)) { return x; }
  if (isNaN(y)) { return y; }
  return min(x, y);
}`,
  signFloat: `fn signFloat(x: f32) -> f32 {
  if (x > 0.0f) { return 1.0f; }
  if (x < 0.0f) { return -1.0f; }
  return x;
}`,
  floorDivideInt: `fn floorDivideInt(x: i32, y: i32) -> i32 {
  if (y == 0) { return 0; }
  if (y == -1) { return 0 - x; }
  let quotient = x / y;
  return select(quotient, quotient - 1, quotient * y != x && (x < 0) != (y < 0));
}`,
  remainderInt: `fn remainderInt(x: i32, y: i32) -> i32 {
  if (y == 0 || y == -1) { return 0; }
  let rest = x % y;
  return select(rest, rest + y, rest != 0 && (rest < 0) != (y < 0));
}`,
  floorDivideUint: `fn floorDivideUint(x: u32, y: u32) -> u32 {
  if (y == 0u) { return 0u; }
  return x / y;
}`,
  remainderUint: `fn remainderUint(x: u32, y: u32) -> u32 {
  if (y == 0u) { return 0u; }
  return x % y;
}`,
  // In halves, which are exact: drivers round some large numbers the wrong way.
  uintToFloat: "fn uintToFloat(x: u32) -> f32 { return f32(x >> 16u) * 65536.0f + f32(x & 0xffffu); }",
  toInt: `fn toInt(x: f32) -> i32 {
  if (isNaN(x)) { return 0; }
  if (x >= 2147483648.0f) { return 2147483647; }
  if (x <= -2147483648.0f) { return i32(-2147483648); }
  return i32(x);
}`,
  toUint: `fn toUint(x: f32) -> u32 {
  if (!(x > 0.0f)) { return 0u; }
  if (x >= 4294967296.0f) { return 4294967295u; }
  return u32(x);
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
