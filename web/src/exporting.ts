/** The reviewed set as a file, made in the browser: the forms that `graticule locate` writes, with what was decided. */

import { placeOf, type Item } from "./state";
import type { Answer, Detail } from "./types";

export type Format = "jsonl" | "csv" | "geojson";

/** Keys of the page's own, which no file of `graticule locate` has. */
const OF_THE_PAGE = ["circles_km", "cells", "cells_left", "regions", "coarse_to_fine", "neighbours", "index", "review"] as const;

const COLUMNS = [
  "path", "latitude", "longitude", "radius_km", "probability", "cell", "place", "model", "review", "note", "not_sure",
  "error_type", "error",
] as const;

export function exported(items: readonly Item[], format: Format): string {
  const done = items.filter((item) => item.answer !== null || item.problem !== null);
  if (format === "jsonl") return done.map((item) => `${JSON.stringify(line(item))}\n`).join("");
  if (format === "csv") return [COLUMNS.join(","), ...done.map(row)].map((text) => `${text}\n`).join("");
  return `${JSON.stringify({ type: "FeatureCollection", features: done.map(feature) })}\n`;
}

/** A line of `graticule locate`, with "review" where a person has looked. */
export function line(item: Item): Record<string, unknown> {
  const review = item.review === null ? {} : { review: item.review };
  if (item.answer === null) return { path: item.name, error: item.problem };
  const answer: Partial<Answer & Detail> & Record<string, unknown> = { ...item.answer, path: item.name };
  for (const key of OF_THE_PAGE) delete answer[key];
  return { ...answer, ...review };
}

/** As a spreadsheet wants it: where it is after review, and no place where it was rejected or is not sure. */
function row(item: Item): string {
  const { answer, review } = item;
  const place = certain(item);
  const best = answer?.candidates[0];
  const doubt = answer?.not_sure && review === null ? `${Math.round(100 * answer.not_sure.probability)} % within ${answer.not_sure.within_km} km` : "";
  const values = {
    path: item.name,
    latitude: place?.latitude,
    longitude: place?.longitude,
    radius_km: place && review?.status !== "moved" ? answer?.radius_km : undefined,
    probability: best?.probability,
    cell: best?.cell,
    place: answer?.place?.text,
    model: answer?.model,
    review: review?.status,
    note: review?.note,
    not_sure: doubt,
    error_type: item.problem?.type,
    error: item.problem?.message,
  };
  return COLUMNS.map((column) => quoted(values[column])).join(",");
}

function feature(item: Item): GeoJSON.Feature<GeoJSON.Point | null> {
  const place = certain(item);
  return {
    type: "Feature",
    geometry: place && { type: "Point", coordinates: [place.longitude, place.latitude] },
    properties: line(item),
  };
}

function certain(item: Item): { latitude: number; longitude: number } | null {
  if (item.review?.status === "rejected") return null;
  if (item.answer?.not_sure && item.review === null) return null;
  return placeOf(item);
}

function quoted(value: string | number | undefined): string {
  const text = String(value ?? "");
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
