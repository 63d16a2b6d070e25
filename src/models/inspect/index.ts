/** Looking inside models: what their modules give on the way, as numbers and as pictures. */
export { attentionMaps, meanMatrix } from "./attentionMaps.ts";
export { type AttentionSection, type AttentionText, attentionSections } from "./attentionSections.ts";
export { heatmapText, type LabelledMatrix } from "./heatmap.ts";
export { type HeatmapSection, heatmapPage } from "./heatmapPage.ts";
export { type ActivationFilter, type CachedRun, runWithCache } from "./runWithCache.ts";
