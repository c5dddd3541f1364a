/** Lines on the sphere, and how much of it a screen shows. */

import type { Position } from "./s2";

const EARTH_RADIUS_KM = 6371;
const AROUND_KM = 2 * Math.PI * EARTH_RADIUS_KM;
const TILE_PIXELS = 512;
const RADIANS = Math.PI / 180;

/** The closed line at a distance around a place; longitudes run on past 180. */
export function circle(latitude: number, longitude: number, km: number, corners = 180): Position[] {
  const far = km / EARTH_RADIUS_KM;
  const [lat0, sin, cos] = [latitude * RADIANS, Math.sin, Math.cos];
  let before = longitude;
  return Array.from({ length: corners + 1 }, (_, k) => {
    const bearing = (2 * Math.PI * k) / corners;
    const lat = Math.asin(sin(lat0) * cos(far) + cos(lat0) * sin(far) * cos(bearing));
    const turned = Math.atan2(sin(bearing) * sin(far) * cos(lat0), cos(far) - sin(lat0) * sin(lat));
    before = near(longitude + turned / RADIANS, before);
    return [before, lat / RADIANS];
  });
}

/** The closed line around a box in degrees; with west greater than east it crosses the antimeridian. */
export function box(south: number, west: number, north: number, east: number): Position[] {
  const end = east > west ? east : east + 360;
  const steps = Array.from({ length: 33 }, (_, k) => west + ((end - west) * k) / 32);
  return [
    ...steps.map((lon): Position => [lon, south]),
    ...steps.toReversed().map((lon): Position => [lon, north]),
    [west, south],
  ];
}

/** The same line with each longitude within half a turn of the one before. */
export function unwrapped(line: Position[]): Position[] {
  let before = line[0]?.[0] ?? 0;
  return line.map(([lon, lat]) => [(before = near(lon, before)), lat]);
}

/** How far two places are apart, in degrees. */
export function angle([lon0, lat0]: Position, [lon1, lat1]: Position): number {
  const [a, b] = [lat0 * RADIANS, lat1 * RADIANS];
  const half = Math.sin((b - a) / 2) ** 2 + Math.cos(a) * Math.cos(b) * Math.sin(((lon1 - lon0) * RADIANS) / 2) ** 2;
  return (2 * Math.asin(Math.min(1, Math.sqrt(half)))) / RADIANS;
}

/** Kilometres a pixel at the middle of the map. */
export function kmPerPixel(zoom: number, latitude: number): number {
  return (AROUND_KM * Math.cos(latitude * RADIANS)) / (TILE_PIXELS * 2 ** zoom);
}

/** The zoom at which so many kilometres span so many pixels. */
export function zoomFor(km: number, pixels: number, latitude: number): number {
  return Math.log2((pixels * AROUND_KM * Math.max(0.05, Math.cos(latitude * RADIANS))) / (TILE_PIXELS * km));
}

/** The zoom at which the whole globe spans so many pixels. */
export function zoomForGlobe(pixels: number): number {
  return Math.log2((Math.PI * pixels) / TILE_PIXELS);
}

function near(lon: number, other: number): number {
  return lon - 360 * Math.round((lon - other) / 360);
}
