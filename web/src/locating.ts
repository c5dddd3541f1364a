/** Asks the server about pictures, a few at a time; the one that is looked at comes first, with all its detail. */

import { effect } from "@preact/signals";

import * as api from "./api";
import {
  change, connection, constraints, items, modelName, select, selected, selectedId, spoken, step, type Item,
} from "./state";
import type { Answer, Detail, Result } from "./types";

const AT_ONCE = 3;
const DETAILS_KEPT = 40;
const LOOK_AGAIN_MS = 3000;

let running = new AbortController();
let atWork = 0;
let paused = false;
const withDetail: number[] = []; // ids, the latest last

/** Takes pictures in, and starts. */
export function add(files: readonly File[]): void {
  const first = items.value.length;
  const added = files.map(
    (file, k): Item => ({
      id: first + k, name: file.webkitRelativePath || file.name, file, index: null,
      status: "waiting", answer: null, detail: null, problem: null, review: null,
    }),
  );
  items.value = [...items.value, ...added];
  if (added.length) select(first);
  work();
}

/** Asks everything anew, but for what a person has decided: another region, or another model. */
export function askAgain(): void {
  stop();
  items.value = items.value.map((item) =>
    item.file === null || item.review !== null ? item : { ...item, status: "waiting" },
  );
  work();
}

/** Goes on after the server was away. */
export function resume(): void {
  paused = false;
  connection.value = "ok";
  work();
}

/** Fetches the detail of whatever is selected. Call once. */
export function watchSelection(): void {
  effect(() => {
    selectedId.value;
    work();
  });
}

function stop(): void {
  running.abort();
  running = new AbortController();
  atWork = 0;
  items.value = items.value.map((item) => (item.status === "busy" ? { ...item, status: "waiting" } : item));
}

function work(): void {
  while (!paused && atWork < AT_ONCE) {
    const next = mostWanted();
    if (next === undefined) return;
    void ask(next);
  }
}

function mostWanted(): Item | undefined {
  const shown = selected.peek();
  const lacksDetail = shown?.status === "answered" && shown.detail === null && shown.review === null;
  if (shown?.file && (shown.status === "waiting" || lacksDetail)) return shown;
  return items.peek().find((item) => item.status === "waiting");
}

async function ask(item: Item): Promise<void> {
  const mine = running;
  const detail = item.id === selectedId.peek() ? "map" : "answer";
  const within = constraints.peek().map(({ text }) => text);
  atWork += 1;
  change(item.id, { status: "busy", problem: null });
  try {
    const result = await api.locate(item.file!, { within, model: modelName.peek(), detail, signal: mine.signal });
    if (mine === running) keep(item, result);
  } catch (error) {
    if (mine === running) fail(item, error);
  } finally {
    if (mine === running) {
      atWork -= 1;
      work();
    }
  }
}

function keep(item: Item, result: Result): void {
  if ("error" in result) {
    change(item.id, { status: "failed", problem: result.error, answer: null, detail: null });
    return;
  }
  const detail = "cells" in result ? (result as Answer & Detail) : null;
  change(item.id, { status: "answered", answer: result, detail });
  if (detail !== null) keepFew(item.id);
  if (item.id === selectedId.peek()) {
    step.value = Math.max(0, (detail?.coarse_to_fine.length ?? 1) - 1);
    spoken.value = `${item.name}: ${result.words ?? "answered"}`;
  }
}

function fail(item: Item, error: unknown): void {
  if (error instanceof api.Unreachable) pause(item, "gone", LOOK_AGAIN_MS);
  else if (error instanceof api.Refused && error.retryAfterS !== null) pause(item, "busy", 1000 * error.retryAfterS);
  else if (error instanceof api.Refused && error.status === 401) pause(item, "key", null);
  else {
    const problem = error instanceof api.Refused ? error.problem : { type: "Error", message: String(error) };
    change(item.id, { status: "failed", problem, answer: null, detail: null });
  }
}

/** Puts a picture back, and waits for the server. */
function pause(item: Item, why: "busy" | "gone" | "key", milliseconds: number | null): void {
  change(item.id, { status: "waiting" });
  paused = true;
  connection.value = why;
  if (milliseconds !== null) setTimeout(() => void lookAgain(milliseconds), milliseconds);
}

async function lookAgain(milliseconds: number): Promise<void> {
  if (!paused) return;
  if (await api.isReachable()) resume();
  else setTimeout(() => void lookAgain(milliseconds), milliseconds);
}

/** A thousand pictures' cells would fill the memory: only the latest are kept, the others are asked for again. */
function keepFew(id: number): void {
  const known = withDetail.indexOf(id);
  if (known >= 0) withDetail.splice(known, 1);
  withDetail.push(id);
  if (withDetail.length > DETAILS_KEPT) change(withDetail.shift()!, { detail: null });
}
