import { InternalError } from "../../graph/errors.ts";
import { constant, delinearize, variable } from "../index/expression.ts";
import { usedIn } from "../kernel/buffers.ts";
import type { Axis, Buffer, Kernel, Statement } from "../kernel/ir.ts";
import { phasesOf } from "../kernel/phases.ts";
import type { Layout } from "./bindings.ts";
import { indexText } from "./indices.ts";
import { libraryText } from "./library.ts";
import { constantText, scalarText, toStored } from "./scalars.ts";
import { axisName, type Elements, identifier, Writer } from "./writer.ts";

/** One dispatch: an entry point of the source, and over how many workgroups it runs. */
export interface Stage {
  readonly entryPoint: string;
  readonly workgroups: readonly [x: number, y: number];
}

/** A kernel as WGSL: equal kernels print alike, wherever their buffers lie. */
export interface PrintedKernel {
  readonly source: string;
  /** In order; what one writes, the next may read. */
  readonly stages: readonly Stage[];
}

/** WebGPU's limit of workgroups in a dimension. */
const mostWorkgroups = 65535;

/** Prints a kernel. Grid axes become workgroups, local axes their invocations; what has neither runs in one. */
export function printWgsl(kernel: Pick<Kernel, "name" | "body">, layout: Layout): PrintedKernel {
  const declarations: string[] = [];
  const elements = new Map<Buffer, Elements>();
  declareBindings(layout, declarations, elements);
  for (const buffer of usedIn(kernel.body)) {
    if (buffer.access !== "workgroup") continue;
    const stored = buffer.type === "bool" ? "u32" : buffer.type;
    const name = identifier(buffer.name);
    declarations.push(`var<workgroup> ${name}: array<${stored}, ${Math.max(buffer.length, 1)}>;`);
    elements.set(buffer, { at: (index) => `${name}[${index}]`, stored });
  }
  const writer = new Writer(elements);
  const stages = phasesOf(kernel.body).map((phase, i) => printStage(writer, phase, `stage${i}`));
  const source = [...declarations, ...libraryText(writer.library), ...writer.lines].join("\n");
  return { source: `${source}\n`, stages };
}

function declareBindings(layout: Layout, declarations: string[], elements: Map<Buffer, Elements>): void {
  const slots = [...layout.offsets.keys()];
  layout.bindings.forEach(({ buffers, writable }, i) => {
    const access = writable ? "read_write" : "read";
    const head = `@group(0) @binding(${i}) var<storage, ${access}>`;
    if (layout.kind === "whole") {
      declarations.push(`${head} m${i}: array<u32>;`);
      for (const buffer of buffers) {
        const slot = slots.indexOf(buffer);
        const offset = `i32(offsets[${slot >> 2}][${slot & 3}])`;
        elements.set(buffer, { at: (index) => `m${i}[${offset} + ${index}]`, stored: "u32" });
      }
      return;
    }
    const [{ name, type }] = buffers;
    const stored = type === "bool" ? "u32" : type;
    const length = Math.max(1, ...buffers.map((buffer) => buffer.length));
    declarations.push(`${head} ${identifier(name)}: array<${stored}, ${length}>;`);
    for (const buffer of buffers)
      elements.set(buffer, { at: (index) => `${identifier(name)}[${index}]`, stored });
  });
  if (layout.kind === "whole") {
    const length = Math.max(1, Math.ceil(slots.length / 4));
    declarations.push(
      `@group(0) @binding(${layout.bindings.length}) var<uniform> offsets: array<vec4<u32>, ${length}>;`,
    );
  }
}

/** The axes that a phase is spread over, and what runs for each index of them. */
interface Spread {
  readonly grid: readonly Axis[];
  readonly local: readonly Axis[];
  /** Statements in order, those around inner axes included. */
  readonly body: readonly Statement[];
}

/** Takes off the axes around a phase: each the only loop of its block, with nothing but lets beside it. */
export function spreadOf(phase: readonly Statement[]): Spread {
  const last = phase[phase.length - 1];
  const before = phase.slice(0, -1);
  const parallel = last?.kind === "for" && (last.axis.tag === "grid" || last.axis.tag === "local");
  if (!parallel || before.some(({ kind }) => kind !== "let")) return { grid: [], local: [], body: phase };
  const inner = spreadOf(last.body);
  if (last.axis.tag === "local")
    return { grid: inner.grid, local: [last.axis, ...inner.local], body: [...before, ...inner.body] };
  return { grid: [last.axis, ...inner.grid], local: inner.local, body: [...before, ...inner.body] };
}

