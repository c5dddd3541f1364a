/** What the colours mean. */

import { selected, underPointer } from "../state";

export function Legend() {
  if (!selected.value?.detail) return null;
  return (
    <div class="legend">
      <div class="ramp" aria-hidden="true" />
      <div class="ends"><span>less likely</span><span>most likely</span></div>
      <div class="small">{underPointer.value ?? "Each quarter of the scale is ten times as likely per km². Lines: 50 % and 90 % regions."}</div>
    </div>
  );
}
