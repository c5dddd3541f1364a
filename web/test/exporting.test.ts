import { expect, test } from "vitest";

import { exported } from "../src/exporting";
import type { Item } from "../src/state";
import type { Answer } from "../src/types";

const ANSWER: Answer = {
  path: "a.jpg", latitude: -22.5, longitude: -68.9, radius_km: 210, model: "orbit",
  candidates: [{ latitude: -22.4, longitude: -68.8, probability: 0.4, cell: "96a" }],
};

function item(patch: Partial<Item>): Item {
  return {
    id: 0, name: "a.jpg", file: null, index: null, status: "answered", answer: ANSWER, detail: null, problem: null, review: null, ...patch,
  };
}

const ITEMS = [
  item({ review: { status: "moved", latitude: -20, longitude: -70, note: 'a "quay", later' } }),
  item({ name: "b.jpg", review: { status: "rejected" } }),
  item({ name: "c.jpg", answer: null, problem: { type: "PictureError", message: "c.jpg: is no picture" } }),
  item({ name: "d.jpg" }),
];

test("a line is the answer's own, with the review where there is one", () => {
  const lines = exported(ITEMS, "jsonl").trimEnd().split("\n").map((line) => JSON.parse(line));
  expect(lines[0]).toEqual({ ...ANSWER, review: ITEMS[0]!.review });
  expect(lines[2]).toEqual({ path: "c.jpg", error: { type: "PictureError", message: "c.jpg: is no picture" } });
  expect(lines[3]).not.toHaveProperty("review");
});

test("what only the map needs is left out", () => {
  const detailed = { ...ANSWER, cells: { tokens: ["9"], probabilities: [1] }, regions: [] } as Answer;
  expect(JSON.parse(exported([item({ answer: detailed })], "jsonl"))).toEqual(ANSWER);
});

test("a table has the place after review, none for what was rejected, and quotes what needs it", () => {
  const rows = exported(ITEMS, "csv").trimEnd().split("\n");
  expect(rows[0]).toMatch(/^path,latitude,longitude,/);
  expect(rows[1]).toMatch(/^a\.jpg,-20,-70,,/);
  expect(rows[1]).toContain('"a ""quay"", later"');
  expect(rows[2]).toMatch(/^b\.jpg,,,,/);
  expect(rows[4]).toMatch(/^d\.jpg,-22\.5,-68\.9,210,/);
});

test("GeoJSON has longitude first, and no point without a place", () => {
  const { features } = JSON.parse(exported(ITEMS, "geojson"));
  expect(features[0].geometry).toEqual({ type: "Point", coordinates: [-70, -20] });
  expect(features[1].geometry).toBeNull();
  expect(features[3].geometry.coordinates).toEqual([-68.9, -22.5]);
});

test("an answer that is not sure has no place until a person says so", () => {
  const { latitude, longitude, radius_km, ...rest } = ANSWER as Required<Answer>;
  const circle = { latitude, longitude, radius_km };
  const unsure: Answer = { ...rest, not_sure: { probability: 0.2, asked: 0.5, within_km: 100, circle } };
  const [doubted, confirmed] = JSON.parse(
    exported([item({ answer: unsure }), item({ answer: unsure, review: { status: "confirmed" } })], "geojson"),
  ).features;
  expect(doubted.geometry).toBeNull();
  expect(confirmed.geometry.coordinates).toEqual([longitude, latitude]);
});
