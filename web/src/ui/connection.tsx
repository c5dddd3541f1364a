/** What stands between the page and the server, if anything does. */

import * as api from "../api";
import { greet } from "../greeting";
import { resume } from "../locating";
import { connection, models } from "../state";

const WORDS = {
  busy: "The server is busy. The pictures wait, and are sent again soon.",
  gone: "The server does not answer. Is graticule still running? Pictures wait here, and are sent once it is back.",
};

export function Connection() {
  const state = connection.value;
  if (state === "ok") return null;
  if (state === "key") return <AskKey />;
  return (
    <div class={`warning ${state}`} role="alert">
      {WORDS[state]}
      <button type="button" class="button" onClick={tryAgain}>Try now</button>
    </div>
  );
}

function tryAgain(): void {
  resume();
  if (!models.peek().length) void greet();
}

function AskKey() {
  const send = (event: SubmitEvent) => {
    event.preventDefault();
    api.setKey(String(new FormData(event.currentTarget as HTMLFormElement).get("key")));
    tryAgain();
  };
  return (
    <form class="warning" onSubmit={send}>
      <label>
        This server asks for a key.
        <input name="key" type="password" autocomplete="off" required />
      </label>
      <button class="button">Use it</button>
    </form>
  );
}
