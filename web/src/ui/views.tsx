/** Four ways to look at an answer, as tabs; the globe shows the same. */

import type { JSX } from "preact";

import { view, type Item, type View } from "../state";
import { Candidates } from "./candidates";
import { Neighbours } from "./neighbours";
import { Regions } from "./regions";
import { Steps } from "./steps";

interface Tab {
  view: View;
  label: string;
  body: (item: Item) => JSX.Element;
  has: (item: Item) => boolean;
}

const TABS: Tab[] = [
  { view: "candidates", label: "Candidates", body: (item) => <Candidates candidates={item.answer!.candidates} />, has: () => true },
  { view: "regions", label: "Regions", body: (item) => <Regions regions={item.detail!.regions} />, has: ({ detail }) => !!detail?.regions.length },
  {
    view: "steps", label: "Coarse to fine", body: (item) => <Steps steps={item.detail!.coarse_to_fine} />,
    has: ({ detail }) => !!detail?.coarse_to_fine.length,
  },
  {
    view: "neighbours", label: "Neighbours", body: (item) => <Neighbours neighbours={item.detail!.neighbours} />,
    has: ({ detail }) => !!detail?.neighbours.length,
  },
];

export function Views({ item }: { item: Item }) {
  const tabs = TABS.filter(({ has }) => has(item));
  const open = tabs.find((tab) => tab.view === view.value) ?? tabs[0]!;
  const onKey = (event: KeyboardEvent) => {
    const turn = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (turn === undefined) return;
    event.preventDefault();
    const next = tabs[(tabs.indexOf(open) + turn + tabs.length) % tabs.length]!;
    view.value = next.view;
    document.getElementById(`tab-${next.view}`)?.focus();
  };
  return (
    <section class="views" aria-label="The answer in detail">
      <div class="tabs" role="tablist" aria-label="Ways to look at it" onKeyDown={onKey}>
        {tabs.map((tab) => (
          <button
            key={tab.view} id={`tab-${tab.view}`} type="button" role="tab" aria-selected={tab === open}
            aria-controls="view" tabIndex={tab === open ? 0 : -1} onClick={() => (view.value = tab.view)}
          >
            {tab.label}
          </button>
        ))}
      </div>
      <div id="view" role="tabpanel" aria-labelledby={`tab-${open.view}`}>{open.body(item)}</div>
    </section>
  );
}
