/** Light or dark: as the system has it, until the reader chooses. */

import { signal } from "@preact/signals";

export type Theme = "light" | "dark";

const KEPT = "graticule-theme";
const system = matchMedia("(prefers-color-scheme: dark)");

export const theme = signal<Theme>(chosen() ?? ofSystem());

export function followSystem(): void {
  show();
  system.addEventListener("change", () => {
    if (chosen() === null) theme.value = ofSystem();
    show();
  });
}

export function switchTheme(): void {
  theme.value = theme.value === "dark" ? "light" : "dark";
  localStorage.setItem(KEPT, theme.value);
  show();
}

function show(): void {
  document.documentElement.dataset.theme = theme.value;
}

function chosen(): Theme | null {
  const kept = localStorage.getItem(KEPT);
  return kept === "light" || kept === "dark" ? kept : null;
}

function ofSystem(): Theme {
  return system.matches ? "dark" : "light";
}
