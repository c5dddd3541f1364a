/** Confirm, move or reject an estimate, with a note. */

import { canUndo, carried, confirm, pickUp, reject, setNote, undo } from "../reviewing";
import type { Item } from "../state";
import { Icon } from "./icons";

export function Review({ item }: { item: Item }) {
  const status = item.review?.status;
  return (
    <section class="review" aria-label="Review">
      <div class="buttons">
        <button type="button" class="button" aria-pressed={status === "confirmed"} aria-keyshortcuts="c" onClick={confirm}>
          <Icon name="check" /> Confirm <kbd>C</kbd>
        </button>
        <button type="button" class="button" aria-pressed={status === "moved" || carried.value !== null} aria-keyshortcuts="m" onClick={pickUp}>
          <Icon name="move" /> Move <kbd>M</kbd>
        </button>
        <button type="button" class="button" aria-pressed={status === "rejected"} aria-keyshortcuts="x" onClick={reject}>
          <Icon name="cross" /> Reject <kbd>X</kbd>
        </button>
        <button type="button" class="round" disabled={!canUndo.value} aria-label="Undo" title="Undo (Z)" aria-keyshortcuts="z" onClick={undo}>
          <Icon name="undo" />
        </button>
      </div>
      {item.review && (
        <label class="note">
          Note
          <input key={item.id} value={item.review.note ?? ""} maxLength={2000} onChange={(event) => setNote(event.currentTarget.value)} />
        </label>
      )}
    </section>
  );
}
