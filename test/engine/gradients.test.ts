import { describe, expect, it } from "vitest";
import { GradientError, ShapeError, StaleVersionError } from "../../src/graph/errors.ts";
import * as optim from "../../src/nn/optim/index.ts";
import { compile } from "../../src/tensor/compile.ts";
import { full, ones, tensor, zeros } from "../../src/tensor/create.ts";
import { enableGrad, grad, noGrad } from "../../src/tensor/grad.ts";
import { Buffer, Parameter } from "../../src/tensor/parameter.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { eachTestAlone, onEachDevice } from "./worlds.ts";

function pair(): [Parameter, Parameter] {
  return [
    new Parameter(tensor([1, 2, 3]), { name: "a" }),
    new Parameter(tensor([-1, 0.5, 2]), { name: "b" }),
  ];
}

/** The gradient, which must be there. */
async function gradientOf(x: Tensor): Promise<unknown> {
  if (x.grad === undefined) throw new Error("no gradient");
  return x.grad.array();
}

onEachDevice(() => {
  describe("backward", () => {
    it("gives the same gradients whether the loss was read before or not", async () => {
      const run = async (read: boolean): Promise<unknown[]> => {
        const [a, b] = pair();
        const loss = a.mul(b).exp().sum().log();
        if (read) await loss.item();
        loss.backward();
        return [await gradientOf(a), await gradientOf(b), await loss.item()];
      };
      expect(await run(true)).toEqual(await run(false));
    });

    it("needs old values only where they count", async () => {
      const [a, b] = pair();
      const sum = a.add(b).sum();
      const product = a.mul(b).sum();
      await product.item();
      a.assign(zeros([3]));
      sum.backward();
      expect([await gradientOf(a), await gradientOf(b)]).toEqual([
        [1, 1, 1],
        [1, 1, 1],
      ]);
      expect(() => product.backward()).toThrow(StaleVersionError);
      expect(() => product.backward()).toThrow("a was read at version 0 and is at version 1");
      expect([await gradientOf(a), await gradientOf(b)]).toEqual([
        [1, 1, 1],
        [1, 1, 1],
      ]);
      await expect(sum.item()).rejects.toThrow(StaleVersionError);
      expect(await product.item()).toBe(6);
    });

    it("means the values of its moment, whatever is assigned before the gradients are read", async () => {
      const [a, b] = pair();
      a.mul(b).sum().backward();
      const early = b.grad;
      a.assign(a.sub(full([3], 1)));
      expect([await gradientOf(a), await gradientOf(b)]).toEqual([
        [-1, 0.5, 2],
        [1, 2, 3],
      ]);
      expect(await early?.array()).toEqual([1, 2, 3]);
    });

    it("lets every parameter be assigned from its gradient in turn, as SGD by hand does", async () => {
      const [a, b] = pair();
      for (let i = 0; i < 2; i++) {
        a.mul(b).sum().backward();
        for (const p of [a, b]) {
          p.assign(p.sub((p.grad as Tensor).mul(0.5)));
          p.zeroGrad();
        }
      }
      const step = (x: number, y: number): [number, number] => [x - y / 2, y - x / 2];
      const wanted = [
        [1, -1],
        [2, 0.5],
        [3, 2],
      ].map(([x, y]) => step(...step(x, y)));
      expect(await a.array()).toEqual(wanted.map(([x]) => x));
      expect(await b.array()).toEqual(wanted.map(([, y]) => y));
    });

    it("reports gradients that depend on what a frozen tensor no longer holds, when they are asked for", async () => {
      const [a] = pair();
      const frozen = new Buffer(tensor([2, 2, 2]), { name: "frozen" });
      a.mul(frozen).sum().backward();
      frozen.assign(zeros([3]));
      a.assign(ones([3]));
      expect(await a.array()).toEqual([1, 1, 1]);
      await expect(a.grad?.array()).rejects.toThrow("frozen was read at version 0");
      a.zeroGrad();
      a.mul(frozen).sum().backward();
      expect(await gradientOf(a)).toEqual([0, 0, 0]);
    });

    it("leaves gradients on tensors that are no parameters, which outlast an optimizer's step", async () => {
      const [a] = pair();
      const x = tensor([1, 1, 1], { requiresGrad: true });
      const sgd = new optim.SGD([a], { lr: 1 });
      const loss = a.mul(x).sum();
      loss.backward();
      sgd.step();
      expect([await gradientOf(x), await loss.item(), await a.array()]).toEqual([[1, 2, 3], 6, [0, 1, 2]]);
      a.mul(x).sum().backward();
      expect(await gradientOf(x)).toEqual([1, 3, 5]);
      x.zeroGrad();
      expect(x.grad).toBeUndefined();
    });

    it("leaves gradients without history", async () => {
      const [a] = pair();
      a.square().sum().backward();
      expect(a.grad?.requiresGrad).toBe(false);
      expect(a.mul(a.grad as Tensor).requiresGrad).toBe(true);
    });

    it("runs with the losses in one program of the step, so that they can be read after it", async () => {
      const [a, b] = pair();
      const sgd = new optim.SGD([a, b], { lr: 0.1 });
      const loss = a.mul(b).sum();
      loss.backward();
      sgd.step();
      sgd.zeroGrad();
      expect(await loss.item()).toBe(6);
    });

    it("serves two optimizers that share a loss", async () => {
      const [a, b] = pair();
      const [first, second] = [new optim.SGD([a], { lr: 1 }), new optim.SGD([b], { lr: 1 })];
      const loss = a.mul(b).sum();
      loss.backward();
      first.step();
      second.step();
      expect([await a.array(), await b.array(), await loss.item()]).toEqual([[2, 1.5, 1], [-2, -1.5, -1], 6]);
    });

    it("serves two losses that share a parameter, and optimizers of their own", async () => {
      const [a, b] = pair();
      const c = new Parameter(tensor([1, 1, 1]), { name: "c" });
      const [first, second] = [new optim.SGD([a, b], { lr: 1 }), new optim.SGD([c], { lr: 1 })];
      const losses = [a.mul(b).sum(), b.mul(c).sum()];
      for (const loss of losses) loss.backward();
      first.step();
      second.step();
      expect([await a.array(), await b.array(), await c.array()]).toEqual([
        [2, 1.5, 1],
        [-3, -2.5, -2],
        [2, 0.5, -1],
      ]);
      expect([await losses[0].item(), await losses[1].item()]).toEqual([6, 1.5]);
    });
  });

  describe("gradients accumulate", () => {
    const wanted = [
      [6, 12, 18],
      [12, 24, 36],
      [18, 36, 54],
    ];

    it("until zeroGrad, in the plain loop", async () => {
      const p = new Parameter(tensor([1, 2, 3]));
      for (const row of wanted) {
        p.square().mul(3).sum().backward();
        expect(await gradientOf(p)).toEqual(row);
      }
      p.zeroGrad();
      expect(p.grad).toBeUndefined();
      for (let i = 0; i < 3; i++) p.square().mul(3).sum().backward();
      expect(await gradientOf(p)).toEqual(wanted[2]);
    });

    it.each(["plain", "compiled"])("over steps of an optimizer that nobody zeroes: %s", async (mode) => {
      const p = new Parameter(tensor([1, 2]));
      const sgd = new optim.SGD([p], { lr: 1 });
      const body = (): void => {
        p.mul(tensor([3, 5]))
          .sum()
          .backward();
        sgd.step();
      };
      const step = mode === "plain" ? body : compile(body);
      for (let i = 1; i <= 3; i++) {
        step();
        expect(await gradientOf(p)).toEqual([3 * i, 5 * i]);
      }
      expect(await p.array()).toEqual([1 - 18, 2 - 30]);
    });

    it.each(["start", "end", "none", "both"])("in compiled calls as outside: zeroGrad %s", async (when) => {
      const run = async (mode: "plain" | "compiled" | "mixed"): Promise<unknown[]> => {
        const [p, other] = pair();
        const zero = (): void => {
          p.zeroGrad();
          other.zeroGrad();
        };
        const body = (x: Tensor): void => {
          if (when === "start" || when === "both") zero();
          p.mul(x).mul(other).sum().backward();
          p.mul(x).sum().backward();
          if (when === "end" || when === "both") zero();
        };
        const step = compile(body);
        const seen: unknown[] = [];
        for (let i = 0; i < 5; i++) {
          const call = mode === "plain" || (mode === "mixed" && i % 2 === 1) ? body : step;
          call(full([3], i + 1));
          seen.push([await p.grad?.array(), await other.grad?.array()]);
        }
        expect(step.traces).toBeLessThanOrEqual(2);
        return seen;
      };
      const plain = await run("plain");
      expect(await run("compiled")).toEqual(plain);
      expect(await run("mixed")).toEqual(plain);
    });

    it("takes up in a compiled call what clipping left outside", async () => {
      const p = new Parameter(tensor([1]));
      p.mul(10).sum().backward();
      optim.clipGradNorm([p], 1);
      compile(() => p.mul(2).sum().backward())();
      expect((await p.grad?.item()) ?? 0).toBeCloseTo(3, 5);
    });

    it("on the arguments of a compiled call, and on what they were made of", async () => {
      const [a] = pair();
      const x = tensor([1, 2, 3], { requiresGrad: true });
      const body = (left: Tensor, right: Tensor): Tensor => {
        const loss = left.mul(right).sum();
        loss.backward();
        return loss;
      };
      const step = compile(body);
      const loss = step(x, a.mul(2));
      expect([await gradientOf(x), await gradientOf(a)]).toEqual([
        [2, 4, 6],
        [2, 4, 6],
      ]);
      body(x, a.mul(2));
      expect([await gradientOf(x), await gradientOf(a)]).toEqual([
        [4, 8, 12],
        [4, 8, 12],
      ]);
      expect(loss.requiresGrad).toBe(false);
      expect(() => loss.backward()).toThrow(GradientError);
    });

    it("of tensors made inside a compiled function can be returned", async () => {
      const slope = compile((at: Tensor) => {
        const x = at.add(0);
        const inner = tensor([1, 2], { requiresGrad: true });
        inner.mul(x).square().sum().backward();
        return inner.grad;
      });
      expect(await slope(tensor([3, 4]))?.array()).toEqual([18, 64]);
    });

    it("are computed before a compiled call assigns what they need", async () => {
      const [a, b] = pair();
      a.mul(b).sum().backward();
      compile(() => a.assign(a.mul(0)))();
      expect([await gradientOf(a), await gradientOf(b)]).toEqual([
        [-1, 0.5, 2],
        [1, 2, 3],
      ]);
    });
  });

  it("steps within one compiled function see the steps before", async () => {
    const run = async (wrap: (fn: () => void) => () => void): Promise<unknown> => {
      const p = new Parameter(tensor([1, -2]));
      const byHand = wrap(() => {
        for (let i = 0; i < 2; i++) {
          p.square().sum().backward();
          p.assign(p.sub((p.grad as Tensor).mul(0.25)));
          p.zeroGrad();
        }
      });
      byHand();
      byHand();
      return p.array();
    };
    expect(await run((fn) => fn)).toEqual([1 / 16, -2 / 16]);
    expect(await run((fn) => compile(fn))).toEqual([1 / 16, -2 / 16]);
  });

  it("optimizers count steps apart for parameters that join later, in one compiled function too", async () => {
    const run = async (wrap: (fn: () => void) => () => void): Promise<unknown> => {
      const [a, b] = pair();
      const adamw = new optim.AdamW([a, b], { lr: 0.1 });
      const twice = wrap(() => {
        adamw.zeroGrad();
        a.square().sum().backward();
        adamw.step();
        adamw.zeroGrad();
        a.mul(b).sum().backward();
        adamw.step();
      });
      twice();
      twice();
      return [await a.array(), await b.array(), adamw.steps];
    };
    expect(await run((fn) => compile(fn))).toEqual(await run((fn) => fn));
  });

  describe("modes", () => {
    it("noGrad and enableGrad nest, and end with what they run", () => {
      const [a] = pair();
      expect(a.mul(2).requiresGrad).toBe(true);
      noGrad(() => {
        expect(a.mul(2).requiresGrad).toBe(false);
        enableGrad(() => {
          expect(a.mul(2).requiresGrad).toBe(true);
          noGrad(() => expect(a.mul(2).requiresGrad).toBe(false));
        });
        expect(a.mul(2).requiresGrad).toBe(false);
      });
      expect(() => noGrad(() => a.add(ones([7])))).toThrow(ShapeError);
      expect(a.mul(2).requiresGrad).toBe(true);
    });

    it("reading under noGrad computes the tensor itself", async () => {
      const [a] = pair();
      const y = a.exp().sum();
      noGrad(() => y.realize());
      a.assign(zeros([3]));
      expect(await y.item()).toBeCloseTo(Math.E + Math.E ** 2 + Math.E ** 3, 3);
    });

    it("detach keeps the value and drops the history", async () => {
      const [a, b] = pair();
      a.mul(b.detach()).sum().backward();
      expect([await gradientOf(a), b.grad]).toEqual([[-1, 0.5, 2], undefined]);
    });
  });

  it("grad differentiates again", async () => {
    const x = tensor([1, 2, 3], { requiresGrad: true });
    const [first] = grad(x.pow(3).sum(), [x]);
    const [second] = grad(first.mul(tensor([1, 0, 2])).sum(), [x]);
    const [third] = grad(second.sum(), [x]);
    for (const [found, wanted] of [
      [first, [3, 12, 27]],
      [second, [6, 0, 36]],
      [third, [6, 0, 12]],
    ] as const) {
      (await found.data()).forEach((value, i) => {
        expect(value).toBeCloseTo(wanted[i], 3);
      });
    }
    expect(x.grad).toBeUndefined();
  });
});

describe("errors", () => {
  eachTestAlone();

  it("of backward name the cause", () => {
    const [a, b] = pair();
    expect(() => ones([]).backward()).toThrow(GradientError);
    expect(() => noGrad(() => a.sum()).backward()).toThrow("no gradient history");
    expect(() => a.mul(b).backward()).toThrow(GradientError);
    expect(() => a.mul(b).backward()).toThrow("shape [3] has 3 elements");
    expect(() => a.mul(b).backward(ones([2]))).toThrow(ShapeError);
    expect([a.grad, b.grad]).toEqual([undefined, undefined]);
    expect(() => grad(ones([2]).sum(), [a])).toThrow(GradientError);
  });
});
