import { ArgumentError, ShapeError } from "../graph/errors.ts";
import { formatShape, sameShape } from "../graph/shape.ts";
import { allOf, paddingMask } from "../nn/masks.ts";
import { arange, full } from "../tensor/create.ts";
import { concat, type Tensor } from "../tensor/tensor.ts";
import { notLater } from "./transformerXlAttention.ts";
import type { XLNetConfig } from "./xlnetConfig.ts";

/** What a token sequence is besides its ids. */
export interface XLNetInputs {
  /** [B, T]: which keys may be attended; bool, or numbers of which 0 is padding. All by default. Padding stands left. */
  readonly attentionMask?: Tensor;
  /** The same turned over: [B, T], of which 1 is padding. Give one of the two. */
  readonly inputMask?: Tensor;
  /** [B, T, T]: 1 where token i may not attend token j; see `permutationMask` of `fusegrad/text`. */
  readonly permMask?: Tensor;
  /** [B, P, T]: 1 where prediction p is of token i. With it the model has a query stream, and its output is that one's. */
  readonly targetMapping?: Tensor;
  /** [B, T] segment of each token: attention asks only whether two are equal. None by default. */
  readonly tokenTypeIds?: Tensor;
  /** For each layer, the states [m, B, d_model] that it attends besides; the `mems` of an earlier call. */
  readonly mems?: readonly Tensor[];
  /** Whether the result holds a memory; what the configuration says by default. */
  readonly useMems?: boolean;
  readonly outputHiddenStates?: boolean;
  readonly outputAttentions?: boolean;
}

/**
 * What a token may attend, [B or 1, 1, T, m + T], in the query stream g; in the content stream h, itself besides. Undefined:
 * everything.
 */
export function attendable(
  inputIds: Tensor,
  { attentionMask, inputMask, permMask }: XLNetInputs,
  memory: number,
  { attn_type, same_length }: XLNetConfig,
): { readonly g: Tensor | undefined; readonly h: Tensor | undefined } {
  const [batch, length] = inputIds.shape;
  const { device } = inputIds;
  const tokens = attentionMask ? attentionMask.ne(0) : inputMask?.eq(0);
  const rows = tokens && paddingMask(tokens);
  const order = permMask?.eq(0).unsqueeze(1);
  const inSegment = allOf([rows, order]);
  const remembered = full([batch, 1, inSegment?.shape[2] ?? 1, memory], 1, { dtype: "bool", device });
  const seen = inSegment && concat([remembered, inSegment], 3);
  const keys = arange(0, memory + length, 1, { device }).unsqueeze(0);
  const first = arange(0, length, 1, { device }).unsqueeze(1);
  // With `same_length` each query sees one key less at the beginning than the last, besides one more at the end.
  const causal = attn_type === "uni" ? notLater(length, memory + length, inputIds) : undefined;
  const window = causal && same_length ? causal.logicalAnd(keys.ge(first)) : causal;
  const allowed = allOf([seen, window?.reshape([1, 1, length, memory + length])]);
  const itself = keys.eq(first.add(memory));
  return { g: allowed, h: allowed?.logicalOr(itself) };
}

/** [B, 1, T, m + T]: whether query and key differ in segment; the memory's is 0. */
export function differentSegments(tokenTypeIds: Tensor, memory: number): Tensor {
  const ofKeys = tokenTypeIds.pad([memory, 0]);
  return tokenTypeIds.unsqueeze(2).ne(ofKeys.unsqueeze(1)).unsqueeze(1);
}

/** @throws ShapeError unless all inputs fit the ids [B, T]; ArgumentError for two masks of padding. */
export function checkInputs(inputIds: Tensor, inputs: XLNetInputs): void {
  if (inputIds.ndim !== 2)
    throw new ShapeError(`xlnet: input ids ${formatShape(inputIds.shape)}, wanted [B, T]`);
  const { attentionMask, inputMask, tokenTypeIds, permMask, targetMapping } = inputs;
  if (attentionMask && inputMask) {
    throw new ArgumentError("xlnet: attentionMask and inputMask say the same; give one of them");
  }
  const [batch, length] = inputIds.shape;
  const predictions = targetMapping?.shape[1] ?? 0;
  const wanted = [
    ["attentionMask", attentionMask, [batch, length]],
    ["inputMask", inputMask, [batch, length]],
    ["tokenTypeIds", tokenTypeIds, [batch, length]],
    ["permMask", permMask, [batch, length, length]],
    ["targetMapping", targetMapping, [batch, predictions, length]],
  ] as const;
  for (const [name, found, shape] of wanted) {
    if (found && !sameShape(found.shape, shape)) {
      throw new ShapeError(
        `xlnet: ${name} ${formatShape(found.shape)} does not fit input ids ${formatShape(inputIds.shape)}; ` +
          `wanted ${formatShape(shape)}`,
      );
    }
  }
}
