/** What the server says and hears, as docs/service.md describes it. */

export interface Place {
  text: string;
  country: string | null;
  country_name: string | null;
  region: string | null;
  town: string | null;
  town_km: number | null;
  claimed_by: string[];
}

export interface Circle {
  latitude: number;
  longitude: number;
  radius_km: number;
}

export interface Candidate {
  latitude: number;
  longitude: number;
  probability: number;
  cell: string;
  place?: Place | null;
}

export interface NotSure {
  probability: number;
  asked: number;
  within_km: number;
  circle: Circle;
}

/** An answer about one picture. One that is not sure has `not_sure` and no place of its own. */
export interface Answer extends Partial<Circle> {
  path: string;
  not_sure?: NotSure;
  candidates: Candidate[];
  model: string;
  region_probability?: number;
  place?: Place | null;
  words?: string;
}

/** Disjoint S2 cells and the probability of each, the densest first. */
export interface Cells {
  tokens: string[];
  probabilities: number[];
}

export interface RegionPart {
  words: string;
  probability: number;
  latitude: number;
  longitude: number;
}

/** The smallest region that holds a share of the probability. */
export interface CredibleRegion {
  mass: number;
  area_km2: number;
  parts: RegionPart[];
  geometry: GeoJSON.MultiPolygon;
}

/** One cell of the way to the estimate, coarse to fine. */
export interface Step {
  level: number;
  cell: string;
  probability: number;
  latitude: number;
  longitude: number;
  place: string;
}

export interface Neighbour {
  latitude: number;
  longitude: number;
  similarity: number;
  km: number;
  place: string;
  thumbnail: string | null;
}

/** What only the picture that is looked at needs. */
export interface Detail {
  circles_km: Record<string, number>;
  cells: Cells;
  cells_left: number;
  regions: CredibleRegion[];
  coarse_to_fine: Step[];
  neighbours: Neighbour[];
}

export interface Problem {
  type: string;
  message: string;
}

/** What a person decided about an answer. */
export type Review =
  | { status: "confirmed"; note?: string }
  | { status: "moved"; latitude: number; longitude: number; note?: string }
  | { status: "rejected"; note?: string };

export type Result = (Answer & Partial<Detail>) | { path: string; error: Problem };

export type ReviewedResult = Result & { index: number; review: Review | null };

export interface Model {
  name: string;
  domain: string;
  purpose: string | null;
  licence: string;
  disk_bytes: number;
  installed: boolean;
  served: boolean;
}

export interface Country {
  /** ISO 3166-1 alpha-2, where there is one. */
  code: string | null;
  name: string;
}
