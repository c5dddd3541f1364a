/** Regions in the reader's words: a country, a box, or a circle. */

import { box, circle } from "./sphere";
import { constraints, countries, type Constraint } from "./state";
import type { Country } from "./types";
import { askAgain } from "./locating";

const NUMBER = String.raw`\s*([+-]?(?:\d+\.?\d*|\.\d+))\s*`;
const BOX = new RegExp(`^${[NUMBER, NUMBER, NUMBER, NUMBER].join(",")}$`);
const CIRCLE = new RegExp(`^${NUMBER}km\\s+around${NUMBER},${NUMBER}$`, "i");
const SUGGESTED = 8;

export function confine(region: Constraint): void {
  if (constraints.peek().some(({ text }) => text === region.text)) return;
  constraints.value = [...constraints.peek(), region];
  askAgain();
}

export function release(region: Constraint): void {
  constraints.value = constraints.peek().filter((one) => one !== region);
  askAgain();
}

/** The region that is meant; null if it is none that is known. The server has the last word. */
export function understood(text: string): Constraint | null {
  const words = text.trim();
  const sides = BOX.exec(words)?.slice(1).map(Number);
  if (sides) return { label: `Box ${words}`, text: words, line: box(...(sides as [number, number, number, number])) };
  const round = CIRCLE.exec(words)?.slice(1).map(Number);
  if (round) {
    const [km, latitude, longitude] = round as [number, number, number];
    return { label: words, text: words, line: circle(latitude, longitude, km) };
  }
  const country = countries.peek().find(({ name, code }) => same(name, words) || (code !== null && same(code, words)));
  return country ? ofCountry(country) : null;
}

export function ofCountry({ name }: Country): Constraint {
  return { label: name, text: name, line: null };
}

/** Countries whose name holds the text, those that begin with it first. */
export function suggested(text: string): Country[] {
  const wanted = plain(text.trim());
  if (!wanted) return [];
  const at = ({ name }: Country) => plain(name).indexOf(wanted);
  const found = countries.value.filter((country) => at(country) >= 0);
  return found.sort((a, b) => Math.sign(at(a)) - Math.sign(at(b)) || a.name.localeCompare(b.name)).slice(0, SUGGESTED);
}

function same(a: string, b: string): boolean {
  return plain(a) === plain(b);
}

function plain(text: string): string {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
}
