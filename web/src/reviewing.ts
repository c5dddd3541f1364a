/** What a person decides: confirm, move, reject, undo. In a batch each decision goes to the server at once. */

import { signal } from "@preact/signals";

import * as api from "./api";
import { batch, change, connection, items, listed, notice, placeOf, select, selected, spoken, type Item } from "./state";
import type { Answer, Review, ReviewedResult } from "./types";
import { baseName, formatPlace } from "./notation";

/** Where the pin is being carried, before it is put down; null if it is not. */
export const carried = signal<{ latitude: number; longitude: number } | null>(null);

const undoable: { id: number; before: Review | null }[] = [];
export const canUndo = signal(false);

/** Opens the batch that the server has; false if it has none. */
export async function openBatch(): Promise<boolean> {
  const found = await api.reviewBatch();
  if (found === null) return false;
  batch.value = found.name;
  items.value = found.results.map(itemOf);
  return true;
}

export function confirm(): void {
  decide({ status: "confirmed" });
}

export function reject(): void {
  decide({ status: "rejected" });
}

/** Takes the pin up: it follows clicks and arrow keys until it is put down. */
export function pickUp(): void {
  const item = selected.value;
  const place = item && placeOf(item);
  if (!place) return;
  carried.value = { latitude: place.latitude, longitude: place.longitude };
  spoken.value = "Click where it was taken, or use the arrow keys; Enter keeps it, Escape puts it back.";
}

export function carryTo(latitude: number, longitude: number): void {
  carried.value = { latitude: Math.max(-90, Math.min(90, latitude)), longitude: wrapped(longitude) };
}

export function putDown(): void {
  const place = carried.value;
  if (place === null) return;
  carried.value = null;
  decide({ status: "moved", latitude: rounded(place.latitude), longitude: rounded(place.longitude) });
}

export function putBack(): void {
  carried.value = null;
}

export function setNote(note: string): void {
  const item = selected.value;
  if (item?.review) keep(item, { ...item.review, note });
}

export function undo(): void {
  const last = undoable.pop();
  canUndo.value = undoable.length > 0;
  const item = last && items.value[last.id];
  if (!item) return;
  keep(item, last.before);
  select(item.id);
  notice.value = `${baseName(item.name)}: undone.`;
}

function decide(review: Review): void {
  const item = selected.value;
  if (!item?.answer) return;
  undoable.push({ id: item.id, before: item.review });
  canUndo.value = true;
  const next = following(item);
  keep(item, item.review?.note ? { ...review, note: item.review.note } : review);
  notice.value = `${baseName(item.name)}: ${said(review)}.`;
  if (next !== null) select(next.id);
}

/** The next picture that nobody has looked at, in the list as it is shown. */
function following(item: Item): Item | null {
  const list = listed.value;
  const here = list.findIndex(({ id }) => id === item.id);
  const rest = [...list.slice(here + 1), ...list.slice(0, here)];
  return rest.find((other) => other.review === null && other.problem === null) ?? null;
}

function keep(item: Item, review: Review | null): void {
  const before = item.review;
  change(item.id, { review });
  if (item.index === null) return;
  api.keepReview(item.index, review).catch((error: unknown) => {
    change(item.id, { review: before });
    if (error instanceof api.Unreachable) connection.value = "gone";
    notice.value = `${baseName(item.name)}: not kept. ${error instanceof Error ? error.message : ""}`;
  });
}

function itemOf(result: ReviewedResult, id: number): Item {
  const problem = "error" in result ? result.error : null;
  return {
    id, name: result.path, file: null, index: result.index, status: problem ? "failed" : "answered",
    answer: problem ? null : (result as Answer), detail: null, problem, review: result.review,
  };
}

function said(review: Review): string {
  return review.status === "moved" ? `moved to ${formatPlace(review.latitude, review.longitude)}` : review.status;
}

function rounded(degrees: number): number {
  return Number(degrees.toFixed(5));
}

function wrapped(longitude: number): number {
  return ((((longitude + 180) % 360) + 360) % 360) - 180;
}
