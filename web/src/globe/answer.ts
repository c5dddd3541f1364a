/** Draws on the globe what the page knows: the answer looked at, and the other pictures as faint dots. */

import { computed, effect } from "@preact/signals";

import * as density from "../density";
import * as s2 from "../s2";
import { circle } from "../sphere";
import {
  circleOf, constraints, items, placeOf, pointedAt, select, selected, selectedId, step, underPointer, view, type Item, type View,
} from "../state";
import { formatKm, formatShare } from "../notation";
import { theme } from "../theme";
import type { Detail } from "../types";
import type { Globe } from "./globe";
import { collection } from "./style";

const AROUND = 1.6; // how much more than the circle is shown, so that coasts and borders tell where it is
const SMALLEST_VIEW_KM = 300;
const LARGEST_CIRCLE_KM = 6000; // larger ones go around the far side, and say nothing

export function drawState(globe: Globe): void {
  const level = () => density.levelFor(globe.kmPerPixel());
  let drawnLevel = level();
  const detail = computed(() => selected.value?.detail ?? null);
  const drawCells = () => globe.setData("cells", cellsOf(detail.value, (drawnLevel = level())));
  effect(drawCells);
  globe.map.on("zoom", () => level() !== drawnLevel && drawCells());
  effect(() => globe.setData("regions", regions()));
  effect(() => globe.setData("circle", estimateCircle()));
  effect(() => globe.setData("within", collection(constraints.value.flatMap(({ line }) => (line ? [lineOf(line)] : [])))));
  effect(() => globe.setData("steps", steps()));
  effect(() => globe.setData("dots", dots()));
  effect(() => globe.setData("others", others()));
  effect(() => globe.setData("pointed", pointed()));
  effect(() => globe.recolour(theme.value));
  follow(globe);
  listen(globe);
}

/** Moves the camera: to a new answer, along the steps, and to what is pointed at. */
function follow(globe: Globe): void {
  // A decision, or more detail, is no reason to fly; another circle of the same picture is.
  const sight = computed(() => {
    const answer = selected.value?.answer;
    return answer ? JSON.stringify(circleOf(answer)) : selectedId.value === null ? "world" : "";
  });
  effect(() => {
    if (sight.value === "world") globe.showWorld();
    else if (sight.value !== "") {
      const circle = circleOf(selected.peek()!.answer!);
      globe.lookAt(circle, inSight(circle.radius_km));
    }
  });
  effect(() => {
    const detail = selected.peek()?.detail;
    if (view.value === "steps") {
      const here = detail?.coarse_to_fine[step.value];
      if (here) globe.lookAt(here, 0.8 * Math.sqrt(s2.areaKm2(s2.fromToken(here.cell))));
    } else if (detail) globe.lookAt(circleOf(selected.peek()!.answer!), reachKm(view.value, selected.peek()!));
  });
  effect(() => {
    if (pointedAt.value) globe.bringIntoSight(pointedAt.value);
  });
}

/** How far one must see around the estimate for what a view is about. */
function reachKm(shown: View, item: Item): number {
  const { radius_km } = circleOf(item.answer!);
  if (shown !== "neighbours") return inSight(radius_km);
  const far = item.detail!.neighbours.map(({ km }) => km).sort((a, b) => a - b);
  return inSight(Math.max(radius_km, far[far.length >> 1] ?? 0));
}

function inSight(km: number): number {
  return Math.min(LARGEST_CIRCLE_KM, Math.max(SMALLEST_VIEW_KM, AROUND * km));
}

function listen({ map }: Globe): void {
  map.on("mousemove", "cells", ({ features }) => {
    const { probability, km } = (features?.[0]?.properties ?? {}) as { probability: number; km: number };
    underPointer.value = `${formatShare(probability)} in this cell, ${formatKm(km)} wide`;
  });
  map.on("mouseleave", "cells", () => (underPointer.value = null));
  map.on("click", "others", ({ features }) => select(Number(features?.[0]?.properties.id)));
  map.on("mouseenter", "others", () => (map.getCanvas().style.cursor = "pointer"));
  map.on("mouseleave", "others", () => (map.getCanvas().style.cursor = ""));
}

