/** What to do next, while a region is drawn or the pin is carried. */

import { closeRing, corners, removeCorner, stopDrawing } from "../globe/draw";
import { carried, putBack, putDown } from "../reviewing";
import { formatPlace } from "../notation";

export function Tools() {
  if (corners.value !== null) return <Drawing placed={corners.value.length} />;
  if (carried.value !== null) return <Carrying latitude={carried.value.latitude} longitude={carried.value.longitude} />;
  return null;
}

function Drawing({ placed }: { placed: number }) {
  return (
    <div class="tools" role="toolbar" aria-label="Draw a region">
      <span>{placed < 3 ? "Click the corners of the region, three or more." : "Click the first corner, or press Enter, to close it."}</span>
      <button type="button" class="button" disabled={placed === 0} onClick={withoutFocus(removeCorner)}>Remove corner</button>
      <button type="button" class="button primary" disabled={placed < 3} onClick={closeRing}>Close region</button>
      <button type="button" class="button" onClick={stopDrawing}>Cancel</button>
    </div>
  );
}

function Carrying({ latitude, longitude }: { latitude: number; longitude: number }) {
  return (
    <div class="tools" role="toolbar" aria-label="Move the estimate">
      <span>Click where it was taken, drag the pin, or use arrow keys. <b>{formatPlace(latitude, longitude, 2)}</b></span>
      <button type="button" class="button primary" onClick={putDown}>Keep here</button>
      <button type="button" class="button" onClick={putBack}>Put back</button>
    </div>
  );
}

/** A click of a mouse leaves no focus behind, so that Enter goes on to mean the region. */
function withoutFocus(act: () => void): (event: MouseEvent) => void {
  return (event) => {
    act();
    if (event.detail > 0) (event.currentTarget as HTMLElement).blur();
  };
}
