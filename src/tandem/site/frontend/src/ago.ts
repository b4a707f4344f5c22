// Relative times go on counting. `site/templatetags/tandem.py` says the same words when it makes the page.

// The server's clock, as the page brought it along: the reader's may be wrong.
const offset = Date.now() - Date.parse(document.documentElement.dataset.now ?? new Date().toISOString());

/** What is past is rounded down and what is to come is rounded up: 30 days from a moment ago are 30 days. */
function span(seconds: number, whole = Math.floor): string {
  for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"]] as const) {
    if (seconds >= size) return `${whole(seconds / size)} ${unit}`;
  }
  return `${Math.max(1, whole(seconds))} s`;
}

export function inWords(seconds: number): string {
  if (seconds < 0) return `in ${span(-seconds, Math.ceil)}`;
  return seconds < 1 ? "now" : `${span(seconds)} ago`;
}

export function updateTimes(): void {
  const now = Date.now() - offset;
  for (const element of document.querySelectorAll<HTMLTimeElement>("time[data-ago]")) {
    const seconds = (now - Date.parse(element.dateTime)) / 1000;
    // What happened is never ahead, whatever the clocks say; `any` is for when something is over.
    const words = inWords(element.dataset.ago === "any" ? seconds : Math.max(0, seconds));
    if (element.textContent !== words) element.textContent = words;
  }
}

export function keepTimesCounting(): void {
  updateTimes();
  setInterval(updateTimes, 1000);
  document.addEventListener("htmx:afterSettle", updateTimes);
}
