import { ArgumentError, ShapeError } from "../../graph/errors.ts";
import { formatShape } from "../../graph/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { LabelledMatrix } from "./heatmap.ts";
import type { HeatmapSection } from "./heatmapPage.ts";

/**
 * Attention patterns [B, H, Tq, Tk], a tensor a layer, of one sequence of a batch as labelled matrices: a section a layer,
 * a matrix a head.
 * @throws ShapeError or ArgumentError where the labels do not fit.
 */
export async function attentionMaps(
  layers: readonly Tensor[],
  labels: { readonly queries: readonly string[]; readonly keys?: readonly string[] },
  row = 0,
): Promise<readonly HeatmapSection[]> {
  const { queries, keys = queries } = labels;
  for (const { shape } of layers) {
    if (shape.length !== 4)
      throw new ShapeError(`attentionMaps: ${formatShape(shape)}, wanted [B, H, Tq, Tk]`);
    if (row >= shape[0] || shape[2] !== queries.length || shape[3] !== keys.length) {
      throw new ArgumentError(
        `attentionMaps: sequence ${row} of ${formatShape(shape)} with ${queries.length} queries and ${keys.length} keys`,
      );
    }
  }
  return Promise.all(
    layers.map(async (layer, i) => {
      const heads = (await layer.select(0, row).array()) as number[][][];
      const matrices = heads.map((values, head): LabelledMatrix => {
        const title = `layer ${i}, head ${head}`;
        return { title, values, rowLabels: queries, columnLabels: keys };
      });
      return { title: `Layer ${i}`, matrices };
    }),
  );
}

/** The mean of matrices of one shape, as one. @throws ArgumentError for none. */
export function meanMatrix(title: string, matrices: readonly LabelledMatrix[]): LabelledMatrix {
  const [first] = matrices;
  if (first === undefined) throw new ArgumentError(`${title}: the mean of no matrices`);
  const values = first.values.map((row, i) =>
    row.map((_, j) => matrices.reduce((sum, { values }) => sum + values[i][j], 0) / matrices.length),
  );
  return { ...first, title, values };
}
