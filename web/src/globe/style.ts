/** The look of the globe: sources, layers, and the colours of each theme. Nothing here is loaded from elsewhere. */

import type { ExpressionSpecification, LayerSpecification, StyleSpecification } from "maplibre-gl";

import world from "../../generated/world.json?url";
import type { Theme } from "../theme";

interface Palette {
  sea: string;
  land: string;
  coast: string;
  border: string;
  lines: string;
  name: string;
  halo: string;
  ink: string;
  estimate: string;
  neighbour: string;
  sky: string;
  /** From the least dense that is drawn to the densest: lightness runs one way, so that no hue need be told apart. */
  ramp: readonly [string, string, string, string, string];
}

export const PALETTES: Record<Theme, Palette> = {
  dark: {
    sea: "#16263f", land: "#31435f", coast: "#6079a0", border: "#50658a", lines: "#22344f", name: "#a9b7cd",
    halo: "#1d2940", ink: "#f5f7fb", estimate: "#ffb000", neighbour: "#56b4e9", sky: "#3d5a8a",
    ramp: ["#4b2467", "#8a2a6b", "#cf4a52", "#f5943b", "#fff0b3"],
  },
  light: {
    sea: "#d3dfec", land: "#f8f6f0", coast: "#8ea3bb", border: "#bcc6d3", lines: "#c3d1e1", name: "#516177",
    halo: "#f8f6f0", ink: "#17202e", estimate: "#b04a00", neighbour: "#0068a8", sky: "#ffffff",
    ramp: ["#fbd88f", "#f39a4a", "#d5505a", "#8b1f6d", "#3a0b45"],
  },
};

/** Sources whose data follows the state of the page. */
export const LIVE = ["cells", "regions", "circle", "within", "steps", "dots", "others", "pointed", "drawn"] as const;
export type Live = (typeof LIVE)[number];

export function styleOf(theme: Theme): StyleSpecification {
  const { sky } = PALETTES[theme];
  const live = LIVE.map((name) => [name, { type: "geojson" as const, data: collection([]) }]);
  return {
    version: 8,
    projection: { type: "globe" },
    sky: { "sky-color": sky, "horizon-color": sky, "atmosphere-blend": ["interpolate", ["linear"], ["zoom"], 0, 0.35, 5, 0] },
    light: { anchor: "viewport", position: [1.5, 0, 0] },
    sources: {
      world: { type: "geojson", data: new URL(world, location.href).href, attribution: "Outlines: Natural Earth. Towns: GeoNames" },
      graticule: { type: "geojson", data: graticule(15) },
      ...Object.fromEntries(live),
    },
    layers: layersOf(theme),
  };
}

