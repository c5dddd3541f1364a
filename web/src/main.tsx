/** Starts the page: the panel at once, the globe as soon as its library is there. */

import { render } from "preact";

import { greet } from "./greeting";
import { listenForPictures } from "./intake";
import { listenForKeys } from "./keys";
import { watchSelection } from "./locating";
import { notice } from "./state";
import "./style.css";
import { followSystem } from "./theme";
import { App, heldOver } from "./ui/app";

followSystem();
render(<App />, document.getElementById("app")!);
listenForPictures((held) => (heldOver.value = held));
watchSelection();
let nudge: (event: KeyboardEvent) => boolean = () => false;
listenForKeys((event) => nudge(event));
void greet();
void showGlobe();

async function showGlobe(): Promise<void> {
  try {
    const { openGlobe } = await import("./globe/open");
    nudge = await openGlobe(document.getElementById("globe")!);
  } catch (error) {
    // Without WebGL there is no globe, but answers in words are as good as ever.
    document.getElementById("globe")!.textContent = "This browser can't draw the globe: it has no WebGL. Answers appear in the panel.";
    notice.value = error instanceof Error ? error.message : String(error);
  }
}
