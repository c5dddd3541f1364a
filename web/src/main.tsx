/** Starts the page: the panel at once, the globe as soon as its library is there. */

import { render } from "preact";

import * as api from "./api";
import { listenForPictures } from "./intake";
import { listenForKeys } from "./keys";
import { watchSelection } from "./locating";
import { openBatch } from "./reviewing";
import { connection, countries, filter, listed, modelName, models, notice, order, select } from "./state";
import "./style.css";
import { followSystem } from "./theme";
import { App, heldOver } from "./ui/app";

followSystem();
render(<App />, document.getElementById("app")!);
listenForPictures((held) => (heldOver.value = held));
watchSelection();
void askServer();
void showGlobe();

async function askServer(): Promise<void> {
  try {
    models.value = await api.models();
    modelName.value = models.value.find(({ served }) => served)?.name ?? null;
    if (await openBatch()) {
      order.value = "least sure first";
      filter.value = "to do";
      select(listed.value[0]?.id ?? null);
    } else countries.value = await api.countries();
  } catch (error) {
    connection.value = error instanceof api.Refused && error.status === 401 ? "key" : "gone";
  }
}

async function showGlobe(): Promise<void> {
  try {
    const { openGlobe } = await import("./globe/open");
    listenForKeys(await openGlobe(document.getElementById("globe")!));
  } catch (error) {
    // Without WebGL there is no globe, but answers in words are as good as ever.
    listenForKeys(() => false);
    document.getElementById("globe")!.textContent = "This browser can't draw the globe: it has no WebGL. Answers appear in the panel.";
    notice.value = error instanceof Error ? error.message : String(error);
  }
}
