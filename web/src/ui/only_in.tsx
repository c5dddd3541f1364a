/** "Only in": regions that answers are confined to, named or drawn. */

import { signal } from "@preact/signals";
import { useId } from "preact/hooks";

import { startDrawing } from "../globe/draw";
import { constraints } from "../state";
import { confine, ofCountry, release, suggested, understood } from "../within";
import { Icon } from "./icons";

const text = signal("");
const active = signal(-1);
const open = signal(false);
const problem = signal("");

export function OnlyIn() {
  return (
    <div class="only-in" role="group" aria-label="Only in">
      <span class="title">Only in</span>
      {constraints.value.map((region) => (
        <button key={region.text} type="button" class="chip" onClick={() => release(region)} aria-label={`Remove ${region.label}`}>
          {region.label} <Icon name="cross" />
        </button>
      ))}
      <Named />
      <button type="button" class="button plain" onClick={() => startDrawing(confine)}>
        <Icon name="draw" /> Draw
      </button>
    </div>
  );
}

function Named() {
  const id = useId();
  const found = open.value ? suggested(text.value) : [];
  const take = (name: string | undefined) => {
    const country = found.find((one) => one.name === name);
    const region = country ? ofCountry(country) : understood(text.value);
    if (region === null) {
      problem.value = `“${text.value.trim()}” is no country that is known; a box is south,west,north,east, a circle 50 km around 48.86,2.35.`;
      return;
    }
    text.value = "";
    close();
    confine(region);
  };
  const onKey = (event: KeyboardEvent) => {
    const turn = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (turn !== undefined && found.length) {
      event.preventDefault();
      active.value = (active.value + turn + found.length) % found.length;
    } else if (event.key === "Enter" && text.value.trim()) {
      event.preventDefault();
      take(found[active.value]?.name ?? (found.length === 1 ? found[0]!.name : undefined));
    } else if (event.key === "Escape") close();
  };
  const onInput = (event: InputEvent) => {
    text.value = (event.currentTarget as HTMLInputElement).value;
    open.value = true;
    active.value = -1;
    problem.value = "";
  };
  return (
    <div class="combobox">
      <input
        role="combobox" aria-label="Country, box or circle" aria-expanded={found.length > 0} aria-controls={`${id}-list`}
        aria-autocomplete="list" aria-describedby={`${id}-problem`} autocomplete="off" spellcheck={false}
        aria-activedescendant={active.value >= 0 ? `${id}-${active.value}` : undefined}
        placeholder={constraints.value.length ? "or in…" : "a country, a box, a circle"}
        title="Chile, or 41.3,-5.2,51.1,9.6 (south, west, north, east), or 50 km around 48.86,2.35"
        value={text.value} onInput={onInput} onKeyDown={onKey} onBlur={close}
      />
      <ul role="listbox" id={`${id}-list`} aria-label="Countries" hidden={found.length === 0}>
        {found.map(({ name }, k) => (
          <li
            key={name} id={`${id}-${k}`} role="option" aria-selected={k === active.value}
            onPointerDown={(event) => { event.preventDefault(); take(name); }}
          >
            {name}
          </li>
        ))}
      </ul>
      <div id={`${id}-problem`} class="problem" role="alert" hidden={!problem.value}>{problem.value}</div>
    </div>
  );
}

function close(): void {
  open.value = false;
  active.value = -1;
}
