/** Saves the reviewed set as a file. */

import { signal } from "@preact/signals";

import { exported, type Format } from "../exporting";
import { batch, items, notice } from "../state";
import { Icon } from "./icons";

const KINDS: Record<Format, { label: string; mime: string }> = {
  jsonl: { label: "JSON lines", mime: "application/x-ndjson" },
  csv: { label: "CSV", mime: "text/csv" },
  geojson: { label: "GeoJSON", mime: "application/geo+json" },
};

const open = signal(false);

export function Export() {
  const toggle = () => (open.value = !open.value);
  return (
    <div class="export" onKeyDown={(event) => event.key === "Escape" && (open.value = false)}>
      <button type="button" class="button" aria-expanded={open.value} onClick={toggle}>
        <Icon name="save" /> Export
      </button>
      {open.value && (
        <div class="menu" role="group" aria-label="Export as">
          {(Object.keys(KINDS) as Format[]).map((format) => (
            <button key={format} type="button" onClick={() => save(format)}>{KINDS[format].label}</button>
          ))}
        </div>
      )}
    </div>
  );
}

function save(format: Format): void {
  open.value = false;
  const name = `${(batch.value ?? "graticule").replace(/\.jsonl$/, "")}-reviewed.${format}`;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([exported(items.value, format)], { type: KINDS[format].mime }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000); // the download reads it a moment later
  notice.value = `${name} saved.`;
}
