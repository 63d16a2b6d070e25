import { add, constant, type Expression, multiply } from "../../../src/codegen/index/expression.ts";
import type { Buffer, Kernel, LocalArray, Statement } from "../../../src/codegen/kernel/ir.ts";
import { load, local, multiplyAdd } from "../../../src/codegen/kernel/scalars.ts";
import { loopOver } from "./harness.ts";

const panelWidth = 8;

/**
 * C = A B for [M, K] and [K, N], with panels of B staged in scratch and tiles of 6 rows by 8 columns in registers. What
 * the tiles do not cover is done by smaller tiles, explicitly, as lowering does.
 */
export function gemm(M: number, N: number, K: number): Kernel {
  const a: Buffer = { name: "a", type: "f32", length: M * K, access: "read" };
  const b: Buffer = { name: "b", type: "f32", length: K * N, access: "read" };
  const c: Buffer = { name: "c", type: "f32", length: M * N, access: "write" };
  const panel: Buffer = { name: "panel", type: "f32", length: K * panelWidth, access: "scratch" };
  const at = (row: Expression, column: Expression, width: number) => add(multiply(row, width), column);

  /** Rows `row`.. and columns `column`.. of C, from the rows of A and columns of `source`. */
  const tile = (
    id: string,
    rows: number,
    columns: number,
    row: Expression,
    column: Expression,
    staged: boolean,
  ) => {
    const acc: LocalArray = { name: `acc${id}`, type: "f32", length: rows * panelWidth, initial: 0 };
    const tag = columns === panelWidth ? "vector" : "unroll";
    const step = (k: Expression) =>
      loopOver(`ii${id}`, rows, "unroll", (ii) => [
        loopOver(`jj${id}`, columns, tag, (jj) => {
          const index = at(ii, jj, panelWidth);
          const right = staged ? load(panel, at(k, jj, panelWidth)) : load(b, at(k, add(column, jj), N));
          const left = load(a, at(add(row, ii), k, K));
          return [{ kind: "set", array: acc, index, value: multiplyAdd(left, right, local(acc, index)) }];
        }),
      ]);
    const statements: Statement[] = [{ kind: "declare", array: acc }];
    const unrolled = Math.floor(K / 4);
    statements.push(
      loopOver(`k${id}`, unrolled, "loop", (k) => [
        loopOver(`ku${id}`, 4, "unroll", (ku) => [step(add(multiply(k, 4), ku))]),
      ]),
      loopOver(`kt${id}`, K % 4, "unroll", (kt) => [step(add(kt, unrolled * 4))]),
      loopOver(`is${id}`, rows, "unroll", (ii) => [
        loopOver(`js${id}`, columns, tag, (jj) => [
          {
            kind: "store",
            buffer: c,
            index: at(add(row, ii), add(column, jj), N),
            value: local(acc, at(ii, jj, panelWidth)),
          },
        ]),
      ]),
    );
    return statements;
  };
  const rowsOf = (id: string, columns: number, column: Expression, staged: boolean): Statement[] => [
    loopOver(`ip${id}`, Math.floor(M / 6), "loop", (ip) =>
      tile(`${id}m`, 6, columns, multiply(ip, 6), column, staged),
    ),
    ...(M % 6 === 0 ? [] : tile(`${id}t`, M % 6, columns, constant(M - (M % 6)), column, staged)),
  ];
  const panels = Math.floor(N / panelWidth);
  return {
    name: "gemm",
    buffers: [a, b, c, panel],
    body: [
      loopOver("jp", panels, "grid", (jp) => [
        loopOver("ks", K, "loop", (k) => [
          loopOver("js", panelWidth, "vector", (jj) => [
            {
              kind: "store",
              buffer: panel,
              index: at(k, jj, panelWidth),
              value: load(b, at(k, add(multiply(jp, panelWidth), jj), N)),
            },
          ]),
        ]),
        ...rowsOf("p", panelWidth, multiply(jp, panelWidth), true),
      ]),
      ...(N % panelWidth === 0 ? [] : rowsOf("q", N % panelWidth, constant(N - (N % panelWidth)), false)),
    ],
  };
}
