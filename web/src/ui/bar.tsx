/** The bar above the globe: the name, which regions answers are confined to, light or dark. */

import { batch } from "../state";
import { switchTheme, theme } from "../theme";
import { Icon } from "./icons";
import { OnlyIn } from "./only_in";

export function Bar() {
  const other = theme.value === "dark" ? "light" : "dark";
  return (
    <header class="bar">
      <span class="wordmark">Graticule</span>
      {batch.value === null && <OnlyIn />}
      <button type="button" class="round" onClick={switchTheme} aria-label={`Use ${other} colours`} title={`Use ${other} colours`}>
        <Icon name={theme.value === "dark" ? "sun" : "moon"} />
      </button>
    </header>
  );
}
