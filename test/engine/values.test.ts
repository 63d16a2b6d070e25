import { describe, expect, it } from "vitest";
import { currentEngine } from "../../src/engine/current.ts";
import {
  ArgumentError,
  DeviceError,
  DTypeError,
  IndexOutOfRangeError,
  ShapeError,
  StaleVersionError,
} from "../../src/graph/errors.ts";
import { dropout } from "../../src/nn/functional/basic.ts";
import { compile } from "../../src/tensor/compile.ts";
import { arange, ones, rand, tensor, zeros } from "../../src/tensor/create.ts";
import { Buffer, Parameter } from "../../src/tensor/parameter.ts";
import { concat, type Tensor } from "../../src/tensor/tensor.ts";
import { eachTestAlone, FailingDevice, onEachDevice, startEngine } from "./worlds.ts";

onEachDevice(() => {
  describe("tensors", () => {
    it("do not change with the arrays they were made of, or that were read from them", async () => {
      const source = new Float32Array([1, 2, 3]);
      const x = tensor(source);
      source[0] = 100;
      const first = await x.data();
      first[1] = 100;
      expect([...(await x.data())]).toEqual([1, 2, 3]);
      const doubled = x.mul(2);
      (await doubled.data())[0] = 100;
      expect(await doubled.array()).toEqual([2, 4, 6]);
      expect(await doubled.add(0).array()).toEqual([2, 4, 6]);
    });

    it("keep their value as views of what is assigned later", async () => {
      const p = new Buffer(
        tensor([
          [1, 2],
          [3, 4],
        ]),
      );
      const rows = [p.select(0, 0), p.t(), p.reshape([4]), p.slice([null, null, -1])].map((view) =>
        view.realize(),
      );
      p.assign(zeros([2, 2]));
      expect(await Promise.all(rows.map((view) => view.array()))).toEqual([
        [1, 2],
        [
          [1, 3],
          [2, 4],
        ],
        [1, 2, 3, 4],
        [
          [3, 4],
          [1, 2],
        ],
      ]);
      expect(await p.t().array()).toEqual([
        [0, 0],
        [0, 0],
      ]);
    });

    it("are computed once, and from what was computed", async () => {
      const { counters } = currentEngine().defaultDevice;
      const y = arange(6).to("f32").exp();
      const z = y.realize().sum();
      const { prepared } = counters;
      y.realize();
      await y.array();
      expect(counters.prepared).toBe(prepared);
      expect(await z.item()).toBeCloseTo((Math.E ** 6 - 1) / (Math.E - 1), 3);
    });
  });

  describe("cells", () => {
    it("give reads before and after an assignment values of their own", async () => {
      const p = new Buffer(tensor([1, 2]));
      const before = p.mul(10).realize();
      p.assign(tensor([3, 4]));
      const after = p.mul(10);
      expect(await concat([before, after, before.add(after)]).array()).toEqual([10, 20, 30, 40, 40, 60]);
    });

    it("do so in one compiled program", async () => {
      const p = new Buffer(tensor([1, 2]));
      const f = compile(() => {
        const before = p.mul(10);
        p.assign(p.flip(0).add(2));
        const between = p.mul(10);
        p.assign(p.add(1));
        return [before, between, p.mul(10), before.add(between)];
      });
      const read = async () => Promise.all(f().map((part) => part.array()));
      expect(await read()).toEqual([
        [10, 20],
        [40, 30],
        [50, 40],
        [50, 50],
      ]);
      expect(await read()).toEqual([
        [50, 40],
        [60, 70],
        [70, 80],
        [110, 110],
      ]);
    });

    it("exchange their contents", async () => {
      const [a, b] = [new Buffer(tensor([1, 2, 3])), new Buffer(tensor([4, 5, 6]))];
      const exchange = compile(() => {
        const old = a.detach();
        a.assign(b);
        b.assign(old.flip(0).flip(0));
        return old;
      });
      const old = exchange();
      expect([await a.array(), await b.array(), await old.array()]).toEqual([
        [4, 5, 6],
        [1, 2, 3],
        [1, 2, 3],
      ]);
      a.assign(b);
      b.assign(b.add(1));
      expect([await a.array(), await b.array()]).toEqual([
        [1, 2, 3],
        [2, 3, 4],
      ]);
    });

    it("take values made from what was assigned to them last", async () => {
      const p = new Buffer(tensor([1, 2, 3]));
      const value = p.mul(2);
      p.assign(value);
      p.assign(value.flip(0).add(p));
      expect(await p.array()).toEqual([8, 8, 8]);
      p.assign(p);
      p.assign(p.add(tensor([0, 1, 2])).flip(0));
      expect(await p.array()).toEqual([10, 9, 8]);
    });

    it("begin with what the cells they are made of hold at that moment", async () => {
      const first = new Parameter(tensor([1, 2]));
      const second = new Parameter(first.mul(2));
      const third = new Buffer(first.add(second));
      first.assign(zeros([2]));
      expect(await concat([first, second, third]).array()).toEqual([0, 0, 2, 4, 3, 6]);
    });

    it("say so when what they held is gone", async () => {
      const p = new Parameter(tensor([1]), { name: "weight" });
      const late = p.mul(2).add(1);
      p.assign(tensor([5]));
      await expect(late.item()).rejects.toThrow(StaleVersionError);
      await expect(late.item()).rejects.toThrow("weight was read at version 0 and is at version 1");
      expect(() => p.assign(late)).toThrow(StaleVersionError);
      expect(await p.item()).toBe(5);
    });

    it("refuse what does not fit, before anything changes", async () => {
      const p = new Parameter(tensor([1, 2]));
      expect(() => p.assign(ones([3]))).toThrow(ShapeError);
      expect(() => p.assign(arange(2))).toThrow(DTypeError);
      expect(() => compile(() => p.assign(ones([3])))()).toThrow(ShapeError);
      expect([p.cell.version, await p.array()]).toEqual([0, [1, 2]]);
    });
  });

  describe("random tensors", () => {
    it("never merge: equal calls draw different numbers, one tensor always the same", async () => {
      const x = ones([64]);
      const [a, b] = [dropout(x, 0.5, true), dropout(x, 0.5, true)];
      expect(await a.eq(b).all().array()).toBe(false);
      expect(await a.eq(a.add(0)).all().array()).toBe(true);
      expect(await a.array()).toEqual(await a.add(0).array());
      const twice = compile((y: Tensor) => [dropout(y, 0.5, true), dropout(y, 0.5, true)]);
      const [c, d] = twice(x);
      expect(await c.array()).not.toEqual(await d.array());
    });

    it("draw the same in a compiled call as outside", async () => {
      const draws = async (wrap: (fn: () => Tensor) => () => Tensor): Promise<unknown> => {
        currentEngine().generator.seed(3);
        const f = wrap(() => rand([3]).add(rand([3])));
        return [
          await f().array(),
          await f().array(),
          await rand([2]).array(),
          currentEngine().generator.draws,
        ];
      };
      expect(await draws((fn) => compile(fn))).toEqual(await draws((fn) => fn));
    });
  });

  describe("indices", () => {
    it("are checked at the call where the host knows them", () => {
      const x = ones([2, 3]);
      const wide = tensor([[0, 3]], { dtype: "i32" });
      expect(() => x.indexSelect(0, tensor([0, 2], { dtype: "i32" }))).toThrow(IndexOutOfRangeError);
      expect(() => x.gather(1, wide.expand([2, 2]))).toThrow("index 3 is outside dim 1 of [2, 3]");
      expect(() => x.scatterAdd(1, tensor([[-1]], { dtype: "i32" }), ones([1, 1]))).toThrow(
        IndexOutOfRangeError,
      );
      expect(() => x.select(0, 2)).toThrow(IndexOutOfRangeError);
    });

    it("read 0 and drop the write where a device computes them", async () => {
      const index = arange(4).sub(1);
      const x = tensor([10, 20, 30]);
      expect(await x.indexSelect(0, index.mul(2)).array()).toEqual([0, 10, 30, 0]);
      expect(await x.gather(0, index).array()).toEqual([0, 10, 20, 30]);
      expect(
        await zeros([2])
          .scatterAdd(0, index, tensor([1, 2, 3, 4]))
          .array(),
      ).toEqual([2, 3]);
    });
  });
});

