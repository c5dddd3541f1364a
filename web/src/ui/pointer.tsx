/** A line of a list that stands for a place: pointed at or focused, it is marked on the globe; pressed, it is flown to. */

import type { ComponentChildren } from "preact";

import { flyTo } from "../globe/flight";
import { pointedAt } from "../state";

interface Props {
  to: { latitude: number; longitude: number; cell?: string };
  children: ComponentChildren;
}

export function Pointer({ to, children }: Props) {
  const point = () => (pointedAt.value = to);
  const leave = () => (pointedAt.value = null);
  return (
    <button type="button" class="pointer" onPointerEnter={point} onPointerLeave={leave} onFocus={point} onBlur={leave} onClick={() => flyTo(to)}>
      {children}
    </button>
  );
}
