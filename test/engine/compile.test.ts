import { describe, expect, it } from "vitest";
import { currentEngine, setEngine, withEngine } from "../../src/engine/current.ts";
import { Engine } from "../../src/engine/engine.ts";
import { ArgumentError, GradientError, ShapeError, TraceError } from "../../src/graph/errors.ts";
import * as optim from "../../src/nn/optim/index.ts";
import { ReferenceDevice } from "../../src/runtime/reference/device.ts";
import { WasmDevice } from "../../src/runtime/wasm/device.ts";
import { compile } from "../../src/tensor/compile.ts";
import { arange, full, manualSeed, ones, rand, tensor, zeros } from "../../src/tensor/create.ts";
import { explain } from "../../src/tensor/explain.ts";
import { noGrad } from "../../src/tensor/grad.ts";
import { Buffer, Parameter } from "../../src/tensor/parameter.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { eachTestAlone, onEachDevice } from "./worlds.ts";

onEachDevice(() => {
  describe("a compiled call", () => {
    it("returns the structure that the function returns", async () => {
      class Kept {}
      const kept = new Kept();
      const f = compile((x: Tensor) => ({
        list: [x.add(1), [x.mul(2), "text"]],
        shape: x.shape,
        kept,
        missing: undefined,
        none: null,
        again: x,
      }));
      for (const factor of [1, 2]) {
        const x = full([2], factor);
        const { list, shape, missing, none, again, ...rest } = f(x);
        const [first, [second, text]] = list as [Tensor, [Tensor, string]];
        expect(await first.array()).toEqual([factor + 1, factor + 1]);
        expect(await second.array()).toEqual([2 * factor, 2 * factor]);
        expect([text, shape, missing, none]).toEqual(["text", [2], undefined, null]);
        expect(rest.kept).toBe(kept);
        expect(await again.array()).toEqual([factor, factor]);
        expect(again).toBeInstanceOf(Tensor);
        expect(again).not.toBe(x);
      }
      expect(f.traces).toBe(1);
    });

    it("takes lazy tensors, computed ones, host data, parameters, and one tensor twice", async () => {
      const f = compile((x: Tensor, y: Tensor) => x.sub(y.flip(0)).mul(y));
      const plain = (x: Tensor, y: Tensor): Tensor => x.sub(y.flip(0)).mul(y);
      const host = tensor([1, 2, 3]);
      const lazy = host.exp().add(rand([3]));
      const ready = host.mul(3).realize();
      const p = new Parameter(tensor([4, 5, 6]));
      const pairs: [Tensor, Tensor][] = [
        [host, lazy],
        [lazy, ready],
        [ready, host],
        [lazy, lazy],
        [host, host],
        [p, host],
        [ready, p],
        [p, p],
      ];
      for (const [x, y] of pairs) expect(await f(x, y).array()).toEqual(await plain(x, y).array());
      const shared = f.traces;
      p.assign(zeros([3]));
      for (const [x, y] of pairs) expect(await f(x, y).array()).toEqual(await plain(x, y).array());
      expect(f.traces).toBe(shared);
    });

    it("returns what a cell held, whatever it holds later", async () => {
      const p = new Buffer(tensor([1, 2]));
      const f = compile(() => {
        const before = p.detach();
        p.assign(p.add(1));
        return [before, p, p.t()] as const;
      });
      const calls = [f(), f(), f()];
      for (const [i, parts] of calls.entries()) {
        const read = await Promise.all(parts.map((part) => part.array()));
        expect(read).toEqual([
          [1 + i, 2 + i],
          [2 + i, 3 + i],
          [2 + i, 3 + i],
        ]);
        expect(parts[1]).not.toBeInstanceOf(Buffer);
      }
    });

    it("inlines another", async () => {
      const inner = compile((x: Tensor, scale: number) => x.mul(scale).exp());
      const outer = compile((x: Tensor) => inner(x, 2).add(inner(x, 3)));
      expect(await outer(zeros([2])).array()).toEqual([2, 2]);
      expect([inner.traces, outer.traces]).toEqual([0, 1]);
      expect(await inner(zeros([2]), 2).array()).toEqual([1, 1]);
    });

    it("takes outside tensors as they were when it was traced", async () => {
      const p = new Buffer(tensor([1, 2]));
      const lazy = p.mul(10);
      const drawn = rand([2]);
      const f = compile((x: Tensor) => [x.add(lazy), lazy.mul(lazy), drawn, p.mul(x)]);
      const x = tensor([1, 1]);
      const first = await Promise.all(f(x).map((part) => part.array()));
      expect(first).toEqual([[11, 21], [100, 400], await drawn.array(), [1, 2]]);
      p.assign(tensor([7, 7]));
      const second = await Promise.all(f(x).map((part) => part.array()));
      expect(second).toEqual([[11, 21], [100, 400], first[2], [7, 7]]);
      expect(f.traces).toBe(1);
    });

    it("takes an outside gradient as it was when it was traced", async () => {
      const p = new Parameter(tensor([1, 2]));
      const accumulate = compile(() => p.mul(2).sum().backward());
      accumulate();
      const gradient = p.grad as Tensor;
      const f = compile(() => gradient.add(1));
      expect(await f().array()).toEqual([3, 3]);
      accumulate();
      expect(await f().array()).toEqual([3, 3]);
      expect(await p.grad?.array()).toEqual([4, 4]);
    });
  });
});

