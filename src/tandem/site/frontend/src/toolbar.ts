// The toolbar of a list (`site/list_toolbar.html`): addresses without empty fields, and nothing asked for twice.

interface Asked {
  elt: Element;
  path: string;
  verb: string;
  parameters: Record<string, unknown>;
}

function closeFields(except: Element | null): void {
  for (const open of document.querySelectorAll<HTMLDetailsElement>("details[data-closes][open]")) {
    if (open !== except) open.open = false;
  }
}

export function runToolbars(): void {
  document.addEventListener("htmx:configRequest", (event) => {
    const asked = (event as CustomEvent<Asked>).detail;
    if (asked.elt.id !== "list-toolbar") return;
    const wanted = new URLSearchParams();
    for (const [name, value] of Object.entries(asked.parameters)) {
      if (value === "") delete asked.parameters[name];
      else wanted.append(name, String(value));
    }
    // The same question again, as when a field is left after it was changed: the answer is there.
    const now = new URLSearchParams(location.search);
    now.delete("cursor");
    now.sort();
    wanted.sort();
    if (now.toString() === wanted.toString()) event.preventDefault();
  });
  document.addEventListener("click", (event) => {
    closeFields(event.target instanceof Element ? event.target.closest("details[data-closes]") : null);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const open = document.querySelector<HTMLDetailsElement>("details[data-closes][open]");
    if (open?.contains(document.activeElement)) open.querySelector("summary")?.focus();
    closeFields(null);
  });
}
