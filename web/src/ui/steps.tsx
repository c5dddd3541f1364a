/** Coarse to fine: the cells that the model chose, one inside the other. */

import { useEffect, useState } from "preact/hooks";

import { formatKm, formatShare } from "../notation";
import * as s2 from "../s2";
import { step } from "../state";
import type { Step } from "../types";
import { Icon } from "./icons";

const EACH_MS = 1900;

export function Steps({ steps }: { steps: readonly Step[] }) {
  const last = steps.length - 1;
  const at = Math.min(step.value, last);
  const here = steps[at]!;
  const playing = usePlaying(last);
  const words = `Level ${here.level}, ${formatShare(here.probability)}`;
  return (
    <div class="steps">
      <p class="small">The model says where next, cell by cell. Each step is inside the one before.</p>
      <div class="row">
        <button type="button" class="round" aria-label={playing.on ? "Pause" : "Play the steps"} onClick={playing.toggle}>
          <Icon name={playing.on ? "pause" : "play"} />
        </button>
        <input
          type="range" min={0} max={last} step={1} value={at} aria-label="Step" aria-valuetext={`${words}, ${here.place}`}
          onInput={(event) => (step.value = Number(event.currentTarget.value))}
        />
      </div>
      <ol class="list">
        {steps.map((one, k) => (
          <li key={one.cell}>
            <button type="button" class="pointer" aria-current={k === at ? "step" : undefined} onClick={() => (step.value = k)}>
              <span class="rank">{k + 1}</span>
              <span class="words">
                {one.place}
                <span class="soft"> {formatKm(Math.sqrt(s2.areaKm2(s2.fromToken(one.cell))))} wide</span>
              </span>
              <span class="share">{formatShare(one.probability)}</span>
            </button>
          </li>
        ))}
      </ol>
    </div>
  );
}

/** Goes from the first step to the last, one after another. */
function usePlaying(last: number): { on: boolean; toggle: () => void } {
  const [on, setOn] = useState(false);
  useEffect(() => {
    if (!on) return;
    const timer = setInterval(() => {
      if (step.value >= last) setOn(false);
      else step.value += 1;
    }, EACH_MS);
    return () => clearInterval(timer);
  }, [on, last]);
  const toggle = () => {
    if (!on && step.value >= last) step.value = 0;
    setOn(!on);
  };
  return { on, toggle };
}
