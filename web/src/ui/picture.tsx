/** The picture that is looked at: what is said of it, in words, in numbers, and step by step. */

import { baseName, formatKm, formatPlace, formatShare, unbroken } from "../notation";
import { circleOf, placeOf, selected, type Item } from "../state";
import type { Answer } from "../types";
import { Responsible, WhichModel } from "./empty";
import { Review } from "./review";
import { Thumbnail } from "./thumbnail";
import { Views } from "./views";

/** Characters from which a headline is set smaller. */
const LONG = 110;

export function Picture() {
  const item = selected.value;
  if (item === null) return <p class="small">Choose a picture above.</p>;
  const working = item.status === "waiting" || item.status === "busy";
  return (
    <article class="picture" aria-busy={working}>
      <figure>
        <Thumbnail item={item} large />
        <figcaption title={item.name}>{baseName(item.name)}</figcaption>
        {working && <div class="working" role="progressbar" aria-label={`Locating ${item.name}`} />}
      </figure>
      {item.problem && <Refused item={item} />}
      {item.answer && <Answered item={item} answer={item.answer} />}
      {working && !item.answer && <p class="headline faint">Locating…</p>}
      <WhichModel />
      <Responsible />
    </article>
  );
}

function Refused({ item }: { item: Item }) {
  return (
    <div class="warning" role="alert">
      <b>No answer.</b> {item.problem!.message}
    </div>
  );
}

function Answered({ item, answer }: { item: Item; answer: Answer }) {
  const words = answer.words ?? answer.place?.text ?? "Estimate";
  return (
    <>
      <h1 class={`headline ${words.length > LONG ? "long" : ""}`}>{unbroken(words)}</h1>
      <Estimate item={item} answer={answer} />
      <Review item={item} />
      <Views item={item} />
    </>
  );
}

function Estimate({ item, answer }: { item: Item; answer: Answer }) {
  const circle = circleOf(answer);
  const half = item.detail?.circles_km["50"];
  return (
    <dl class="estimate">
      {item.review?.status === "moved" && (
        <div class="moved">
          <dt>Moved by you to</dt>
          <dd>{formatPlace(placeOf(item)!.latitude, placeOf(item)!.longitude, 3)}</dd>
        </div>
      )}
      <div>
        <dt>{answer.not_sure ? "Not sure: somewhere around" : "Estimate"}</dt>
        <dd>
          {formatPlace(circle.latitude, circle.longitude)}
          {answer.place && <span class="soft"> {answer.place.text}</span>}
        </dd>
      </div>
      <div>
        <dt>How sure</dt>
        <dd>
          90 % within {formatKm(circle.radius_km)}
          {half !== undefined && <span class="soft">, 50 % within {formatKm(half)}</span>}
        </dd>
      </div>
      {answer.not_sure && (
        <div>
          <dt>Asked for</dt>
          <dd>
            {formatShare(answer.not_sure.asked)} within {formatKm(answer.not_sure.within_km)}
            <span class="soft">, found {formatShare(answer.not_sure.probability)}</span>
          </dd>
        </div>
      )}
      {answer.region_probability !== undefined && (
        <div class={answer.region_probability < 0.05 ? "doubt" : ""}>
          <dt>Region</dt>
          <dd>
            {formatShare(answer.region_probability)} <span class="soft">of all probability lies in it; the rest is left out</span>
          </dd>
        </div>
      )}
    </dl>
  );
}
