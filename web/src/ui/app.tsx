/** The whole page: a globe that fills the window, a bar above it, a panel beside it. */

import { signal } from "@preact/signals";

import { batch, items } from "../state";
import { Bar } from "./bar";
import { Connection } from "./connection";
import { Empty } from "./empty";
import { Filmstrip } from "./filmstrip";
import { Legend } from "./legend";
import { Notice } from "./notice";
import { Picture } from "./picture";
import { Tools } from "./tools";

/** Whether pictures are held over the window. */
export const heldOver = signal(false);
/** On a phone: whether the panel takes most of the screen. */
const raised = signal(false);

export function App() {
  const empty = items.value.length === 0 && batch.value === null;
  return (
    <>
      <Bar />
      <Tools />
      <aside class={`panel ${raised.value ? "raised" : ""}`} aria-label="Pictures and answers">
        <button
          type="button" class="handle" aria-expanded={raised.value}
          aria-label={raised.value ? "Show more of the globe" : "Show more of the panel"}
          onClick={() => (raised.value = !raised.value)}
        />
        <Connection />
        {empty ? <Empty /> : (
          <>
            <Filmstrip />
            <Picture />
          </>
        )}
      </aside>
      <Legend />
      <Notice />
      {heldOver.value && <div class="drop" aria-hidden="true">Drop pictures to locate them</div>}
    </>
  );
}
