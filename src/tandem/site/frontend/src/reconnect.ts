// A stream that was cut, since a portal node died, is opened again by itself. What changed in between may have been told
// to nobody: whoever listens reads the truth again. `hx-trigger="…, again from:body"` asks for it.
import htmx from "htmx.org";

export function readAgainAfterCuts(): void {
  const opened = new WeakSet<Element>();
  document.addEventListener("htmx:sseOpen", (event) => {
    const root = event.target;
    if (!(root instanceof Element)) return;
    if (opened.has(root)) htmx.trigger(document.body, "again");
    opened.add(root);
  });
}
