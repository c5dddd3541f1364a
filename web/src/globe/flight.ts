/** A wish to look at a place, for parts of the page that don't know the globe. */

import { signal } from "@preact/signals";

export const destination = signal<{ latitude: number; longitude: number; cell?: string } | null>(null);

export function flyTo(place: { latitude: number; longitude: number; cell?: string }): void {
  destination.value = { ...place }; // a new object each time, so that the same place is flown to again
}
