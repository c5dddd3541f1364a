/** The smallest regions that hold half, and nine tenths, of the probability. */

import { formatKm2, formatShare } from "../notation";
import type { CredibleRegion } from "../types";
import { Pointer } from "./pointer";

export function Regions({ regions }: { regions: readonly CredibleRegion[] }) {
  return (
    <>
      {regions.map(({ mass, area_km2, parts }) => (
        <section key={mass}>
          <h2>{formatShare(mass)} <span class="soft">within {formatKm2(area_km2)}</span></h2>
          <ul class="list">
            {parts.map((part) => (
              <li key={`${part.latitude},${part.longitude}`}>
                <Pointer to={part}>
                  <span class="words">{part.words}</span>
                  <span class="share">{formatShare(part.probability)}</span>
                </Pointer>
              </li>
            ))}
          </ul>
        </section>
      ))}
    </>
  );
}
