/** Probability over the Earth as cells to draw: as fine as the zoom deserves, coloured by density. */

import * as s2 from "./s2";
import type { Cells } from "./types";

const PIXELS_A_CELL = 18;
const FACE_EDGE_KM = 9220;
const DECADES = 4;
/** What is less dense than this share of the densest is not drawn, so that the sea stays the sea. */
export const FAINTEST = 10 ** -DECADES;

/** The level whose cells are about `PIXELS_A_CELL` wide on the screen. */
export function levelFor(kmPerPixel: number): number {
  const level = Math.round(Math.log2(FACE_EDGE_KM / (PIXELS_A_CELL * kmPerPixel)));
  return Math.min(s2.MAX_LEVEL, Math.max(0, level));
}

/** Disjoint cells of mixed levels with nothing finer than a level: finer ones are summed. */
export function summed(cells: Cells, level: number): Map<s2.Cell, number> {
  const sums = new Map<s2.Cell, number>();
  cells.tokens.forEach((token, k) => {
    const cell = s2.fromToken(token);
    const shown = s2.levelOf(cell) > level ? s2.parent(cell, level) : cell;
    sums.set(shown, (sums.get(shown) ?? 0) + cells.probabilities[k]!);
  });
  return sums;
}

/**
 * GeoJSON of cells: `light` is 1 for the densest and falls by a quarter for each tenth of its density;
 * `probability` is the cell's own.
 */
export function features(cells: Map<s2.Cell, number>): GeoJSON.FeatureCollection {
  const found = [...cells].map(([cell, probability]) => ({ cell, probability, density: probability / s2.areaKm2(cell) }));
  const densest = Math.max(...found.map(({ density }) => density));
  return {
    type: "FeatureCollection",
    features: found
      .filter(({ density }) => density > densest * FAINTEST)
      .map(({ cell, probability, density }) => ({
        type: "Feature",
        properties: { probability, light: 1 + Math.log10(density / densest) / DECADES, km: Math.sqrt(s2.areaKm2(cell)) },
        geometry: { type: "MultiPolygon", coordinates: s2.outlines(cell).map((ring) => [ring]) },
      })),
  };
}
