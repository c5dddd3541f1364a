/** The pictures of the gallery that spoke for the answer. */

import { formatKm } from "../notation";
import type { Neighbour } from "../types";
import { Pointer } from "./pointer";
import { Shown } from "./thumbnail";

export function Neighbours({ neighbours }: { neighbours: readonly Neighbour[] }) {
  return (
    <>
      <p class="small">Pictures of known place that look most like this one, and how far from the estimate they were taken.</p>
      <ol class="list">
        {neighbours.map((one, k) => (
          <li key={k}>
            <Pointer to={one}>
              <span class="rank">{k + 1}</span>
              {one.thumbnail && <Shown source={one.thumbnail} alt="" kind="" name="small-image" />}
              <span class="words">
                {one.place}
                <span class="soft"> alike {one.similarity.toFixed(2)}</span>
              </span>
              <span class="share">{formatKm(one.km)}</span>
            </Pointer>
          </li>
        ))}
      </ol>
    </>
  );
}
