/** The server, and nothing else: no request leaves the page's own origin. */

import type { Country, Model, Problem, Result, Review, ReviewedResult } from "./types";

const KEY = "graticule-key";
const SERVER_BUSY_S = 2;

/** An answer that says no. `retryAfterS` is set if the server said when to come again. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly problem: Problem,
    readonly retryAfterS: number | null,
  ) {
    super(problem.message);
  }
}

/** No answer at all. */
export class Unreachable extends Error {}

export interface Asked {
  within: string[];
  model: string | null;
  detail: "answer" | "map";
  signal: AbortSignal;
}

/** Where one picture was taken. */
export async function locate(picture: File, asked: Asked): Promise<Result> {
  const form = new FormData();
  form.append("pictures", picture, picture.name);
  for (const region of asked.within) form.append("within", region);
  if (asked.model !== null) form.append("model", asked.model);
  form.append("detail", asked.detail);
  const response = await request("/v1/locate", { method: "POST", body: form, signal: asked.signal });
  const { results } = (await response.json()) as { results: Result[] };
  return results[0]!;
}

export async function models(): Promise<Model[]> {
  return ((await (await request("/v1/models")).json()) as { models: Model[] }).models;
}

export async function countries(): Promise<Country[]> {
  return ((await (await request("/v1/regions?language=en")).json()) as { countries: Country[] }).countries;
}

/** The batch that is being reviewed; null if the server has none. */
export async function reviewBatch(): Promise<{ name: string; results: ReviewedResult[] } | null> {
  try {
    return (await (await request("/v1/review")).json()) as { name: string; results: ReviewedResult[] };
  } catch (error) {
    if (error instanceof Refused && error.status === 404) return null;
    throw error;
  }
}

/** Keeps a decision; null takes it back. */
export async function keepReview(index: number, review: Review | null): Promise<void> {
  const path = `/v1/review/${index}`;
  if (review === null) await request(path, { method: "DELETE" });
  else {
    const headers = { "Content-Type": "application/json" };
    await request(path, { method: "PUT", headers, body: JSON.stringify(review) });
  }
}

/** A picture of the batch, at most so many pixels wide and high. */
export function reviewPictureUrl(index: number, side: number): string {
  return `/v1/review/${index}/picture?side=${side}`;
}

/** What an image element can show: it can send no key, so that with one the picture is fetched first. */
export async function imageUrl(path: string): Promise<string> {
  if (sessionStorage.getItem(KEY) === null) return path;
  return URL.createObjectURL(await (await request(path)).blob());
}

export async function isReachable(): Promise<boolean> {
  return fetch("/healthz").then((response) => response.ok, () => false);
}

export function setKey(key: string): void {
  sessionStorage.setItem(KEY, key);
}

async function request(path: string, options: RequestInit = {}): Promise<Response> {
  const headers = new Headers(options.headers);
  const key = sessionStorage.getItem(KEY);
  if (key !== null) headers.set("Authorization", `Bearer ${key}`);
  let response: Response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Unreachable(String(error));
  }
  if (!response.ok) throw await refusal(response);
  return response;
}

async function refusal(response: Response): Promise<Refused> {
  const busy = response.status === 429 || response.status === 503;
  const retryAfterS = busy ? Number(response.headers.get("Retry-After")) || SERVER_BUSY_S : null;
  const fallback = { type: "Error", message: `The server said ${response.status} ${response.statusText}.` };
  const body = (await response.json().catch(() => ({}))) as { error?: Problem };
  return new Refused(response.status, body.error ?? fallback, retryAfterS);
}
