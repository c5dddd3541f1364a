/** A region drawn on the globe, corner by corner. */

import { signal } from "@preact/signals";

import type { Position } from "../s2";
import { unwrapped } from "../sphere";
import type { Constraint } from "../state";
import type { Globe } from "./globe";
import { collection } from "./style";

const CLOSE_PIXELS = 14;

/** The corners so far; null if nothing is being drawn. */
export const corners = signal<Position[] | null>(null);

let finished: (region: Constraint) => void = () => undefined;

export function startDrawing(then: (region: Constraint) => void): void {
  finished = then;
  corners.value = [];
}

export function stopDrawing(): void {
  corners.value = null;
}

export function removeCorner(): void {
  corners.value = corners.value?.slice(0, -1) ?? null;
}

/** Closes the ring, if it has corners enough. */
export function closeRing(): void {
  const ring = corners.value;
  if (ring === null || ring.length < 3) return;
  corners.value = null;
  const line = unwrapped([...ring, ring[0]!]);
  // The server takes longitudes as they are on the Earth; it knows that a jump crosses the antimeridian.
  const coordinates = [[...ring, ring[0]!].map(([lon, lat]) => [rounded(lon), rounded(lat)])];
  finished({ label: "Drawn region", text: JSON.stringify({ type: "Polygon", coordinates }), line });
}

export function listenForCorners({ map }: Globe, show: (drawn: GeoJSON.FeatureCollection) => void): void {
  map.on("click", ({ lngLat, point }) => {
    const ring = corners.value;
    if (ring === null) return;
    const first = ring[0] && map.project(ring[0]);
    if (first && ring.length > 2 && first.dist(point) < CLOSE_PIXELS) closeRing();
    else corners.value = [...ring, [lngLat.wrap().lng, lngLat.lat]];
    map.doubleClickZoom[corners.value === null ? "enable" : "disable"]();
  });
  map.on("dblclick", () => {
    // Its two clicks have both put a corner here.
    removeCorner();
    closeRing();
  });
  corners.subscribe((ring) => {
    map.getCanvas().style.cursor = ring === null ? "" : "crosshair";
    show(collection(ring === null ? [] : drawn(ring)));
  });
}

function drawn(ring: Position[]): GeoJSON.Feature[] {
  const line = unwrapped(ring.length > 2 ? [...ring, ring[0]!] : ring);
  const dots = ring.map((position): GeoJSON.Feature => ({ type: "Feature", properties: {}, geometry: { type: "Point", coordinates: position } }));
  if (line.length < 2) return dots;
  return [...dots, { type: "Feature", properties: {}, geometry: { type: "LineString", coordinates: line } }];
}

function rounded(degrees: number): number {
  return Number(degrees.toFixed(5));
}
