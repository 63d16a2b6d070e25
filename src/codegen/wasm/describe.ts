import { InternalError } from "../../graph/errors.ts";
import type { Expression } from "../index/expression.ts";
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
  const { builder, environment, numbering } = context;
  const head = headOf(context, scalar);
  switch (scalar.kind) {
    case "constant": {
      const value = Object.is(scalar.value, -0) ? numbering.text("-0") : numbering.integer(scalar.value);
      return { key: numbering.pair(head, value), depth: 0, uniform: true };
    }
    case "register": {
      const { local, vector, depth } = bindingOf(context, scalar);
      const key = numbering.pair(head, numbering.integer(local));
      const uniform = !(vector && environment.lane === "all");
      return {
        key: vector ? numbering.pair(key, numbering.text(`lane ${environment.lane}`)) : key,
        depth,
        uniform,
      };
    }
    case "local": {
      const index = context.resolve(scalar.index);
      const of = [context.arrayNumber(scalar.array), context.versionOf(scalar.array)] as const;
      const key = elementKey(context, head, of, index);
      return { key, depth: builder.scope.depth, uniform: !context.variesByLane(index) };
    }
    case "load": {
      const index = context.resolve(scalar.index);
      const { buffer } = scalar;
      const of = [context.bufferNumber(buffer), context.versionOf(buffer)] as const;
      const key = elementKey(context, head, of, index);
      const depth = context.stored.has(buffer) ? builder.scope.depth : depthOf(context, index);
      return { key, depth, uniform: !context.variesByLane(index) };
    }
    case "index": {
      const index = context.resolve(scalar.expression);
      const key = numbering.pair(head, indexKey(context, index));
      return { key, depth: depthOf(context, index), uniform: !context.variesByLane(index) };
    }
    default:
      return combine(context, scalar, head);
  }
}

/** A number for what a scalar does, apart from its operands. */
function headOf({ numbering }: KernelContext, scalar: Scalar): number {
  return numbering.pair(
    numbering.text("op" in scalar ? scalar.op : scalar.kind),
    numbering.text(scalar.type),
  );
}

function elementKey(
  context: KernelContext,
  head: number,
  [memory, version]: readonly [number, number],
  index: Expression,
): number {
  const { numbering } = context;
  const place = numbering.pair(numbering.integer(memory), numbering.integer(version));
  return numbering.pair(numbering.pair(head, place), indexKey(context, index));
}

/** From the operands' descriptions. */
function combine(context: KernelContext, scalar: Scalar, head: number): Description {
  const { numbering } = context;
  let depth = 0;
  let uniform = true;
  let key = head;
  for (const arg of argsOf(scalar)) {
    const described = describe(context, arg);
    depth = Math.max(depth, described.depth);
    uniform &&= described.uniform;
    key = numbering.pair(key, described.key);
  }
  if (scalar.kind === "guard") {
    const condition = context.resolveCondition(scalar.condition);
    const sides = sidesOf(condition);
    depth = Math.max(depth, depthOf(context, ...sides));
    uniform &&= !context.variesByLane(...sides);
    const otherwise = Object.is(scalar.otherwise, -0)
      ? numbering.text("-0")
      : numbering.integer(scalar.otherwise);
    key = numbering.pair(numbering.pair(key, otherwise), conditionKey(context, condition));
  }
  return { key, depth, uniform };
}