function cellsOf(detail: Detail | null, level: number): GeoJSON.FeatureCollection {
  return detail === null ? collection([]) : density.features(density.summed(detail.cells, level));
}

function regions(): GeoJSON.FeatureCollection {
  const found = selected.value?.detail?.regions ?? [];
  const asked = view.value === "regions";
  return collection(found.map(({ mass, geometry }) => ({ type: "Feature", properties: { mass, asked }, geometry: withoutCuts(geometry) })));
}

/** Rings as lines, without the sides along 180 degrees and the poles where RFC 7946 cuts polygons. */
function withoutCuts({ coordinates }: GeoJSON.MultiPolygon): GeoJSON.MultiLineString {
  const isCut = (a: GeoJSON.Position, b: GeoJSON.Position) =>
    (Math.abs(a[0]!) === 180 && a[0] === b[0]) || (Math.abs(a[1]!) > 89.99 && Math.abs(b[1]!) > 89.99);
  const lines: GeoJSON.Position[][] = [];
  for (const ring of coordinates.flat()) {
    let line: GeoJSON.Position[] = [ring[0]!];
    for (const [k, corner] of ring.slice(1).entries()) {
      if (isCut(ring[k]!, corner)) {
        lines.push(line);
        line = [];
      }
      line.push(corner);
    }
    lines.push(line);
  }
  return { type: "MultiLineString", coordinates: lines.filter((line) => line.length > 1) };
}

function estimateCircle(): GeoJSON.FeatureCollection {
  const item = selected.value;
  if (!item?.answer || item.review?.status === "moved") return collection([]);
  const { latitude, longitude, radius_km } = circleOf(item.answer);
  return collection(radius_km > LARGEST_CIRCLE_KM ? [] : [lineOf(circle(latitude, longitude, radius_km))]);
}

function steps(): GeoJSON.FeatureCollection {
  const way = view.value === "steps" ? (selected.value?.detail?.coarse_to_fine ?? []) : [];
  return collection(way.slice(0, step.value + 1).map(({ cell }, k) => outlineOf(cell, { here: k === step.value })));
}

function dots(): GeoJSON.FeatureCollection {
  const item = selected.value;
  if (view.value === "neighbours") return collection((item?.detail?.neighbours ?? []).map((one) => pointOf(one, { kind: "neighbour" })));
  if (view.value === "candidates") return collection((item?.answer?.candidates ?? []).map((one) => pointOf(one, { kind: "candidate" })));
  return collection([]);
}

function others(): GeoJSON.FeatureCollection {
  const places = items.value.flatMap((item) => {
    const place = item.id === selectedId.value || item.review?.status === "rejected" ? null : placeOf(item);
    return place ? [pointOf(place, { id: item.id })] : [];
  });
  return collection(places);
}

function pointed(): GeoJSON.FeatureCollection {
  const there = pointedAt.value;
  if (there === null) return collection([]);
  return collection([there.cell ? outlineOf(there.cell) : lineOf(circle(there.latitude, there.longitude, 60, 48))]);
}

function outlineOf(token: string, properties: GeoJSON.GeoJsonProperties = {}): GeoJSON.Feature {
  const coordinates = s2.outlines(s2.fromToken(token));
  return { type: "Feature", properties, geometry: { type: "MultiLineString", coordinates } };
}

function pointOf(place: { latitude: number; longitude: number }, properties: GeoJSON.GeoJsonProperties): GeoJSON.Feature {
  return { type: "Feature", properties, geometry: { type: "Point", coordinates: [place.longitude, place.latitude] } };
}

function lineOf(coordinates: GeoJSON.Position[]): GeoJSON.Feature {
  return { type: "Feature", properties: {}, geometry: { type: "LineString", coordinates } };
}
