import { describe, expect, it } from "vitest";
import { allocateArray, type DType } from "../../src/graph/dtype.ts";
import { ArgumentError, DTypeError, type FusegradError, ShapeError } from "../../src/graph/errors.ts";
import type { Value } from "../../src/graph/node.ts";
import { numel, type Shape } from "../../src/graph/shape.ts";
import { build } from "../../src/ops/build.ts";
import * as b from "../../src/ops/builders.ts";

const zeros = (shape: Shape, dtype: DType = "f32"): Value =>
  b.constant(shape, dtype, allocateArray(dtype, numel(shape)));

type ErrorClass = new (message: string) => FusegradError;

/** [what, a call, the error's class, words of its message] */
type Case = readonly [string, () => unknown, ErrorClass, RegExp];

const elementwise: readonly Case[] = [
  [
    "add of shapes that do not broadcast",
    () => b.add(zeros([2, 3]), zeros([4])),
    ShapeError,
    /^add: .*\[2, 3\].*\[4\]/,
  ],
  [
    "add of unequal shapes",
    () => build("add", [zeros([2]), zeros([3])], {}),
    ShapeError,
    /^add: .*\[2\].*\[3\]/,
  ],
  [
    "add of unequal dtypes",
    () => build("add", [zeros([2]), zeros([2], "i32")], {}),
    DTypeError,
    /^add: .*f32.*i32/,
  ],
  ["add of u32 and i32", () => b.add(zeros([2], "u32"), zeros([2], "i32")), DTypeError, /^add: .*u32.*i32/],
  ["add of bools", () => b.add(zeros([2], "bool"), zeros([2], "bool")), DTypeError, /^add: .*\[2\] is bool/],
  [
    "exp of integers",
    () => b.exp(zeros([2, 1], "i32")),
    DTypeError,
    /^exp: .*\[2, 1\] is i32, wanted a float/,
  ],
  ["logicalNot of floats", () => b.logicalNot(zeros([1])), DTypeError, /^logicalNot: .*wanted bool/],
  ["lt of bools", () => b.lt(zeros([1], "bool"), zeros([1], "bool")), DTypeError, /^lt: .*wanted a number/],
  [
    "bitwiseOr of floats",
    () => b.bitwiseOr(zeros([1]), zeros([1])),
    DTypeError,
    /^bitwiseOr: .*integer or bool/,
  ],
  [
    "shiftRight of bools",
    () => b.shiftRight(zeros([1], "bool"), zeros([1], "bool")),
    DTypeError,
    /^shiftRight: /,
  ],
  [
    "where on a float condition",
    () => b.where(zeros([1]), zeros([1]), zeros([1])),
    DTypeError,
    /^where: .*f32/,
  ],
  [
    "where of an unequal condition",
    () => build("where", [zeros([3], "bool"), zeros([2]), zeros([2])], {}),
    ShapeError,
    /^where: .*\[3\].*\[2\]/,
  ],
  ["bitcast of f64", () => b.bitcast(zeros([1], "f64"), "i32"), DTypeError, /^bitcast: f64 to i32/],
  ["bitcast to bool", () => b.bitcast(zeros([1]), "bool"), DTypeError, /^bitcast: f32 to bool/],
  [
    "threefry2x32 of i32",
    () =>
      build(
        "threefry2x32",
        [1, 2, 3, 4].map(() => zeros([1], "i32")),
        {},
      ),
    DTypeError,
    /^threefry2x32: .*i32, wanted u32/,
  ],
];

const movements: readonly Case[] = [
  [
    "reshape to another size",
    () => b.reshape(zeros([2, 3]), [4]),
    ShapeError,
    /^reshape: \[2, 3\].*6.*\[4\].*4/,
  ],
  ["reshape to no shape", () => b.reshape(zeros([2]), [-2, -1]), ShapeError, /^reshape: \[-2, -1\]/],
  [
    "permute with a dim twice",
    () => b.permute(zeros([2, 3]), [0, 0]),
    ArgumentError,
    /^permute: \[0, 0\].*\[2, 3\]/,
  ],
  ["permute with a dim too few", () => b.permute(zeros([2, 3]), [1]), ArgumentError, /^permute: /],
  ["transpose of no such dim", () => b.transpose(zeros([2, 3]), 0, 2), ArgumentError, /^transpose: dim 2/],
  ["expand of a size other than 1", () => b.expand(zeros([2]), [4]), ShapeError, /^expand: \[2\].*\[4\]/],
  ["expand to fewer dims", () => b.expand(zeros([1, 1]), [1]), ShapeError, /^expand: /],
  ["pad with too few margins", () => b.pad(zeros([2, 2]), [1], [1]), ArgumentError, /^pad: .*\[2, 2\]/],
  ["pad with unequal margins", () => b.pad(zeros([2, 2]), [1, 1], [1]), ArgumentError, /^pad: .*\[2, 2\]/],
  ["pad by less than nothing", () => b.pad(zeros([2]), [-1], [0]), ArgumentError, /^pad: \[-1\]/],
  [
    "concat of unequal shapes",
    () => b.concat([zeros([2, 3]), zeros([2, 4])], 0),
    ShapeError,
    /^concat: .*\[2, 3\].*\[2, 4\]/,
  ],
  ["concat of unequal ranks", () => b.concat([zeros([2]), zeros([2, 4])], 0), ShapeError, /^concat: /],
  [
    "concat of unequal dtypes",
    () => b.concat([zeros([2]), zeros([2], "i32")], 0),
    DTypeError,
    /^concat: .*f32.*i32/,
  ],
  ["concat of nothing", () => b.concat([], 0), ArgumentError, /^concat: /],
  ["concat of scalars", () => b.concat([zeros([]), zeros([])], 0), ArgumentError, /^concat: /],
];

