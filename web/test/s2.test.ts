/** Against the library's own answers, which tests/browser/test_cells.py keeps true. */

import { expect, test } from "vitest";

import * as s2 from "../src/s2";
import golden from "./cells.json";

const NEAR = 9; // decimals of a degree

test.each(golden)("$token is the library's cell", ({ token, level, centre, area_km2, parents, outline }) => {
  const cell = s2.fromToken(token);
  expect(s2.toToken(cell)).toBe(token);
  expect(s2.levelOf(cell)).toBe(level);
  expect(s2.areaKm2(cell) / area_km2).toBeCloseTo(1, 6);
  parents.forEach((parent, k) => expect(s2.toToken(s2.parent(cell, k))).toBe(parent));
  s2.centre(cell).forEach((degrees, k) => expect(degrees).toBeCloseTo(centre[k]!, NEAR));
  const corners = s2.outlines(cell).flat();
  for (const [lon, lat] of outline as [number, number][]) {
    const nearest = Math.min(...corners.map((corner) => Math.hypot(turn(corner[0] - lon), corner[1] - lat)));
    if (Math.abs(lat) < 90 - 1e-9) expect(nearest).toBeLessThan(1e-9);
  }
});

test("children are cells of the next level inside their parent", () => {
  for (const { token, level } of golden.filter((one) => one.level < s2.MAX_LEVEL)) {
    const cell = s2.fromToken(token);
    for (const child of s2.children(cell)) {
      expect(s2.levelOf(child)).toBe(level + 1);
      expect(s2.parent(child, level)).toBe(cell);
    }
  }
});

test("no outline jumps around the Earth, not at 180 degrees and not at the poles", () => {
  const faces = [0n, 1n, 2n, 3n, 4n, 5n].map((face) => (face << 61n) | (1n << 60n));
  const coarse = faces.flatMap((face) => [face, ...s2.children(face), ...s2.children(face).flatMap(s2.children)]);
  for (const ring of coarse.flatMap(s2.outlines)) {
    expect(ring[0]).toEqual(ring.at(-1));
    for (const [k, [lon, lat]] of ring.slice(1).entries()) {
      const [before, at] = ring[k]!;
      const alongPole = Math.abs(lat) > 89.999 && Math.abs(at) > 89.999;
      if (!alongPole) expect(Math.abs(lon - before)).toBeLessThan(50);
    }
  }
});

test("the faces cover the Earth", () => {
  const sum = [0n, 1n, 2n, 3n, 4n, 5n].reduce((all, face) => all + s2.areaKm2((face << 61n) | (1n << 60n)), 0);
  expect(sum).toBeCloseTo(4 * Math.PI * 6371 ** 2, 0);
});

function turn(degrees: number): number {
  return degrees - 360 * Math.round(degrees / 360);
}
