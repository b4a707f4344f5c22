// The search of the top bar: `/` leads to it from anywhere, the arrow keys through what it found.

function isTyping(element: Element | null): boolean {
  return element instanceof HTMLElement && (element.isContentEditable || element.matches("input, textarea, select"));
}

function step(found: HTMLElement, field: HTMLElement, by: number): void {
  const stops = [field, ...found.querySelectorAll<HTMLElement>("a")];
  const at = stops.findIndex((stop) => stop === document.activeElement);
  stops.at((at + by) % stops.length)?.focus();
}

export function runSearch(): void {
  const field = document.getElementById("search");
  const found = document.getElementById("search-found");
  const place = field?.closest<HTMLElement>(".search");
  if (!field || !found || !place) return;
  document.addEventListener("keydown", (event) => {
    const other = event.ctrlKey || event.metaKey || event.altKey || isTyping(document.activeElement);
    if (event.key !== "/" || other || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    field.focus();
  });
  place.addEventListener("keydown", (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by) {
      event.preventDefault();
      step(found, field, by);
    } else if (event.key === "Escape" && found.childElementCount) {
      // The first time it puts the list away, and leaves the words.
      event.preventDefault();
      found.replaceChildren();
      field.focus();
    }
  });
  // Some browsers take the focus from the field for a click on a link, and give it to nothing: the link must not go.
  found.addEventListener("mousedown", (event) => event.preventDefault());
  // What nobody looks at any more is not in the way.
  place.addEventListener("focusout", (event) => {
    if (!(event.relatedTarget instanceof Node) || !place.contains(event.relatedTarget)) found.replaceChildren();
  });
}