const others: readonly Case[] = [
  [
    "constant with too few elements",
    () => b.constant([3], "f32", new Float32Array(2)),
    ShapeError,
    /\[3\].*3.*2/,
  ],
  ["sum of bools", () => b.reduce("sum", zeros([2], "bool"), [0]), DTypeError, /^sum: operand is bool/],
  ["max of nothing", () => b.reduce("max", zeros([2, 0]), [1]), ShapeError, /^max: \[2, 0\].*\[1\]/],
  [
    "matmul of unequal inner sizes",
    () => b.matmul(zeros([2, 3]), zeros([2, 3])),
    ShapeError,
    /^matmul: \[2, 3\] times \[2, 3\]/,
  ],
  ["matmul of a scalar", () => b.matmul(zeros([]), zeros([2])), ShapeError, /^matmul: \[\] times \[2\]/],
  [
    "matmul of unequal batches",
    () => b.matmul(zeros([2, 1, 1]), zeros([3, 1, 1])),
    ShapeError,
    /^matmul: .*\[2\].*\[3\]/,
  ],
  [
    "matmul of bools",
    () => b.matmul(zeros([1, 1], "bool"), zeros([1, 1], "bool")),
    DTypeError,
    /^matmul: bool/,
  ],
  ["gather by floats", () => b.gather(zeros([2]), 0, zeros([2])), DTypeError, /^gather: the index is f32/],
  [
    "gather by another rank",
    () => b.gather(zeros([2]), 0, zeros([1, 2], "i32")),
    ShapeError,
    /^gather: index \[1, 2\].*\[2\]/,
  ],
  [
    "gather by a larger index",
    () => b.gather(zeros([2, 2]), 0, zeros([2, 3], "i32")),
    ShapeError,
    /^gather: /,
  ],
  [
    "scatterAdd of a source unlike its index",
    () => b.scatterAdd(zeros([2]), 0, zeros([2], "i32"), zeros([3])),
    ShapeError,
    /^scatterAdd: index \[2\] and source \[3\]/,
  ],
  [
    "scatterAdd of another dtype",
    () => b.scatterAdd(zeros([2]), 0, zeros([2], "i32"), zeros([2], "i32")),
    DTypeError,
    /^scatterAdd: base is f32, source i32/,
  ],
  ["softmax of integers", () => b.softmax(zeros([2], "i32"), 0), DTypeError, /^softmax: operand is i32/],
  ["gelu of bools", () => b.gelu(zeros([2], "bool"), "none"), DTypeError, /^gelu: operand is bool/],
  [
    "layerNorm by a misshapen weight",
    () => b.layerNorm(zeros([2, 3]), 1, 1e-5, zeros([2])),
    ShapeError,
    /^layerNorm: .*\[2\].*\[2, 3\]/,
  ],
  [
    "crossEntropy of misshapen targets",
    () => b.crossEntropy(zeros([2, 3]), zeros([3], "i32"), -100),
    ShapeError,
    /^crossEntropy: .*\[2, 3\].*\[3\]/,
  ],
  [
    "crossEntropy of float targets",
    () => b.crossEntropy(zeros([2, 3]), zeros([2]), -100),
    ShapeError,
    /^crossEntropy: .*f32 target/,
  ],
  ["argmax of nothing", () => b.argmax(zeros([2, 0]), 1), ShapeError, /^argmax: \[2, 0\].*dim 1/],
];

describe.each([
  ["elementwise ops", elementwise],
  ["movement ops", movements],
  ["other ops", others],
] as const)("%s refuse", (_, cases) => {
  it.each(cases)("%s", (__, call, errorClass, message) => {
    expect(call).toThrow(errorClass);
    expect(call).toThrow(message);
  });
});