describe("errors", () => {
  eachTestAlone();

  it("of shape, dtype and argument are thrown by the call that makes them", () => {
    const x = ones([2, 3]);
    expect(() => x.add(ones([4]))).toThrow("add");
    expect(() => x.matmul(x)).toThrow(ShapeError);
    expect(() => x.reshape([4, -1])).toThrow(ShapeError);
    expect(() => arange(3).mean()).toThrow(DTypeError);
    expect(() => dropout(x, 1.5, true)).toThrow(ArgumentError);
    expect(() => x.softmax(2)).toThrow(ArgumentError);
    expect(currentEngine().defaultDevice.counters.prepared).toBe(0);
  });

  it("of a device reject the reading and name the operation", async () => {
    const device = new FailingDevice();
    startEngine(() => device);
    const x = ones([2, 3]).matmul(ones([3, 2]));
    device.fails = "run";
    const y = x.realize();
    await expect(y.array()).rejects.toThrow(DeviceError);
    await expect(y.array()).rejects.toThrow("computing matmul of shape [2, 2]: the device is on fire");
    const z = y.exp();
    device.fails = undefined;
    await expect(z.array()).rejects.toThrow("computing matmul");
    expect(await ones([2]).exp().sum().item()).toBeCloseTo(2 * Math.E, 5);
    const w = ones([2]).neg().realize();
    device.fails = "read";
    await expect(w.array()).rejects.toThrow("(read)");
  });

  it("of a device reject what a compiled call returned, unless it assigns", async () => {
    const device = new FailingDevice();
    startEngine(() => device);
    const p = new Buffer(ones([2]), { name: "counter" });
    const pure = compile((x: Tensor) => x.exp());
    const step = compile(() => p.assign(p.add(1)));
    step();
    device.fails = "run";
    await expect(pure(tensor([1, 2])).array()).rejects.toThrow("computing exp of shape [2]");
    await expect(pure(ones([2]).neg()).array()).rejects.toThrow("computing neg of shape [2]");
    expect(() => step()).toThrow(DeviceError);
    expect(() => p.assign(p.add(1))).toThrow("computing the new content of counter");
    expect(p.cell.version).toBe(1);
    device.fails = undefined;
    step();
    expect(await p.array()).toEqual([3, 3]);
  });

  it("of a device leave what a cell begins with for later", async () => {
    const device = new FailingDevice();
    startEngine(() => device);
    const p = new Parameter(ones([2]).mul(3));
    for (const fails of ["block", "run"] as const) {
      device.fails = fails;
      await expect(p.array()).rejects.toThrow(DeviceError);
      expect(() => p.assign(p.add(1))).toThrow(DeviceError);
    }
    device.fails = undefined;
    expect(await p.array()).toEqual([3, 3]);
  });

  it("leave the loss and the gradients of a step that failed for another try", async () => {
    const device = new FailingDevice();
    startEngine(() => device);
    const p = new Parameter(ones([2]));
    const loss = p.square().sum();
    loss.backward();
    device.fails = "run";
    expect(() => p.assign(p.sub(p.grad ?? p))).toThrow(DeviceError);
    device.fails = undefined;
    p.assign(p.sub(p.grad ?? p));
    expect([await loss.item(), await p.array(), await p.grad?.array()]).toEqual([2, [-1, -1], [2, 2]]);
  });
});