export function layersOf(theme: Theme): LayerSpecification[] {
  const p = PALETTES[theme];
  const [r0, r1, r2, r3, r4] = p.ramp;
  const light: ExpressionSpecification = ["get", "light"];
  const colour: ExpressionSpecification = ["interpolate", ["linear"], light, 0, r0, 0.25, r1, 0.5, r2, 0.75, r3, 1, r4];
  const kind = (name: string): ExpressionSpecification => ["==", ["get", "kind"], name];
  return [
    { id: "sea", type: "background", paint: { "background-color": p.sea } },
    { id: "land", type: "fill", source: "world", filter: kind("land"), paint: { "fill-color": p.land, "fill-antialias": false } },
    { id: "graticule", type: "line", source: "graticule", paint: { "line-color": p.lines, "line-width": 0.8 } },
    {
      id: "cells", type: "fill", source: "cells",
      paint: { "fill-color": colour, "fill-opacity": ["interpolate", ["linear"], light, 0, 0.3, 0.5, 0.7, 1, 0.88], "fill-antialias": false },
    },
    { id: "borders", type: "line", source: "world", filter: kind("border"), paint: { "line-color": p.border, "line-width": 0.8 } },
    { id: "coasts", type: "line", source: "world", filter: kind("coast"), paint: { "line-color": p.coast, "line-width": 0.8 } },
    {
      id: "cell-lines", type: "line", source: "cells",
      paint: { "line-color": colour, "line-opacity": 0.5, "line-width": 0.5 },
    },
    {
      id: "regions", type: "line", source: "regions", layout: { "line-join": "round" },
      paint: {
        "line-color": p.ink, "line-width": ["case", ["==", ["get", "mass"], 0.5], 2, 1.3],
        "line-opacity": ["case", ["get", "asked"], 0.95, 0.55],
      },
    },
    { id: "within", type: "line", source: "within", paint: { "line-color": p.neighbour, "line-width": 2, "line-dasharray": [3, 2] } },
    { id: "circle", type: "line", source: "circle", paint: { "line-color": p.estimate, "line-width": 1.6, "line-dasharray": [4, 2.5] } },
    {
      id: "steps", type: "line", source: "steps", layout: { "line-join": "round" },
      paint: { "line-color": p.estimate, "line-width": ["case", ["get", "here"], 3, 1.2], "line-opacity": ["case", ["get", "here"], 1, 0.6] },
    },
    {
      id: "others", type: "circle", source: "others",
      paint: { "circle-radius": 4, "circle-color": p.estimate, "circle-opacity": 0.45, "circle-stroke-color": p.halo, "circle-stroke-width": 1 },
    },
    {
      id: "dots", type: "circle", source: "dots",
      paint: {
        "circle-radius": ["case", ["==", ["get", "kind"], "candidate"], 4.5, 5.5],
        "circle-color": ["case", ["==", ["get", "kind"], "candidate"], p.ink, p.neighbour],
        "circle-stroke-color": p.halo, "circle-stroke-width": 1.5,
      },
    },
    {
      id: "pointed", type: "line", source: "pointed", layout: { "line-join": "round" },
      paint: { "line-color": p.ink, "line-width": 2.5 },
    },
    { id: "drawn", type: "line", source: "drawn", paint: { "line-color": p.neighbour, "line-width": 2 } },
    {
      id: "corners", type: "circle", source: "drawn", filter: ["==", ["geometry-type"], "Point"],
      paint: { "circle-radius": 5, "circle-color": p.neighbour, "circle-stroke-color": p.halo, "circle-stroke-width": 1.5 },
    },
    {
      id: "oceans", type: "symbol", source: "world", filter: kind("ocean"), maxzoom: 4,
      layout: { "text-field": ["get", "name"], "text-font": ["Georgia, serif"], "text-size": 13, "text-letter-spacing": 0.12, "text-max-width": 6 },
      paint: { "text-color": p.coast, "text-halo-color": p.sea, "text-halo-width": 1 },
    },
    {
      // From afar only the names of large countries.
      id: "countries", type: "symbol", source: "world",
      filter: ["all", kind("country"), [">=", ["get", "size"], ["step", ["zoom"], 25, 2.6, 6, 3.6, 1, 4.6, 0]]],
      layout: {
        "text-field": ["get", "name"], "text-font": ["system-ui, sans-serif"], "text-max-width": 7, "text-padding": 8,
        "text-size": ["interpolate", ["linear"], ["ln", ["max", 1, ["get", "size"]]], 0, 11, 6.6, 14],
        "symbol-sort-key": ["-", ["get", "size"]],
      },
      paint: { "text-color": p.name, "text-halo-color": p.halo, "text-halo-width": 1.3 },
    },
  ];
}

/** Meridians and parallels: the graticule. */
function graticule(everyDeg: number): GeoJSON.FeatureCollection {
  const range = (from: number, to: number, by: number) => Array.from({ length: (to - from) / by + 1 }, (_, k) => from + by * k);
  const meridians = range(-180, 180 - everyDeg, everyDeg).map((lon) => range(-85, 85, 5).map((lat) => [lon, lat]));
  const parallels = range(-75, 75, everyDeg).map((lat) => range(-180, 180, 5).map((lon) => [lon, lat]));
  return collection([
    { type: "Feature", properties: {}, geometry: { type: "MultiLineString", coordinates: [...meridians, ...parallels] } },
  ]);
}

export function collection(features: GeoJSON.Feature[]): GeoJSON.FeatureCollection {
  return { type: "FeatureCollection", features };
}
