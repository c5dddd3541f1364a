/** The pin at the estimate. It can be dragged, or carried with clicks and arrow keys. */

import { effect } from "@preact/signals";
import { Marker } from "maplibre-gl";

import { formatPlace } from "../notation";
import { carried, carryTo, putDown } from "../reviewing";
import { placeOf, selected } from "../state";
import type { Globe } from "./globe";

const STEP_PIXELS = 12;
const TURNS: Record<string, [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export function keepPin(globe: Globe): void {
  const element = document.createElement("div");
  element.className = "pin";
  element.tabIndex = 0;
  element.setAttribute("role", "img");
  const marker = new Marker({ element, draggable: true, anchor: "bottom", opacityWhenCovered: "0" });
  marker.setLngLat([0, 0]);
  marker.on("drag", () => {
    const { lat, lng } = marker.getLngLat();
    carryTo(lat, lng);
  });
  marker.on("dragend", putDown);
  globe.map.on("click", ({ lngLat }) => {
    if (carried.value !== null) carryTo(lngLat.lat, lngLat.lng);
  });
  effect(() => {
    const item = selected.value;
    const place = carried.value ?? (item && placeOf(item));
    if (!place) {
      marker.remove();
      return;
    }
    marker.setLngLat([place.longitude, place.latitude]);
    // To add it anew would let go of it while it is dragged.
    if (!element.isConnected) marker.addTo(globe.map);
    element.dataset.state = carried.value ? "carried" : item?.answer?.not_sure && !item.review ? "not-sure" : (item?.review?.status ?? "estimate");
    element.setAttribute("aria-label", `${carried.value ? "Pin, being moved" : "Estimate"}: ${formatPlace(place.latitude, place.longitude)}`);
  });
}

/** Moves the carried pin by a few pixels, one with shift; whether the key was one for it. */
export function nudge(globe: Globe, event: KeyboardEvent): boolean {
  const turn = TURNS[event.key];
  const place = carried.peek();
  if (turn === undefined || place === null) return false;
  const pixels = event.shiftKey ? 1 : STEP_PIXELS;
  const at = globe.map.project([place.longitude, place.latitude]);
  const there = globe.map.unproject([at.x + pixels * turn[0], at.y + pixels * turn[1]]);
  carryTo(there.lat, there.lng);
  return true;
}
