import { describe, expect, it } from "vitest";
import { compile, nn, type Tensor, tensor } from "../../src/index.ts";
import { onReferenceDevice } from "./reference.ts";

onReferenceDevice();

class Double extends nn.Module {
  forward(x: Tensor): Tensor {
    return x.mul(2);
  }
}

describe("forward hooks", () => {
  it("see inputs and outputs, in their order, until they are removed", async () => {
    const layer = new Double();
    const seen: string[] = [];
    const note = (name: string) => (module: object) => {
      seen.push(`${name} ${module === layer}`);
      return undefined;
    };
    const handles = [
      layer.registerForwardPreHook(note("before")),
      layer.registerForwardHook(note("first")),
      layer.registerForwardHook(note("second")),
    ];
    layer.forward(tensor([1]));
    expect(seen).toEqual(["before true", "first true", "second true"]);
    handles[1].remove();
    handles[1].remove();
    layer.forward(tensor([1]));
    expect(seen.slice(3)).toEqual(["before true", "second true"]);
    for (const handle of handles) handle.remove();
    expect(Object.hasOwn(layer, "forward")).toBe(false);
    layer.forward(tensor([1]));
    expect(seen).toHaveLength(5);
  });

  it("may change both", async () => {
    const layer = new Double();
    const before = layer.registerForwardPreHook((_, [x]: [Tensor]) => [x.add(1)]);
    layer.registerForwardHook((_, [x]: [Tensor], y: Tensor) => y.add(x.mul(100)));
    expect(await layer.forward(tensor([1])).array()).toEqual([204]);
    before.remove();
    expect(await layer.forward(tensor([1])).array()).toEqual([102]);
  });

  it("change no names, and are seen by the module that calls", async () => {
    const net = new nn.Sequential(new nn.Linear(1, 1), new Double());
    const names = net.namedParameters().map(([name]) => name);
    const shapes: unknown[] = [];
    const handle = (net.layers[0] as nn.Linear).registerForwardHook((_, __, y: Tensor) => {
      shapes.push(y.shape);
    });
    net.forward(tensor([[1]]));
    handle.remove();
    expect(shapes).toEqual([[1, 1]]);
    expect(net.namedParameters().map(([name]) => name)).toEqual(names);
  });

  it("are part of a compiled function's signature", async () => {
    const layer = new Double();
    const run = compile((x: Tensor) => layer.forward(x));
    const result = async (): Promise<unknown> => run(tensor([3])).array();
    expect(await result()).toEqual([6]);
    const handle = layer.registerForwardHook((_, __, y: Tensor) => y.neg());
    expect(await result()).toEqual([-6]);
    expect(await result()).toEqual([-6]);
    expect(run.traces).toBe(2);
    handle.remove();
    expect(await result()).toEqual([6]);
    expect(run.traces).toBe(2);
  });
});
