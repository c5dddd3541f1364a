/** Places, distances and shares as people write them; as `graticule.earth.notation` does. */

export function formatPlace(latitude: number, longitude: number, decimals = 1): string {
  const north = latitude >= 0 ? "N" : "S";
  const east = longitude >= 0 ? "E" : "W";
  return `${Math.abs(latitude).toFixed(decimals)}° ${north}, ${Math.abs(longitude).toFixed(decimals)}° ${east}`;
}

/** Two or three figures, so that it claims no more than it knows. */
export function formatKm(km: number): string {
  if (km < 10) return `${km.toFixed(1)} km`;
  return `${grouped(km < 1000 ? Math.round(km) : 10 * Math.round(km / 10))} km`;
}

export function formatKm2(km2: number): string {
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(Math.max(1, km2))) - 1);
  return `${grouped(unit * Math.round(km2 / unit))} km²`;
}

/** Two figures at most, and never 0 for what is not. */
export function formatShare(probability: number): string {
  const percent = 100 * probability;
  if (percent >= 99.5 && probability < 1) return "> 99 %";
  if (percent >= 10) return `${percent.toFixed(0)} %`;
  return percent >= 0.1 ? `${percent.toFixed(1)} %` : "< 0.1 %";
}

export function grouped(number: number): string {
  return number.toLocaleString("en-GB");
}

/** The same words, whose percentages are not torn apart at a line's end. */
export function unbroken(words: string): string {
  return words.replace(/(\d) (%|km)/g, "$1\u00a0$2");
}

/** A path without its folders. */
export function baseName(path: string): string {
  return path.split(/[\\/]/).at(-1) || path;
}

/** `1 picture`, `2 pictures`. */
export function counted(number: number, thing: string): string {
  return `${grouped(number)} ${thing}${number === 1 ? "" : "s"}`;
}
