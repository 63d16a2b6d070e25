import { topologicalOrder, type Value } from "../../../src/graph/node.ts";
import { expandComposites } from "../../../src/ops/expand.ts";
import type { Executable, Program, Storage } from "../../../src/runtime/device.ts";
import { ReferenceDevice } from "../../../src/runtime/reference/device.ts";

/** A device in f32 that is right but where `isWrong` says otherwise: there the first element of each result is 1 too large. */
export class BrokenDevice extends ReferenceDevice {
  readonly #isWrong: (nodes: readonly Value[]) => boolean;

  constructor(isWrong: (values: readonly Value[]) => boolean) {
    super();
    this.#isWrong = isWrong;
  }

  override prepare(program: Program): Executable {
    const inner = super.prepare(program);
    const roots = [...program.outputs, ...program.writes.map(({ value }) => value)];
    const expansion = expandComposites(roots, () => false);
    const values = topologicalOrder(roots.map(expansion.valueOf)).flatMap((node) => node.outputs);
    const wrong = this.#isWrong(values);
    return {
      kernels: inner.kernels,
      temporaryBytes: inner.temporaryBytes,
      run: (feeds: readonly Storage[]): Storage[] =>
        inner.run(feeds).map((storage): Storage => {
          if (!wrong || storage.kind !== "host") return storage;
          const data = storage.data.slice();
          if (data.length > 0) data[0] += 1;
          return { kind: "host", data };
        }),
      dispose: () => inner.dispose(),
    };
  }
}
