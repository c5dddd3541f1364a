/** All pictures as a strip; only those in sight are in the document, so that twenty thousand scroll as well as twenty. */

import { signal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";

import { counted, grouped } from "../notation";
import { batch, filter, items, listed, order, passes, select, selectBeside, selectedId, type Filter, type Item, type Order } from "../state";
import { Choose } from "./empty";
import { Export } from "./export";
import { Thumbnail } from "./thumbnail";

const WIDTH = 76;
const BEYOND = 4; // thumbnails kept on either side of those in sight
const FILTERS: Filter[] = ["all", "to do", "confirmed", "moved", "rejected", "refused"];
const ORDERS: Order[] = ["as given", "least sure first"];
const BADGES = { confirmed: "✓", moved: "↔", rejected: "✕" } as const;

const scrolled = signal(0);
const wide = signal(400);

export function Filmstrip() {
  const many = items.value.length > 1;
  return (
    <section class="filmstrip" aria-label="Pictures">
      <div class="row">
        <Progress />
        {batch.value === null && <Choose label="Add" />}
        <Export />
      </div>
      {many && (
        <div class="row">
          <Select label="Show" value={filter.value} options={FILTERS} choose={(chosen) => (filter.value = chosen)} counted />
          <Select label="Order" value={order.value} options={ORDERS} choose={(chosen) => (order.value = chosen)} />
        </div>
      )}
      {many && <Strip />}
    </section>
  );
}

function Strip() {
  const strip = useRef<HTMLDivElement>(null);
  const list = listed.value;
  const here = list.findIndex(({ id }) => id === selectedId.value);
  useLayoutEffect(() => {
    const element = strip.current!;
    wide.value = element.clientWidth;
    if (here < 0) return;
    const [left, right] = [here * WIDTH, (here + 1) * WIDTH];
    if (left < element.scrollLeft) element.scrollLeft = left - WIDTH;
    else if (right > element.scrollLeft + element.clientWidth) element.scrollLeft = right + WIDTH - element.clientWidth;
  }, [here, list.length]);
  const first = Math.max(0, Math.floor(scrolled.value / WIDTH) - BEYOND);
  const last = Math.min(list.length, Math.ceil((scrolled.value + wide.value) / WIDTH) + BEYOND);
  const onKey = (event: KeyboardEvent) => {
    const by = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity, PageUp: -5, PageDown: 5 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    selectBeside(by);
  };
  return (
    <div
      ref={strip} class="strip" role="listbox" aria-label="Pictures" aria-orientation="horizontal" tabIndex={0}
      aria-activedescendant={here >= first && here < last ? `picture-${list[here]!.id}` : undefined}
      onScroll={(event) => (scrolled.value = event.currentTarget.scrollLeft)} onKeyDown={onKey}
    >
      <div class="run" role="presentation" style={{ width: `${list.length * WIDTH}px` }}>
        {list.slice(first, last).map((item, k) => <Frame key={item.id} item={item} at={first + k} of={list.length} />)}
      </div>
      {list.length === 0 && <p class="small">None of the pictures is here.</p>}
    </div>
  );
}

function Frame({ item, at, of }: { item: Item; at: number; of: number }) {
  const state = stateOf(item);
  return (
    <div
      id={`picture-${item.id}`} class="frame" role="option" aria-selected={item.id === selectedId.value} aria-posinset={at + 1}
      aria-setsize={of} aria-label={`${item.name}, ${state}`} title={`${item.name}: ${state}`} data-state={state}
      style={{ left: `${at * WIDTH}px` }} onClick={() => select(item.id)}
    >
      <Thumbnail item={item} />
      {item.review && <span class="badge" aria-hidden="true">{BADGES[item.review.status]}</span>}
      {item.problem && <span class="badge" aria-hidden="true">!</span>}
    </div>
  );
}

function Progress() {
  const all = items.value;
  const left = all.filter(({ status }) => status === "waiting" || status === "busy").length;
  const refused = all.filter(({ problem }) => problem !== null).length;
  const reviewed = all.filter(({ review }) => review !== null).length;
  const words = [
    left ? `${grouped(all.length - left)} of ${counted(all.length, "picture")}` : counted(all.length, "picture"),
    ...(reviewed ? [`${grouped(reviewed)} reviewed`] : []),
    ...(refused ? [`${grouped(refused)} refused`] : []),
  ];
  return (
    <div class="progress" aria-live="off">
      {batch.value !== null && <b class="batch">{batch.value}</b>} {words.join(", ")}
      {left > 0 && <progress max={all.length} value={all.length - left} aria-label="Pictures answered" />}
    </div>
  );
}

interface SelectProps<T extends string> {
  label: string;
  value: T;
  options: readonly T[];
  choose: (chosen: T) => void;
  counted?: boolean;
}

function Select<T extends string>({ label, value, options, choose, counted: withCounts = false }: SelectProps<T>) {
  const count = (option: T) => items.value.filter((item) => passes(item, option as Filter)).length;
  return (
    <label class="small">
      {label}{" "}
      <select value={value} onChange={(event) => choose(event.currentTarget.value as T)}>
        {options.map((option) => (
          <option key={option} value={option}>{withCounts ? `${option} (${grouped(count(option))})` : option}</option>
        ))}
      </select>
    </label>
  );
}

function stateOf(item: Item): string {
  if (item.problem) return "refused";
  if (item.review) return item.review.status;
  if (item.status === "answered") return item.answer?.not_sure ? "not sure" : "answered";
  return item.status === "busy" ? "being located" : "waiting";
}
