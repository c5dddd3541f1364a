/** The likeliest cells, ranked. */

import { formatPlace, formatShare } from "../notation";
import type { Candidate } from "../types";
import { Pointer } from "./pointer";

export function Candidates({ candidates }: { candidates: readonly Candidate[] }) {
  const best = Math.max(...candidates.map(({ probability }) => probability), 1e-9);
  return (
    <ol class="list">
      {candidates.map((candidate, k) => (
        <li key={candidate.cell}>
          <Pointer to={candidate}>
            <span class="rank">{k + 1}</span>
            <span class="words">
              {candidate.place?.text ?? formatPlace(candidate.latitude, candidate.longitude)}
              <span class="bar-line" aria-hidden="true"><i style={{ width: `${(100 * candidate.probability) / best}%` }} /></span>
            </span>
            <span class="share">{formatShare(candidate.probability)}</span>
          </Pointer>
        </li>
      ))}
    </ol>
  );
}
