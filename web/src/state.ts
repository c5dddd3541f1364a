/** All that the page knows: pictures, answers, decisions, and what is looked at. */

import { computed, signal } from "@preact/signals";

import type { Answer, Circle, Country, Detail, Model, Problem, Review } from "./types";

/** One picture. `id` is its place in `items`. */
export interface Item {
  readonly id: number;
  readonly name: string;
  /** The picture as it was given; null in a batch, whose pictures the server keeps. */
  readonly file: File | null;
  /** Its line in the batch; null outside of one. */
  readonly index: number | null;
  readonly status: "waiting" | "busy" | "answered" | "failed";
  readonly answer: Answer | null;
  readonly detail: Detail | null;
  /** Why there is no answer. */
  readonly problem: Problem | null;
  readonly review: Review | null;
}

/** A region that answers are confined to. `line` outlines it on the globe, where the page knows it. */
export interface Constraint {
  label: string;
  text: string;
  line: [number, number][] | null;
}

export type View = "candidates" | "regions" | "steps" | "neighbours";
export type Filter = "all" | "to do" | "confirmed" | "moved" | "rejected" | "refused";
export type Order = "as given" | "least sure first";

export const items = signal<readonly Item[]>([]);
export const selectedId = signal<number | null>(null);
export const filter = signal<Filter>("all");
export const order = signal<Order>("as given");
export const constraints = signal<readonly Constraint[]>([]);
/** The name of the batch that is reviewed; null where pictures are dropped. */
export const batch = signal<string | null>(null);
export const models = signal<readonly Model[]>([]);
export const modelName = signal<string | null>(null);
export const countries = signal<readonly Country[]>([]);

/** What of the answer is looked at, in the panel and on the globe alike. */
export const view = signal<View>("candidates");
/** The step that "coarse to fine" stands at. */
export const step = signal(0);
/** A candidate, or a neighbour, under the pointer or the focus. */
export const pointedAt = signal<{ latitude: number; longitude: number; cell?: string } | null>(null);
/** Words about the cell under the pointer. */
export const underPointer = signal<string | null>(null);

/** Whether the server is there; null if it asks for a key. */
export const connection = signal<"ok" | "busy" | "gone" | "key">("ok");
/** What has just happened: shown for a while, and read aloud by screen readers. */
export const notice = signal("");
/** Read aloud only, since the page shows it elsewhere. */
export const spoken = signal("");

export const selected = computed(() => (selectedId.value === null ? null : (items.value[selectedId.value] ?? null)));
export const listed = computed(() => sorted(items.value.filter((item) => passes(item, filter.value))));
export const model = computed(() => models.value.find((one) => one.name === modelName.value) ?? null);

export function change(id: number, patch: Partial<Item>): void {
  const item = items.value[id];
  if (item !== undefined) items.value = items.value.with(id, { ...item, ...patch });
}

export function select(id: number | null): void {
  selectedId.value = id;
  pointedAt.value = null;
  step.value = Math.max(0, (selected.value?.detail?.coarse_to_fine.length ?? 1) - 1);
}

/** The picture so many places further in the list as it is filtered and sorted. */
export function selectBeside(by: number): void {
  const list = listed.value;
  const here = list.findIndex((item) => item.id === selectedId.value);
  const next = list[Math.min(list.length - 1, Math.max(0, here + by))];
  if (next !== undefined) select(next.id);
}

/** The circle that the model answers with; an answer that is not sure has one too, but no point. */
export function circleOf(answer: Answer): Circle {
  return answer.not_sure?.circle ?? (answer as Circle);
}

/** Where a picture is, with what a person said about it. */
export function placeOf(item: Item): { latitude: number; longitude: number } | null {
  if (item.review?.status === "moved") return item.review;
  return item.answer === null ? null : circleOf(item.answer);
}

export function passes(item: Item, wanted: Filter): boolean {
  if (wanted === "all") return true;
  if (wanted === "refused") return item.problem !== null;
  if (wanted === "to do") return item.review === null && item.problem === null;
  return item.review?.status === wanted;
}

function sorted(list: Item[]): Item[] {
  if (order.value === "as given") return list;
  // What was asked to be sure and is not comes before all others.
  const unsure = ({ answer }: Item) =>
    answer === null ? -1 : circleOf(answer).radius_km + (answer.not_sure ? 1e6 : 0);
  return list.sort((a, b) => unsure(b) - unsure(a) || a.id - b.id);
}