describe("the signature", () => {
  eachTestAlone();

  /** Calls with the arguments in turn; gives the number of traces after each. */
  function tracesOf<Args extends unknown[]>(fn: (...args: Args) => unknown, calls: Args[]): number[] {
    const compiled = compile(fn, { maxTraces: 32 });
    return calls.map((args) => {
      compiled(...args);
      return compiled.traces;
    });
  }

  it("counts shape and dtype", async () => {
    const double = (x: Tensor): Tensor => x.add(x);
    const calls: [Tensor][] = [
      [ones([2])],
      [zeros([2])],
      [ones([3])],
      [arange(2)],
      [ones([2, 1])],
      [ones([2])],
    ];
    expect(tracesOf(double, calls)).toEqual([1, 1, 2, 3, 4, 4]);
    const compiled = compile(double);
    for (const [x] of calls) expect(await compiled(x).array()).toEqual(await double(x).array());
  });

  it("counts plain values by value, not-a-number and minus zero too", async () => {
    const values = [0, -0, Number.NaN, 1, Number.POSITIVE_INFINITY];
    const scale = compile((x: Tensor, factor: number) => x.mul(factor));
    for (const _ of [1, 2]) {
      for (const value of values) {
        const [found] = await scale(ones([1]), value).data();
        expect(Object.is(found, value)).toBe(true);
      }
    }
    expect(scale.traces).toBe(5);
    const calls = [true, false, "true", undefined, null, 1n, 1, "1", "", "undefined"].map(
      (value): [unknown] => [value],
    );
    expect(tracesOf((_: unknown) => ones([1]), [...calls, ...calls]).at(-1)).toBe(calls.length);
  });

  it("counts nested structure, and other objects by identity", async () => {
    const f = compile(
      (options: { readonly x: Tensor; readonly deep: { readonly add: number } }, list: Tensor[]) =>
        list.reduce((sum, item) => sum.add(item), options.x.add(options.deep.add)),
    );
    const x = ones([2]);
    expect(await f({ x, deep: { add: 1 } }, []).array()).toEqual([2, 2]);
    expect(await f({ x, deep: { add: 1 } }, [x]).array()).toEqual([3, 3]);
    expect(await f({ x, deep: { add: 1 } }, [zeros([2])]).array()).toEqual([2, 2]);
    expect(await f({ x, deep: { add: 2 } }, [x]).array()).toEqual([4, 4]);
    expect(await f({ x: full([2], 5), deep: { add: 2 } }, [x]).array()).toEqual([8, 8]);
    expect(f.traces).toBe(5);
    const [first, second] = [new Map(), new Map()];
    expect(tracesOf((_: unknown) => ones([1]), [[first], [second], [first], [() => 1]])).toEqual([
      1, 2, 2, 3,
    ]);
    expect(() => f({ x, deep: { add: 1 } }, new Float32Array(1) as unknown as Tensor[])).toThrow(
      ArgumentError,
    );
  });

  it("tells one tensor twice from two tensors", async () => {
    const f = compile((x: Tensor, y: Tensor) => x.sub(y));
    const x = ones([2]);
    expect(await f(x, x).array()).toEqual([0, 0]);
    expect(await f(x, full([2], 3)).array()).toEqual([-2, -2]);
    expect(await f(x, x).array()).toEqual([0, 0]);
    expect(f.traces).toBe(2);
  });

  it("counts requiresGrad, of arguments and of parameters, and the gradient mode", async () => {
    const p = new Parameter(ones([2]));
    const f = compile((x: Tensor) => {
      const y = x.mul(p).sum();
      if (y.requiresGrad) y.backward();
      return y;
    });
    f(ones([2]));
    noGrad(() => f(ones([2])));
    expect([f.traces, await p.grad?.array()]).toEqual([2, [1, 1]]);
    const x = tensor([3, 4], { requiresGrad: true });
    f(x);
    expect([await x.grad?.array(), await p.grad?.array()]).toEqual([
      [1, 1],
      [4, 5],
    ]);
    p.cell.requiresGrad = false;
    f(x);
    expect([await x.grad?.array(), await p.grad?.array()]).toEqual([
      [2, 2],
      [4, 5],
    ]);
    f(ones([2]));
    expect(await p.grad?.array()).toEqual([4, 5]);
  });

  it("counts the engine and its default device", async () => {
    const f = compile(() => ones([2]).div(3));
    await f().array();
    const other = new Engine(() => new ReferenceDevice());
    const result = withEngine(other, () => f());
    expect(result.device).toBe(other.defaultDevice);
    expect(await withEngine(other, () => result.array())).toEqual([Math.fround(1 / 3), Math.fround(1 / 3)]);
    expect((f().device as { name: string }).name).toBe("wasm");
    expect(f.traces).toBe(2);
  });

  it("looks for parameters that moved to other memory", async () => {
    const p = new Parameter(tensor([1, 2]));
    const f = compile(() => p.mul(2));
    expect(await f().array()).toEqual([2, 4]);
    new optim.SGD([p]);
    expect(await f().array()).toEqual([2, 4]);
    p.assign(tensor([5, 6]));
    expect(await f().array()).toEqual([10, 12]);
  });
});

