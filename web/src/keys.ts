/** Keys that work anywhere but in a field that is written in. */

import { closeRing, corners, removeCorner, stopDrawing } from "./globe/draw";
import { carried, confirm, pickUp, putBack, putDown, reject, undo } from "./reviewing";
import { selectBeside } from "./state";

const ALWAYS: Record<string, () => void> = {
  c: confirm, m: pickUp, x: reject, z: undo, j: () => selectBeside(1), k: () => selectBeside(-1),
};
const DRAWING: Record<string, () => void> = { Enter: closeRing, Escape: stopDrawing, Backspace: removeCorner };
const CARRYING: Record<string, () => void> = { Enter: putDown, Escape: putBack };

/** `nudge` moves the carried pin if the key is one for it. */
export function listenForKeys(nudge: (event: KeyboardEvent) => boolean): void {
  // Before the globe hears it, which turns with arrow keys.
  addEventListener("keydown", (event) => {
    if (isWriting(event.target) || event.altKey || event.metaKey || event.ctrlKey) return;
    const meant = keysNow()[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    const pressesButton = event.key === "Enter" && event.target instanceof HTMLElement && event.target.closest("[role=toolbar]");
    if (nudge(event)) stop(event);
    else if (meant && !pressesButton) {
      stop(event);
      meant();
    }
  }, { capture: true });
}

function keysNow(): Record<string, () => void> {
  if (corners.peek() !== null) return DRAWING;
  return carried.peek() === null ? ALWAYS : CARRYING;
}

function isWriting(target: EventTarget | null): boolean {
  if (target instanceof HTMLInputElement) return target.type !== "range";
  return target instanceof HTMLSelectElement || target instanceof HTMLTextAreaElement;
}

function stop(event: Event): void {
  event.preventDefault();
  event.stopPropagation();
}
