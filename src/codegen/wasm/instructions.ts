/**
 * The WebAssembly instructions that kernels use, by their names in the text format. One table serves the encoder, the
 * printer of readable text and the types. Opcodes: WebAssembly core specification 2.0, section 5.4, and the relaxed
 * SIMD proposal.
 */

/** What follows an opcode; every immediate is given as plain numbers. */
export type ImmediateKind =
  | "none"
  /** A local's number. */
  | "local"
  | "i32"
  | "f32"
  /** Four 32-bit words. */
  | "v128"
  /** A byte offset; the alignment promised is that of 32 bits. */
  | "memory"
  /** A byte offset and a lane. */
  | "memoryLane"
  | "lane"
  /** `blockTypes.empty` or the code of the block's result type. */
  | "block"
  /** How many blocks out. */
  | "label";

export interface InstructionShape {
  /** One byte, or `prefix * 0x1000 + number`. */
  readonly opcode: number;
  readonly immediate: ImmediateKind;
  /** Operands taken from the stack. */
  readonly pops: number;
  readonly pushes: 0 | 1;
}

export const valueTypeCodes = { i32: 0x7f, f32: 0x7d, v128: 0x7b } as const;

export type ValueType = keyof typeof valueTypeCodes;

/** The block type of a block that leaves nothing on the stack. */
export const emptyBlock = 0x40;

const saturating = (number: number): number => 0xfc * 0x1000 + number;
const simd = (number: number): number => 0xfd * 0x1000 + number;

/** Opcodes with the same immediate, operands and results. */
function shaped<const Name extends string>(
  immediate: ImmediateKind,
  pops: number,
  pushes: 0 | 1,
  opcodes: Readonly<Record<Name, number>>,
): Readonly<Record<Name, InstructionShape>> {
  const entries = Object.entries<number>(opcodes);
  // The keys are those of `opcodes`, which fromEntries forgets.
  return Object.fromEntries(
    entries.map(([name, opcode]) => [name, { opcode, immediate, pops, pushes }]),
  ) as Record<Name, InstructionShape>;
}

const control = {
  ...shaped("block", 0, 0, { block: 0x02, loop: 0x03 }),
  ...shaped("block", 1, 0, { if: 0x04 }),
  ...shaped("none", 0, 0, { else: 0x05, end: 0x0b }),
  ...shaped("label", 0, 0, { br: 0x0c }),
  ...shaped("label", 1, 0, { br_if: 0x0d }),
  ...shaped("none", 1, 0, { drop: 0x1a }),
};

const variables = {
  ...shaped("local", 0, 1, { "local.get": 0x20 }),
  ...shaped("local", 1, 0, { "local.set": 0x21 }),
  ...shaped("local", 1, 1, { "local.tee": 0x22 }),
};

const constants = {
  ...shaped("i32", 0, 1, { "i32.const": 0x41 }),
  ...shaped("f32", 0, 1, { "f32.const": 0x43 }),
  ...shaped("v128", 0, 1, { "v128.const": simd(0x0c) }),
};

const memory = {
  ...shaped("memory", 1, 1, {
    "i32.load": 0x28,
    "f32.load": 0x2a,
    "v128.load": simd(0x00),
    "v128.load32_splat": simd(0x09),
    "v128.load32_zero": simd(0x5c),
  }),
  ...shaped("memory", 2, 0, { "i32.store": 0x36, "f32.store": 0x38, "v128.store": simd(0x0b) }),
  ...shaped("memoryLane", 2, 1, { "v128.load32_lane": simd(0x56) }),
  ...shaped("memoryLane", 2, 0, { "v128.store32_lane": simd(0x5a) }),
};

const lanes = {
  ...shaped("none", 1, 1, { "i32x4.splat": simd(0x11), "f32x4.splat": simd(0x13) }),
  ...shaped("lane", 1, 1, { "i32x4.extract_lane": simd(0x1b), "f32x4.extract_lane": simd(0x1f) }),
  ...shaped("lane", 2, 1, { "i32x4.replace_lane": simd(0x1c), "f32x4.replace_lane": simd(0x20) }),
};

const scalarMaps = shaped("none", 1, 1, {
  "i32.eqz": 0x45,
  "f32.abs": 0x8b,
  "f32.neg": 0x8c,
  "f32.ceil": 0x8d,
  "f32.floor": 0x8e,
  "f32.trunc": 0x8f,
  "f32.nearest": 0x90,
  "f32.sqrt": 0x91,
  "f32.convert_i32_s": 0xb2,
  "f32.convert_i32_u": 0xb3,
  "i32.reinterpret_f32": 0xbc,
  "f32.reinterpret_i32": 0xbe,
  "i32.trunc_sat_f32_s": saturating(0),
  "i32.trunc_sat_f32_u": saturating(1),
});