describe("the traces kept", () => {
  eachTestAlone();

  it("are bounded, with one warning", async () => {
    const warnings: string[] = [];
    currentEngine().warn = (message) => warnings.push(message);
    const f = compile((x: Tensor) => x.sum(), { maxTraces: 3 });
    for (const _ of [1, 2])
      for (const length of [1, 2, 3]) expect(await f(ones([length])).item()).toBe(length);
    expect([f.traces, warnings]).toEqual([3, []]);
    for (const _ of [1, 2, 3]) {
      for (const length of [1, 2, 3, 4]) expect(await f(ones([length])).item()).toBe(length);
    }
    expect(f.traces).toBe(12);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain("more than 3 signatures");
    expect(() => compile(() => 1, { maxTraces: 0 })).toThrow(ArgumentError);
  });

  it("are found again when gradients come and go", async () => {
    const p = new Parameter(tensor([1]));
    const f = compile(() => p.mul(3).sum().backward());
    for (let i = 0; i < 4; i++) {
      f();
      f();
      expect(await p.grad?.item()).toBe(6);
      p.zeroGrad();
    }
    expect(f.traces).toBe(2);
  });
});

describe("what cannot be compiled", () => {
  eachTestAlone();

  it("is an async function, or one that reads", async () => {
    const x = ones([2]);
    expect(() => compile(async (y: Tensor) => y.add(1))(x)).toThrow(TraceError);
    expect(() => compile((y: Tensor) => y.item())(ones([1]))).toThrow(TraceError);
    expect(() => compile((y: Tensor) => y.add(1).realize())(x)).toThrow("reading a tensor inside");
    let caught: unknown;
    compile((y: Tensor) => {
      y.data().catch((error: unknown) => {
        caught = error;
      });
      return y;
    })(x);
    await Promise.resolve();
    expect(caught).toBeInstanceOf(TraceError);
  });

  it("is the use of a tensor that left its call", async () => {
    const kept: Tensor[] = [];
    const f = compile((x: Tensor) => {
      kept.push(x, x.add(1));
      return x.mul(2);
    });
    f(ones([2]));
    for (const tensor of kept) {
      expect(() => tensor.add(1)).toThrow(TraceError);
      expect(() => ones([2]).mul(tensor)).toThrow("belongs to a compiled call that has returned");
      await expect(tensor.array()).rejects.toThrow(TraceError);
      expect(() => compile(() => tensor.exp())()).toThrow(TraceError);
    }
  });

  it("is making parameters, seeding, copying state, or nesting explain", () => {
    expect(() => compile(() => new Parameter(ones([1])))()).toThrow(TraceError);
    expect(() => compile(() => manualSeed(1))()).toThrow(TraceError);
    const adamw = new optim.AdamW([new Parameter(ones([1]))]);
    expect(() => compile(() => adamw.stateDict())()).toThrow(TraceError);
    expect(() => compile(() => explain((x: Tensor) => x, ones([1])))()).toThrow(TraceError);
  });

  it("is using an outside tensor with history", async () => {
    const p = new Parameter(ones([2]));
    const history = p.mul(2);
    expect(() => compile(() => history.sum())()).toThrow(
      "pass it as an argument, make it a Parameter, or detach it",
    );
    const detached = history.detach();
    expect(await compile(() => detached.sum())().item()).toBe(4);
  });

  it("leaves everything as it was when the function throws", async () => {
    const p = new Parameter(tensor([1, 2]));
    const adamw = new optim.AdamW([p], { lr: 0.1 });
    const counter = new Buffer(zeros([1]));
    let fails = true;
    const step = compile(() => {
      adamw.zeroGrad();
      counter.assign(counter.add(1));
      p.mul(rand([2]))
        .sum()
        .backward();
      adamw.step();
      if (fails) noGrad(() => p.add(ones([3])));
      return p;
    });
    const engine = currentEngine();
    for (const _ of [1, 2]) {
      expect(() => step()).toThrow(ShapeError);
      expect(engine.trace).toBeUndefined();
      expect(engine.gradEnabled).toBe(true);
      expect([engine.generator.draws, adamw.steps, p.cell.version, p.grad]).toEqual([0, 0, 0, undefined]);
      expect([await p.array(), await counter.array()]).toEqual([[1, 2], [0]]);
    }
    fails = false;
    step();
    expect([engine.generator.draws, adamw.steps, await counter.array()]).toEqual([1, 1, [1]]);
    expect(step.traces).toBe(1);
  });
});

