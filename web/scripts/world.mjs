// Outlines of the world for the map, from Natural Earth at 1:50 million as the npm package world-atlas has them:
// land, coasts, borders, and a point for each country's name. Written to generated/world.json as one GeoJSON file.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { mesh, feature } from "topojson-client";
import { presimplify } from "topojson-simplify";

const SMALLEST_TRIANGLE_DEG2 = 0.004; // corners that stand out by less are left out: a few kilometres
const FEWEST_CORNERS = 6; // of a ring of its own, so that no island is lost
const DECIMALS = 2;

const OCEANS = [
  ["Pacific Ocean", -150, 5], ["Pacific Ocean", 165, 20], ["Atlantic Ocean", -40, 28], ["Atlantic Ocean", -16, -22],
  ["Indian Ocean", 80, -18], ["Southern Ocean", 60, -60], ["Arctic Ocean", -160, 79],
];

const topology = JSON.parse(readFileSync(new URL(import.meta.resolve("world-atlas/countries-50m.json")), "utf-8"));
simplify(topology);

const { countries, land } = topology.objects;
const features = [
  shape("land", { type: "MultiPolygon", coordinates: polygons(feature(topology, land).features[0].geometry) }),
  shape("coast", lines(mesh(topology, countries, (a, b) => a === b))),
  shape("border", lines(mesh(topology, countries, (a, b) => a !== b))),
  ...feature(topology, countries).features.map(countryName).filter(Boolean),
  ...OCEANS.map(([name, lon, lat]) => shape("ocean", { type: "Point", coordinates: [lon, lat] }, { name })),
];

mkdirSync("generated", { recursive: true });
const text = JSON.stringify({ type: "FeatureCollection", features }, (_, value) =>
  typeof value === "number" ? Number(value.toFixed(DECIMALS)) : value,
);
writeFileSync("generated/world.json", text);
console.log(`generated/world.json: ${(text.length / 1000).toFixed(0)} kB`);

function shape(kind, geometry, properties = {}) {
  return { type: "Feature", properties: { kind, ...properties }, geometry };
}

/** Leaves out corners of arcs that hardly stand out, and turns the arcs into degrees. */
function simplify(topology) {
  topology.arcs = presimplify(topology).arcs.map((arc) => {
    const ring = arc[0][0] === arc.at(-1)[0] && arc[0][1] === arc.at(-1)[1];
    const weights = arc.map((corner) => corner[2]).sort((a, b) => b - a);
    const least = ring ? Math.min(SMALLEST_TRIANGLE_DEG2, weights[Math.min(FEWEST_CORNERS, arc.length) - 1]) : SMALLEST_TRIANGLE_DEG2;
    return arc.filter((corner) => corner[2] >= least).map(([lon, lat]) => [lon, lat]);
  });
  delete topology.transform; // presimplify has applied it
}

/** Polygons that run on past 180 degrees instead of jumping to -180. */
function polygons({ type, coordinates }) {
  const all = type === "Polygon" ? [coordinates] : coordinates;
  // The file closes Antarctica by rings on and about the pole, which are no holes in the land.
  return all.map((rings) => rings.filter((ring) => ring.some(([, lat]) => lat > -89.9)).map(toPole)).filter((rings) => rings.length);
}

/** A ring that goes once around the Earth goes down to the pole, and back along the map's edge. */
function toPole(ring) {
  const line = unwrapped(ring);
  const [start, end] = [line[0], line.at(-1)];
  return Math.abs(end[0] - start[0]) > 180 ? [...line, [end[0], -90], [start[0], -90], start] : line;
}

/** Lines that run on past 180 degrees, without the pole. */
function lines({ coordinates }) {
  return { type: "MultiLineString", coordinates: coordinates.map(unwrapped).filter((line) => line.some(([, lat]) => lat > -89.9)) };
}

function unwrapped(line) {
  let before = line[0][0];
  return line.map(([lon, lat]) => [(before = lon - 360 * Math.round((lon - before) / 360)), lat]);
}

/** A country's name at the middle of its largest part; `size` is that part's area in square degrees at the equator. */
function countryName({ properties, geometry }) {
  if (!geometry || !properties.name) return null;
  const sized = polygons(geometry).map(([outer]) => ({ outer, ...middle(outer) })).sort((a, b) => b.size - a.size);
  const { outer, point, size } = sized[0];
  const coordinates = holds(outer, point) ? point : acrossTheMiddle(outer, point[1]);
  return shape("country", { type: "Point", coordinates }, { name: properties.name, size: size || 0 });
}

/** Centroid and area of a ring, narrowed by the cosine of its latitude. */
function middle(ring) {
  let [area, x, y] = [0, 0, 0];
  for (let k = 1; k < ring.length; k++) {
    const cross = ring[k - 1][0] * ring[k][1] - ring[k][0] * ring[k - 1][1];
    area += cross / 2;
    x += (ring[k - 1][0] + ring[k][0]) * cross;
    y += (ring[k - 1][1] + ring[k][1]) * cross;
  }
  const point = area ? [x / (6 * area), y / (6 * area)] : ring[0]; // a rock may be a line here
  return { point, size: Math.abs(area) * Math.cos((point[1] * Math.PI) / 180) };
}

/** The middle of the widest stretch of a ring at a latitude. */
function acrossTheMiddle(ring, lat) {
  const crossings = ring
    .slice(1)
    .flatMap(([lon1, lat1], k) => {
      const [lon0, lat0] = ring[k];
      return lat0 > lat === lat1 > lat ? [] : [lon0 + ((lon1 - lon0) * (lat - lat0)) / (lat1 - lat0)];
    })
    .sort((a, b) => a - b);
  const stretches = crossings.flatMap((west, k) => (k % 2 ? [] : [[west, crossings[k + 1]]]));
  if (!stretches.length) return ring[0]; // a rock of a few corners
  const [west, east] = stretches.sort((a, b) => b[1] - b[0] - (a[1] - a[0]))[0];
  return [(west + east) / 2, lat];
}

function holds(ring, [lon, lat]) {
  const crossed = ring.slice(1).filter(([lon1, lat1], k) => {
    const [lon0, lat0] = ring[k];
    return lat0 > lat !== lat1 > lat && lon < lon0 + ((lon1 - lon0) * (lat - lat0)) / (lat1 - lat0);
  });
  return crossed.length % 2 === 1;
}
