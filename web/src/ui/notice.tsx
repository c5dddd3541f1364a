/** One line at a time for what has just happened, read aloud by screen readers. */

import { useEffect } from "preact/hooks";

import { notice, spoken } from "../state";

const SHOWN_MS = 6000;

export function Notice() {
  const words = notice.value;
  useEffect(() => {
    if (!words) return;
    const later = setTimeout(() => (notice.value = ""), SHOWN_MS);
    return () => clearTimeout(later);
  }, [words]);
  return (
    <>
      <div class="notice" role="status" data-shown={words !== ""}>{words}</div>
      <div class="unseen" role="status">{spoken.value}</div>
    </>
  );
}
