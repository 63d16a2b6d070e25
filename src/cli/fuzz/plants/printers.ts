import type { Plants } from "./plant.ts";

/** Faults in what is printed for WebAssembly and WGSL. */
export const printers: Plants = {
  "wasm-signed-compare": {
    file: "codegen/wasm/scalarOps.ts",
    text: "b.emit(`i32.${op}_${sign}`);\n",
    becomes: "b.emit(`i32.${op}_s`);\n",
    fault: "unsigned integers are compared as signed ones",
  },
  "wasm-signed-extremum": {
    file: "codegen/wasm/scalarOps.ts",
    text: 'b.emit(`i32.${op === "maximum" ? "gt" : "lt"}_${sign}`);',
    becomes: 'b.emit(`i32.${op === "maximum" ? "gt" : "lt"}_u`);',
    fault: "extrema of integers take them for unsigned",
  },
  "wasm-shift": {
    file: "codegen/wasm/scalarOps.ts",
    text: "b.emit(`i32.shr_${sign}`);",
    becomes: 'b.emit("i32.shr_u");',
    fault: "a negative integer shifted right becomes positive",
  },
  "wasm-maximum": {
    file: "codegen/wasm/scalarOps.ts",
    text: 'b.emit("f32.max");',
    becomes: 'b.emit("f32.min");',
    fault: "the largest of single floats is the smallest",
  },
  "wasm-minimum-vector": {
    file: "codegen/wasm/vectorOps.ts",
    text: 'b.emit("f32x4.min");',
    becomes: 'b.emit("f32x4.pmin");',
    fault: "the smallest of four floats loses NaN",
  },
  "wasm-convert-unsigned": {
    file: "codegen/wasm/scalarOps.ts",
    text: 'b.emit(from === "i32" ? "f32.convert_i32_s" : "f32.convert_i32_u");',
    becomes: 'b.emit("f32.convert_i32_s");',
    fault: "large unsigned integers become negative floats",
  },
  "wasm-truncate-unsigned": {
    file: "codegen/wasm/scalarOps.ts",
    text: 'b.emit(to === "i32" ? "i32.trunc_sat_f32_s" : "i32.trunc_sat_f32_u");',
    becomes: 'b.emit("i32.trunc_sat_f32_s");',
    fault: "floats beyond 2^31 saturate where they should not",
  },
  "wgsl-floor-divide": {
    file: "codegen/wgsl/library.ts",
    text: "(quotient * safe != x) & ((x < 0) != (safe < 0))",
    becomes: "(quotient * safe != x) & (x < 0) & (safe < 0)",
    fault: "WGSL divides integers of two signs towards zero",
  },
  "wgsl-remainder": {
    file: "codegen/wgsl/library.ts",
    text: "return select(rest, rest + safe, (rest != 0) & ((rest < 0) != (safe < 0)));",
    becomes: "return rest;",
    fault: "WGSL gives a remainder the sign of the dividend",
  },
  "wgsl-maximum-nan": {
    file: "codegen/wgsl/library.ts",
    text: "return select(select(max(x, y), y, isNaN(y)), x, isNaN(x));",
    becomes: "return max(x, y);",
    fault: "WGSL loses NaN in a maximum",
  },
  "wgsl-to-int": {
    file: "codegen/wgsl/library.ts",
    text: "return select(select(above, i32(-2147483648), x <= -2147483648.0f), 0, isNaN(x));",
    becomes: "return above;",
    fault: "WGSL gives NaN and what is too small for an integer the value 0",
  },
  "wgsl-comparison": {
    file: "codegen/wgsl/scalars.ts",
    text: 'return infix("<=");',
    becomes: 'return infix("<");',
    fault: 'WGSL compares "at most" as "less"',
  },
  "wgsl-not-equal": {
    file: "codegen/wgsl/scalars.ts",
    text: 'return op === "eq" ? test : `(!${test})`;',
    becomes: 'return op === "eq" ? test : x === y ? "false" : `(!${test})`;',
    fault: "the test for NaN is folded away",
  },
  "wgsl-guard": {
    file: "codegen/wgsl/scalars.ts",
    text: "return `select(${otherwise}, ${text}, ${name})`;",
    becomes: "return text;",
    fault: "what lies outside of a guard is what was read, not what it should be",
  },
};
