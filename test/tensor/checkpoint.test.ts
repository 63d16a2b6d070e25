import { describe, expect, it } from "vitest";
import { ArgumentError } from "../../src/graph/errors.ts";
import {
  checkpoint,
  compile,
  grad,
  manualSeed,
  nn,
  noGrad,
  optim,
  randn,
  referenceDevice,
  type Tensor,
  tensor,
} from "../../src/index.ts";
import { eachTestAlone, startEngine } from "../engine/worlds.ts";

eachTestAlone();

class Block extends nn.Module {
  readonly attentionNorm: nn.LayerNorm;
  readonly attention: nn.MultiHeadAttention;
  readonly norm: nn.LayerNorm;
  readonly up: nn.Linear;
  readonly down: nn.Linear;
  readonly dropout: nn.Dropout;

  constructor(width: number, dropout: number) {
    super();
    this.attentionNorm = new nn.LayerNorm(width);
    this.attention = new nn.MultiHeadAttention(width, 2, { dropout });
    this.norm = new nn.LayerNorm(width);
    this.up = new nn.Linear(width, 4 * width);
    this.down = new nn.Linear(4 * width, width);
    this.dropout = new nn.Dropout(dropout);
  }

  forward(x: Tensor): Tensor {
    const mixed = x.add(this.dropout.forward(this.attention.forward(this.attentionNorm.forward(x)).output));
    return mixed.add(
      this.dropout.forward(this.down.forward(this.up.forward(this.norm.forward(mixed)).gelu())),
    );
  }
}

class Stack extends nn.Module {
  readonly blocks: readonly Block[];

  constructor(depth: number, width: number, dropout: number) {
    super();
    this.blocks = Array.from({ length: depth }, () => new Block(width, dropout));
  }

  loss(x: Tensor, marked: boolean): Tensor {
    let y = x;
    for (const block of this.blocks) y = marked ? checkpoint((z) => block.forward(z), y) : block.forward(y);
    return y.square().mean();
  }
}

/** A few steps of training; what they left, and the memory that one takes. */
async function train(depth: number, dropout: number, marked: boolean, compiled: boolean) {
  manualSeed(1);
  const stack = new Stack(depth, 16, dropout);
  const adamw = new optim.AdamW(stack.parameters(), { lr: 1e-2 });
  const step = (x: Tensor): Tensor => {
    adamw.zeroGrad();
    const loss = stack.loss(x, marked);
    loss.backward();
    adamw.step();
    return loss;
  };
  const replayed = compile(step);
  const x = randn([2, 32, 16]).realize();
  const losses: number[] = [];
  for (let i = 0; i < 3; i++) losses.push(await (compiled ? replayed : step)(x).item());
  const left = await Promise.all(stack.parameters().map((parameter) => parameter.data()));
  return { losses, left, workspace: replayed.lastPlan?.temporaryBytes ?? 0 };
}

describe("checkpoint", () => {
  it("takes a part of the memory for a stack of blocks", async () => {
    const plain = await train(6, 0.1, false, true);
    const marked = await train(6, 0.1, true, true);
    expect(marked.losses).toEqual(plain.losses);
    expect(marked.left).toEqual(plain.left);
    // One block's worth and what passes between the blocks, of what all six keep.
    expect(marked.workspace).toBeLessThan(plain.workspace / 3);
    expect(marked.workspace).toBeGreaterThan(6 * 2 * 32 * 16 * 4);
  }, 60_000);

  it("gives the same bits in a plain loop, dropout included", async () => {
    const plain = await train(2, 0.2, false, false);
    const marked = await train(2, 0.2, true, false);
    const compiled = await train(2, 0.2, true, true);
    expect(marked.losses).toEqual(plain.losses);
    expect(marked.left).toEqual(plain.left);
    expect(compiled.left).toEqual(plain.left);
  });

  it("is computed after its value was read, and again inside itself", async () => {
    const x = tensor([0.5, -1, 2], { requiresGrad: true });
    const inner = (y: Tensor): Tensor => checkpoint((z) => z.sin().mul(z), y).exp();
    const loss = checkpoint(inner, x).sum();
    const value = await loss.item();
    loss.backward();
    const own = tensor([0.5, -1, 2], { requiresGrad: true });
    const plain = own.sin().mul(own).exp().sum();
    plain.backward();
    expect(value).toBe(await plain.item());
    expect(await x.grad?.data()).toEqual(await own.grad?.data());
  });

  it("returns what the function returns, and takes what it takes", async () => {
    const x = tensor([1, 2, 3], { requiresGrad: true });
    const w = tensor([2, 2, 2], { requiresGrad: true });
    const part = checkpoint(
      (y, power, options) => ({ powers: [y.pow(power), y.mul(w)], largest: y.argmax(), name: options.name }),
      x,
      3,
      { name: "cube" },
    );
    expect(part.name).toBe("cube");
    expect(await part.largest.item()).toBe(2);
    part.powers[0].add(part.powers[1]).sum().backward();
    expect(await x.grad?.array()).toEqual([5, 14, 29]);
    expect(await w.grad?.array()).toEqual([1, 2, 3]);
    const half = checkpoint((y) => [y.square(), y.exp()] as const, x);
    const [dx] = grad(half[0].sum(), [x]);
    expect(await dx.array()).toEqual([2, 4, 6]);
  });

  it("can be differentiated twice", async () => {
    startEngine(referenceDevice);
    const x = tensor([0.3, -0.7], { dtype: "f64", requiresGrad: true });
    const [first] = grad(
      checkpoint((y) => y.pow(3).sum(), x),
      [x],
    );
    const [second] = grad(first.sum(), [x]);
    const expected = [6 * 0.3, 6 * -0.7];
    (await second.data()).forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i], 12);
    });
  });

  it("is the plain call where there are no gradients, and needs a tensor", () => {
    const x = tensor([1, 2], { requiresGrad: true });
    expect(noGrad(() => checkpoint((y) => y.exp(), x)).requiresGrad).toBe(false);
    expect(checkpoint((y) => y.exp(), tensor([1])).requiresGrad).toBe(false);
    expect(() => checkpoint(() => x.exp())).toThrow(ArgumentError);
  });
});
