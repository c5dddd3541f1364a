/**
 * S2 cells: tokens, levels, parents, outlines and areas.
 *
 * S2 splits each of a cube's six faces into four, thirty times, and numbers the cells along a Hilbert curve. An id has
 * three bits for the face, two for each level, a one bit, then zeros. The same as `graticule.earth.s2`, against whose
 * answers it is tested.
 */

export type Cell = bigint;

/** Longitude and latitude in degrees, GeoJSON's order; longitudes may run past 180 so that outlines are continuous. */
export type Position = [number, number];

export const MAX_LEVEL = 30;
const EARTH_RADIUS_KM = 6371;
const DEGREES = 180 / Math.PI;

// For a square of each orientation: which child (2 i + j) is visited at each of the four positions, and how the child at
// each position is turned relative to its parent.
const VISITS = [
  [0, 1, 3, 2],
  [0, 2, 3, 1],
  [3, 2, 0, 1],
  [3, 1, 0, 2],
] as const;
const TURNS = [1, 0, 0, 3] as const;

// Seen from each face: the axes x, y, z and their signs, outwards, then along u, then along v.
const AXES = [[0, 1, 2], [1, 0, 2], [2, 0, 1], [0, 2, 1], [1, 2, 0], [2, 1, 0]] as const;
const SIGNS = [[1, 1, 1], [1, -1, 1], [1, -1, -1], [-1, -1, -1], [-1, -1, 1], [-1, 1, 1]] as const;

/** The id of a token: hexadecimal without its trailing zeros. */
export function fromToken(token: string): Cell {
  return BigInt(`0x${token.padEnd(16, "0")}`);
}

export function toToken(cell: Cell): string {
  return cell.toString(16).padStart(16, "0").replace(/0+$/, "");
}

/** 0, a face of the cube, to 30, about a centimetre. */
export function levelOf(cell: Cell): number {
  return MAX_LEVEL - ((lastBit(cell).toString(2).length - 1) >> 1);
}

/** The cell of a coarser level, or its own, that holds a cell. */
export function parent(cell: Cell, level: number): Cell {
  const last = 1n << BigInt(2 * (MAX_LEVEL - level));
  return (cell & BigInt.asUintN(64, -last)) | last;
}

export function children(cell: Cell): Cell[] {
  const step = lastBit(cell) >> 2n;
  return [-3n, -1n, 1n, 3n].map((turn) => cell + turn * step);
}

export function centre(cell: Cell): Position {
  const { face, i, j, level } = square(cell);
  return onEarth(face, (i + 0.5) / 2 ** level, (j + 0.5) / 2 ** level);
}

/**
 * The closed rings of a cell, counterclockwise, with points along its bent sides. One ring, but for the two faces that hold a
 * pole, which no ring in longitude and latitude can go around: these come as their four children.
 */
export function outlines(cell: Cell): Position[][] {
  const level = levelOf(cell);
  const face = Number(cell >> 61n);
  return level === 0 && (face === 2 || face === 5) ? children(cell).map(outline) : [outline(cell)];
}

/** Area on a sphere of 6371 km. */
export function areaKm2(cell: Cell): number {
  const { i, j, level } = square(cell);
  const size = 2 ** level;
  const [u0, u, u1] = [i / size, (i + 0.5) / size, (i + 1) / size].map(bent) as [number, number, number];
  const [v0, v, v1] = [j / size, (j + 0.5) / size, (j + 1) / size].map(bent) as [number, number, number];
  // The exact difference loses its digits in small cells.
  const solidAngle =
    level > 10
      ? (u1 - u0) * (v1 - v0) * (1 + u * u + v * v) ** -1.5
      : corner(u1, v1) - corner(u0, v1) - corner(u1, v0) + corner(u0, v0);
  return EARTH_RADIUS_KM ** 2 * solidAngle;
}

function outline(cell: Cell): Position[] {
  const { face, i, j, level } = square(cell);
  const size = 2 ** level;
  const pointsASide = pointsFor(level);
  const [middle] = centre(cell);
  const ring: Position[] = [];
  for (const [fromI, fromJ, alongI, alongJ] of [[0, 0, 1, 0], [1, 0, 0, 1], [1, 1, -1, 0], [0, 1, 0, -1]] as const) {
    for (let k = 0; k < pointsASide; k++) {
      const part = k / pointsASide;
      const [lon, lat] = onEarth(face, (i + fromI + alongI * part) / size, (j + fromJ + alongJ * part) / size);
      ring.push([near(lon, middle), lat]);
    }
  }
  return closed(atPole(ring));
}

/** How many points follow a bent side, so that cells of different levels meet without a gap that could be seen. */
function pointsFor(level: number): number {
  if (level < 4) return 32 >> level;
  return level < 8 ? 4 : level < 11 ? 2 : 1;
}

/** A pole has no longitude: the ring comes to it along one meridian and leaves along another. */
function atPole(ring: Position[]): Position[] {
  const pole = ring.findIndex(([, lat]) => Math.abs(lat) > 90 - 1e-9);
  if (pole < 0) return ring;
  const [before, after] = [ring.at(pole - 1)!, ring[(pole + 1) % ring.length]!];
  const lat = ring[pole]![1];
  return [...ring.slice(0, pole), [before[0], lat], [after[0], lat], ...ring.slice(pole + 1)];
}

function closed(ring: Position[]): Position[] {
  return [...ring, ring[0]!];
}

/** The same longitude within half a turn of another. */
function near(lon: number, other: number): number {
  return lon - 360 * Math.round((lon - other) / 360);
}

/** A cell's face, and its place in the grid of cells of its level on that face. */
function square(cell: Cell): { face: number; i: number; j: number; level: number } {
  const face = Number(cell >> 61n);
  const level = levelOf(cell);
  let [i, j, orientation] = [0, 0, face & 1];
  for (let k = 1; k <= level; k++) {
    const visit = Number((cell >> BigInt(61 - 2 * k)) & 3n);
    const child = VISITS[orientation]![visit]!;
    i = 2 * i + (child >> 1);
    j = 2 * j + (child & 1);
    orientation ^= TURNS[visit]!;
  }
  return { face, i, j, level };
}

/** A point of a face, s and t in [0, 1], on the Earth. */
function onEarth(face: number, s: number, t: number): Position {
  const along = [1, bent(s), bent(t)];
  const point = [0, 0, 0];
  for (let k = 0; k < 3; k++) point[AXES[face]![k]!] = SIGNS[face]![k]! * along[k]!;
  const [x, y, z] = point as [number, number, number];
  return [Math.atan2(y, x) * DEGREES, Math.atan2(z, Math.hypot(x, y)) * DEGREES];
}

/** S2's quadratic projection, [0, 1] to [-1, 1]: it makes cells of one level about equally large. */
function bent(s: number): number {
  const farther = Math.max(s, 1 - s);
  return (Math.sign(s - 0.5) * (4 * farther * farther - 1)) / 3;
}

/** Solid angle, with its sign, of the rectangle between a face's middle and (u, v). */
function corner(u: number, v: number): number {
  return Math.atan((u * v) / Math.sqrt(1 + u * u + v * v));
}

function lastBit(cell: Cell): bigint {
  return cell & BigInt.asUintN(64, -cell);
}