describe("engines", () => {
  eachTestAlone();

  it("are put back after withEngine, when it throws, and when a promise settles", async () => {
    const outer = currentEngine();
    const inner = new Engine(() => new WasmDevice());
    expect(withEngine(inner, () => currentEngine())).toBe(inner);
    expect(currentEngine()).toBe(outer);
    expect(() =>
      withEngine(inner, () => {
        throw new GradientError("no");
      }),
    ).toThrow(GradientError);
    expect(currentEngine()).toBe(outer);
    const settled = withEngine(inner, async () => {
      await Promise.resolve();
      return currentEngine();
    });
    expect(currentEngine()).toBe(inner);
    expect(await settled).toBe(inner);
    expect(currentEngine()).toBe(outer);
    await expect(withEngine(inner, async () => Promise.reject(new Error("late")))).rejects.toThrow("late");
    expect(currentEngine()).toBe(outer);
    expect(setEngine(inner)).toBe(outer);
    setEngine(outer);
  });

  it("draw the same from the same seed", async () => {
    const draw = (seed: number): Promise<unknown> =>
      withEngine(new Engine(() => new WasmDevice(), seed), async () => rand([4]).array());
    expect(await draw(1)).toEqual(await draw(1));
    expect(await draw(1)).not.toEqual(await draw(2));
    expect(() => new Engine(() => new WasmDevice(), -1)).toThrow(ArgumentError);
  });
});