function printStage(writer: Writer, phase: readonly Statement[], entryPoint: string): Stage {
  const { grid, local, body } = spreadOf(phase);
  const count = grid.reduce((total, { extent }) => total * extent, 1);
  const invocations = local.reduce((total, { extent }) => total * extent, 1);
  const rows = Math.ceil(count / mostWorkgroups);
  const columns = Math.ceil(count / rows);
  const parameters = [
    ...(count > 1 ? ["@builtin(workgroup_id) workgroup: vec3<u32>"] : []),
    ...(invocations > 1 ? ["@builtin(local_invocation_index) invocation: u32"] : []),
  ];
  writer.lines.push(
    `@compute @workgroup_size(${invocations})`,
    `fn ${entryPoint}(${parameters.join(", ")}) {`,
  );
  if (count > 1) {
    writer.line(`let workgroupIndex = i32(workgroup.x${rows > 1 ? ` + workgroup.y * ${columns}u` : ""});`);
    if (columns * rows > count) writer.line(`if (workgroupIndex >= ${count}) { return; }`);
    nameAxes(writer, "workgroupIndex", count, grid);
  }
  if (invocations > 1) {
    writer.line("let lane = i32(invocation);");
    nameAxes(writer, "lane", invocations, local);
  }
  const single = [...grid, ...local].filter(({ extent }) => extent === 1);
  for (const { name } of single) writer.line(`let ${axisName(name)} = 0;`);
  printStatements(writer, body);
  writer.lines.push("}");
  return { entryPoint, workgroups: [columns, rows] };
}

/** Names the indices of axes from their common one. */
function nameAxes(writer: Writer, common: string, count: number, axes: readonly Axis[]): void {
  const indices = delinearize(
    variable(common, count),
    axes.map(({ extent }) => extent),
  );
  axes.forEach(({ name, extent }, i) => {
    if (extent > 1) writer.line(`let ${axisName(name)} = ${indexText(indices[i], () => common)};`);
  });
}

function printStatements(writer: Writer, statements: readonly Statement[]): void {
  for (const statement of statements) printStatement(writer, statement);
}

function printStatement(writer: Writer, statement: Statement): void {
  switch (statement.kind) {
    case "for":
      printFor(writer, statement.axis, statement.body);
      return;
    case "if": {
      const condition = writer.resolveCondition(statement.condition);
      if (condition.kind === "never") return;
      const body = (): void => printStatements(writer, statement.body);
      writer.block(condition.kind === "always" ? "" : `if ${writer.condition(condition)}`, body);
      return;
    }
    case "let": {
      const { register, value } = statement;
      const name = identifier(register.name);
      writer.line(`let ${name} = ${scalarText(writer, value)};`);
      if (register.opaqueId !== undefined)
        writer.nameOpaque(register.opaqueId, register.type === "u32" ? `i32(${name})` : name);
      return;
    }
    case "declare": {
      const { array } = statement;
      for (let i = 0; i < array.length; i++) {
        const name = writer.arrayElement(array, constant(i));
        writer.line(`var ${name}: ${array.type} = ${constantText(writer, array.type, array.initial)};`);
      }
      return;
    }
    case "set": {
      const value = scalarText(writer, statement.value);
      writer.line(`${writer.arrayElement(statement.array, statement.index)} = ${value};`);
      return;
    }
    case "store": {
      const { at, stored } = writer.elements(statement.buffer);
      const value = toStored(scalarText(writer, statement.value), stored, statement.value.type);
      writer.line(`${at(writer.index(statement.index))} = ${value};`);
      return;
    }
    case "barrier":
      if (statement.scope === "device")
        throw new InternalError("wgsl: a device's barrier stands at the top of a kernel only");
      writer.line("workgroupBarrier();");
  }
}

/** Iterations that may run side by side run in order where they are not spread. */
function printFor(writer: Writer, { name, extent, tag }: Axis, body: readonly Statement[]): void {
  switch (tag) {
    case "local":
      throw new InternalError(`wgsl: the local axis ${name} lies inside a loop`);
    case "unroll":
    case "vector":
      for (let at = 0; at < extent; at++)
        writer.with(name, constant(at), () => writer.block("", () => printStatements(writer, body)));
      return;
    case "grid":
    case "loop": {
      const index = axisName(name);
      writer.block(`for (var ${index} = 0; ${index} < ${extent}; ${index}++)`, () =>
        printStatements(writer, body),
      );
    }
  }
}
