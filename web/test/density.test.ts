import { expect, test } from "vitest";

import * as density from "../src/density";
import * as s2 from "../src/s2";

const CELLS = { tokens: ["5c069", "5c06f", "5c1", "47d"], probabilities: [0.4, 0.2, 0.1, 0.3] };

test("finer cells are summed, coarser ones stay", () => {
  const sums = density.summed(CELLS, 5);
  expect(sums.get(s2.parent(s2.fromToken("5c069"), 5))).toBeCloseTo(0.6);
  expect(sums.get(s2.fromToken("47d"))).toBeCloseTo(0.3);
  expect([...sums.values()].reduce((a, b) => a + b)).toBeCloseTo(1);
});

test("cells become finer as one comes closer, and never leave S2", () => {
  const levels = [20, 5, 1, 0.1].map(density.levelFor);
  expect(levels).toEqual([...levels].sort((a, b) => a - b));
  expect(density.levelFor(1e9)).toBe(0);
  expect(density.levelFor(1e-12)).toBe(s2.MAX_LEVEL);
});

test("the densest shines brightest, whatever its size, and the faintest is left out", () => {
  const cells = new Map([[s2.fromToken("5c069"), 0.5], [s2.fromToken("5c1"), 0.5], [s2.fromToken("9"), 1e-7]]);
  const lights = density.features(cells).features.map(({ properties }) => properties!.light as number);
  expect(lights).toHaveLength(2);
  expect(lights[0]).toBe(1);
  expect(lights[1]).toBeLessThan(1);
});

test("nothing is drawn of no cells", () => {
  expect(density.features(new Map()).features).toEqual([]);
});
