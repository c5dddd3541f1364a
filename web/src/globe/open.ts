/** The globe with all that listens to it and draws on it. Loaded after the panel, since it is by far the largest part. */

import { effect } from "@preact/signals";

import * as s2 from "../s2";
import { drawState } from "./answer";
import { listenForCorners } from "./draw";
import { destination } from "./flight";
import { Globe } from "./globe";
import { keepPin, nudge } from "./pin";

const NARROW_PX = 760;
const PANEL_PX = 420;
const EDGE_PX = 16;
const ATOM_KM = 60; // how far one sees around a place that has no size

/** Opens it, and gives what moves the carried pin by a key. */
export async function openGlobe(container: HTMLElement): Promise<(event: KeyboardEvent) => boolean> {
  const globe = new Globe(container, padding);
  await globe.whenDrawn();
  drawState(globe);
  keepPin(globe);
  listenForCorners(globe, (drawn) => globe.setData("drawn", drawn));
  effect(() => {
    const there = destination.value;
    if (there) globe.lookAt(there, there.cell ? Math.sqrt(s2.areaKm2(s2.fromToken(there.cell))) : 4 * ATOM_KM);
  });
  performance.mark("globe drawn"); // benchmarks/map.py reads it
  document.documentElement.dataset.globe = "drawn";
  return (event) => nudge(globe, event);
}

/** The part of the window that the panel and the bar cover. */
function padding(): { top: number; right: number; bottom: number; left: number } {
  if (innerWidth < NARROW_PX) return { top: 64, right: 0, bottom: Math.round(0.5 * innerHeight), left: 0 };
  return { top: 56, right: PANEL_PX + EDGE_PX, bottom: EDGE_PX, left: 0 };
}
