import { afterEach, beforeEach } from "vitest";
import { setEngine } from "../../src/engine/current.ts";
import { Engine } from "../../src/engine/engine.ts";
import { ReferenceDevice } from "../../src/runtime/reference/device.ts";

/** Runs every test of the file on a new engine with a reference device. */
export function onReferenceDevice(seed = 7): void {
  let before: Engine | undefined;
  beforeEach(() => {
    before = setEngine(new Engine(() => new ReferenceDevice(), seed));
  });
  afterEach(() => {
    if (before) setEngine(before);
  });
}
