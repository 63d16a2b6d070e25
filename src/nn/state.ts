import type { Cell } from "../engine/cell.ts";
import { currentEngine } from "../engine/current.ts";
import type { Assignment } from "../engine/engine.ts";
import { dtypeOfArray, type TypedArray } from "../graph/dtype.ts";
import { DeviceError, InternalError, ShapeError, StateDictError, TraceError } from "../graph/errors.ts";
import type { Value } from "../graph/node.ts";
import { formatShape, numel, type Shape, sameShape } from "../graph/shape.ts";
import { cast, constant, detach } from "../ops/builders.ts";
import type { Device, Region } from "../runtime/device.ts";
import type { Buffer } from "../tensor/parameter.ts";
import { Tensor } from "../tensor/tensor.ts";

/** Data on the host with its shape, as files hold it; the array's type is its dtype. */
export interface HostArray {
  readonly shape: Shape;
  readonly data: TypedArray;
}

/** What a parameter or buffer can be set to. */
export type StateEntry = Tensor | HostArray;

function byDevice<T extends { readonly cell: { readonly device: Device } }>(items: readonly T[]): T[][] {
  const groups = new Map<Device, T[]>();
  for (const item of items) {
    const group = groups.get(item.cell.device);
    if (group) group.push(item);
    else groups.set(item.cell.device, [item]);
  }
  return [...groups.values()];
}

/**
 * The content of each as a tensor of its own, which later assignments do not touch.
 * @throws TraceError inside a compiled function.
 */
export function snapshot(buffers: readonly Buffer[]): Tensor[] {
  const engine = currentEngine();
  if (engine.trace)
    throw new TraceError("stateDict: parameters cannot be copied inside a compiled function; do it outside");
  for (const group of byDevice(buffers)) engine.initialise(group.map(({ cell }) => cell));
  return buffers.map(({ cell, device }) => {
    const storage = engine.storageOf(device, cell.leaf());
    return new Tensor(engine.resultLeaf(cell, storage), device);
  });
}

/**
 * The content of each as a value for any device: what it will be, for what has not been computed, else a copy on the host.
 * @throws DeviceError where content lies on a device that takes time to read.
 */
export function contentNow(buffers: readonly Buffer[]): Map<Buffer, Value> {
  for (const { cell } of buffers) {
    if (isUntouched(cell) || cell.device.readNow) continue;
    throw new DeviceError(
      `to: ${cell.name} has content on ${cell.device.name}, which cannot be read at once; use \`await toAsync(device)\``,
    );
  }
  return new Map(
    buffers.map(({ cell }, i) => {
      const data = isUntouched(cell) ? undefined : cell.device.readNow?.(regionOf(cell));
      return [buffers[i], data ? constant([...cell.shape], cell.dtype, data) : initialOf(cell)];
    }),
  );
}

/** The same, once content has been read. */
export async function content(buffers: readonly Buffer[]): Promise<Map<Buffer, Value>> {
  const values = buffers.map(async ({ cell }): Promise<Value> => {
    if (isUntouched(cell)) return initialOf(cell);
    return constant([...cell.shape], cell.dtype, await cell.device.read(regionOf(cell)));
  });
  const read = await Promise.all(values);
  return new Map(buffers.map((buffer, i) => [buffer, read[i]]));
}

function isUntouched(cell: Cell): boolean {
  return cell.initial !== undefined && cell.region === undefined;
}

function initialOf(cell: Cell): Value {
  if (cell.initial === undefined) throw new InternalError(`${cell.name} has no content`);
  return cell.initial;
}

/** Where a cell's content lies, computed first where it was not. */
function regionOf(cell: Cell): Region {
  const engine = currentEngine();
  engine.initialise([cell]);
  return cell.ensureRegion(engine.blocks);
}

/** Why an entry cannot become the content of a buffer, or undefined. */
export function misfit(cell: Cell, entry: StateEntry): string | undefined {
  if (!sameShape(entry.shape, cell.shape))
    return `has shape ${formatShape(entry.shape)}, wanted ${formatShape(cell.shape)}`;
  if (!(entry instanceof Tensor) && entry.data.length !== numel(entry.shape)) {
    return `has ${entry.data.length} elements, but shape ${formatShape(entry.shape)}`;
  }
  return undefined;
}

/**
 * Sets buffers to entries that fit them (see `misfit`), casting to their dtypes; host data is copied at once.
 * @throws TraceError inside a compiled function; DeviceError for a tensor of another device, before anything changes.
 */
export function overwrite(pairs: readonly (readonly [Buffer, StateEntry])[]): void {
  const engine = currentEngine();
  if (engine.trace)
    throw new TraceError("loadStateDict: state cannot be loaded inside a compiled function; do it outside");
  const assignments = pairs.map(([{ cell }, entry]): Assignment => {
    if (misfit(cell, entry) !== undefined) throw new ShapeError(`loadStateDict: ${cell.name} does not fit`);
    return { cell, value: cast(newValueOf(entry, cell.device, cell.name), cell.dtype) };
  });
  for (const group of byDevice(assignments)) engine.assign(group);
}

function newValueOf(entry: StateEntry, device: Device, name: string): Value {
  if (!(entry instanceof Tensor)) return constant([...entry.shape], dtypeOfArray(entry.data), entry.data);
  if (entry.device !== device) {
    throw new DeviceError(
      `loadStateDict: ${name} is on ${device.name}, its new value on ${entry.device.name}; pass { shape, data: await t.data() }`,
    );
  }
  return detach(entry.usable());
}

/** "a, b, c and 7 more", for messages. */
function listed(names: readonly string[]): string {
  const shown = names.slice(0, 8).join(", ");
  return names.length > 8 ? `${shown} and ${names.length - 8} more` : shown;
}

/** @throws StateDictError naming every kind of problem at once; does nothing when there is none. */
export function throwMismatch(
  what: string,
  problems: {
    readonly missing?: readonly string[];
    readonly unexpected?: readonly string[];
    readonly misshapen?: readonly string[];
  },
): void {
  const parts = Object.entries(problems).flatMap(([kind, names]) =>
    names.length === 0 ? [] : [`${names.length} ${kind}: ${listed(names)}`],
  );
  if (parts.length === 0) return;
  throw new StateDictError(
    `loadStateDict: the state does not fit ${what}; nothing was changed. ${parts.join("; ")}`,
  );
}
