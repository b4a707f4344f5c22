// Live things change in place with a short fade: mark them `data-live` and give them an id. Only what differs fades.

const before = new Map<string, string>();

function live(root: ParentNode): HTMLElement[] {
  return [...root.querySelectorAll<HTMLElement>("[data-live][id]")];
}

/** What a reader would call a change: not that a time counted on. */
function words(element: HTMLElement): string {
  const copy = element.cloneNode(true) as HTMLElement;
  for (const time of copy.querySelectorAll("time")) time.remove();
  return copy.textContent?.trim() ?? "";
}

export function fadeWhatChanged(): void {
  document.addEventListener("htmx:beforeSwap", () => {
    for (const element of live(document)) before.set(element.id, words(element));
  });
  document.addEventListener("htmx:afterSwap", () => {
    for (const element of live(document)) {
      const old = before.get(element.id);
      if (old !== undefined && old !== words(element)) {
        element.classList.remove("changed");
        // Reading a measure lets the animation start again.
        void element.offsetWidth;
        element.classList.add("changed");
      }
    }
    before.clear();
  });
}
