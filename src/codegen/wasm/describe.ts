import { InternalError } from "../../graph/errors.ts";
import type { Scalar } from "../kernel/ir.ts";
import { argsOf } from "../kernel/scalars.ts";
import type { Binding, Description, KernelContext } from "./context.ts";
import { conditionKey, depthOf, indexKey, sidesOf } from "./indices.ts";

/** What a scalar is in the current environment; asked for once per statement, since statements change things. */
export function describe(context: KernelContext, scalar: Scalar): Description {
  const { described } = context.environment;
  let description = described.get(scalar);
  if (description === undefined) {
    description = compute(context, scalar);
    described.set(scalar, description);
  }
  return description;
}

/** The local that a register is in. */
export function bindingOf(context: KernelContext, scalar: Extract<Scalar, { kind: "register" }>): Binding {
  const binding = context.registers.get(scalar.register);
  if (binding === undefined)
    throw new InternalError(`wasm: register ${scalar.register.name} is used before its let`);
  return binding;
}

function compute(context: KernelContext, scalar: Scalar): Description {
  const { builder, environment } = context;
  const { type } = scalar;
  switch (scalar.kind) {
    case "constant": {
      const text = Object.is(scalar.value, -0) ? "-0" : String(scalar.value);
      return { key: context.keyOf(`${type} ${text}`), depth: 0, uniform: true };
    }
    case "register": {
      const { local, vector, depth } = bindingOf(context, scalar);
      const lane = vector ? `.${environment.lane}` : "";
      const uniform = !(vector && environment.lane === "all");
      return { key: context.keyOf(`${type} register ${local}${lane}`), depth, uniform };
    }
    case "local": {
      const index = context.resolve(scalar.index);
      const version = context.versionOf(scalar.array);
      const key = `${type} array ${context.arrayNumber(scalar.array)} ${version} ${indexKey(context, index)}`;
      return { key: context.keyOf(key), depth: builder.scope.depth, uniform: !context.variesByLane(index) };
    }
    case "load": {
      const index = context.resolve(scalar.index);
      const { buffer } = scalar;
      const version = context.versionOf(buffer);
      const key = `${type} load ${context.bufferNumber(buffer)} ${version} ${indexKey(context, index)}`;
      const depth = context.stored.has(buffer) ? builder.scope.depth : depthOf(context, index);
      return { key: context.keyOf(key), depth, uniform: !context.variesByLane(index) };
    }
    case "index": {
      const index = context.resolve(scalar.expression);
      const key = context.keyOf(`${type} index ${indexKey(context, index)}`);
      return { key, depth: depthOf(context, index), uniform: !context.variesByLane(index) };
    }
    default:
      return combine(context, scalar);
  }
}

/** From the operands' descriptions. */
function combine(context: KernelContext, scalar: Scalar): Description {
  let depth = 0;
  let uniform = true;
  let name = `${scalar.type} ${scalar.kind} ${"op" in scalar ? scalar.op : ""}`;
  for (const arg of argsOf(scalar)) {
    const described = describe(context, arg);
    depth = Math.max(depth, described.depth);
    uniform &&= described.uniform;
    name += ` ${described.key}`;
  }
  if (scalar.kind === "guard") {
    const condition = context.resolveCondition(scalar.condition);
    const sides = sidesOf(condition);
    depth = Math.max(depth, depthOf(context, ...sides));
    uniform &&= !context.variesByLane(...sides);
    const otherwise = Object.is(scalar.otherwise, -0) ? "-0" : scalar.otherwise;
    name += ` ${otherwise} ${conditionKey(context, condition)}`;
  }
  return { key: context.keyOf(name), depth, uniform };
}