const scalarPairs = shaped("none", 2, 1, {
  "i32.eq": 0x46,
  "i32.ne": 0x47,
  "i32.lt_s": 0x48,
  "i32.lt_u": 0x49,
  "i32.gt_s": 0x4a,
  "i32.gt_u": 0x4b,
  "i32.le_s": 0x4c,
  "i32.le_u": 0x4d,
  "i32.ge_s": 0x4e,
  "i32.ge_u": 0x4f,
  "f32.eq": 0x5b,
  "f32.ne": 0x5c,
  "f32.lt": 0x5d,
  "f32.gt": 0x5e,
  "f32.le": 0x5f,
  "f32.ge": 0x60,
  "i32.add": 0x6a,
  "i32.sub": 0x6b,
  "i32.mul": 0x6c,
  "i32.div_s": 0x6d,
  "i32.div_u": 0x6e,
  "i32.rem_s": 0x6f,
  "i32.rem_u": 0x70,
  "i32.and": 0x71,
  "i32.or": 0x72,
  "i32.xor": 0x73,
  "i32.shl": 0x74,
  "i32.shr_s": 0x75,
  "i32.shr_u": 0x76,
  "f32.add": 0x92,
  "f32.sub": 0x93,
  "f32.mul": 0x94,
  "f32.div": 0x95,
  "f32.min": 0x96,
  "f32.max": 0x97,
  "f32.copysign": 0x98,
});

const vectorMaps = shaped("none", 1, 1, {
  "v128.not": simd(0x4d),
  "f32x4.ceil": simd(0x67),
  "f32x4.floor": simd(0x68),
  "f32x4.trunc": simd(0x69),
  "f32x4.nearest": simd(0x6a),
  "i32x4.abs": simd(0xa0),
  "i32x4.neg": simd(0xa1),
  "f32x4.abs": simd(0xe0),
  "f32x4.neg": simd(0xe1),
  "f32x4.sqrt": simd(0xe3),
  "i32x4.trunc_sat_f32x4_s": simd(0xf8),
  "i32x4.trunc_sat_f32x4_u": simd(0xf9),
  "f32x4.convert_i32x4_s": simd(0xfa),
  "f32x4.convert_i32x4_u": simd(0xfb),
});

const vectorPairs = shaped("none", 2, 1, {
  "i32x4.eq": simd(0x37),
  "i32x4.ne": simd(0x38),
  "i32x4.lt_s": simd(0x39),
  "i32x4.lt_u": simd(0x3a),
  "i32x4.gt_s": simd(0x3b),
  "i32x4.gt_u": simd(0x3c),
  "i32x4.le_s": simd(0x3d),
  "i32x4.le_u": simd(0x3e),
  "i32x4.ge_s": simd(0x3f),
  "i32x4.ge_u": simd(0x40),
  "f32x4.eq": simd(0x41),
  "f32x4.ne": simd(0x42),
  "f32x4.lt": simd(0x43),
  "f32x4.gt": simd(0x44),
  "f32x4.le": simd(0x45),
  "f32x4.ge": simd(0x46),
  "v128.and": simd(0x4e),
  "v128.or": simd(0x50),
  "v128.xor": simd(0x51),
  "i32x4.shl": simd(0xab),
  "i32x4.shr_s": simd(0xac),
  "i32x4.shr_u": simd(0xad),
  "i32x4.add": simd(0xae),
  "i32x4.sub": simd(0xb1),
  "i32x4.mul": simd(0xb5),
  "i32x4.min_s": simd(0xb6),
  "i32x4.min_u": simd(0xb7),
  "i32x4.max_s": simd(0xb8),
  "i32x4.max_u": simd(0xb9),
  "f32x4.add": simd(0xe4),
  "f32x4.sub": simd(0xe5),
  "f32x4.mul": simd(0xe6),
  "f32x4.div": simd(0xe7),
  "f32x4.min": simd(0xe8),
  "f32x4.max": simd(0xe9),
  "f32x4.pmin": simd(0xea),
  "f32x4.pmax": simd(0xeb),
});

const triples = shaped("none", 3, 1, {
  select: 0x1b,
  "v128.bitselect": simd(0x52),
  "f32x4.relaxed_madd": simd(0x105),
});

export const instructionShapes = {
  ...control,
  ...variables,
  ...constants,
  ...memory,
  ...lanes,
  ...scalarMaps,
  ...scalarPairs,
  ...vectorMaps,
  ...vectorPairs,
  ...triples,
} satisfies Readonly<Record<string, InstructionShape>>;

export type InstructionName = keyof typeof instructionShapes;

/** One instruction with its immediates, of which the table says what they mean. */
export interface Instruction {
  readonly name: InstructionName;
  readonly immediates: readonly number[];
}

/** The shape of an instruction. */
export function shapeOf(name: InstructionName): InstructionShape {
  return instructionShapes[name];
}
