// Dialogs are the browser's own <dialog>. `data-dialog="id"` opens one; one marked `data-dialog-opens` opens by itself
// when htmx has put something into it; `data-dialog-close` closes the one it stands in, and may name what gets the focus.

interface Settled {
  target?: Element;
  requestConfig?: { elt: Element };
}

function focusOn(id: string): void {
  const field = document.getElementById(id);
  field?.closest("details")?.setAttribute("open", "");
  field?.focus();
}

// The browser gives the focus back to what opened a dialog, but not to the like of it that has taken its place.
function show(dialog: HTMLDialogElement, opener: Element | null): void {
  dialog.showModal();
  const giveBack = () => {
    const focused = document.activeElement ?? document.body;
    if (opener?.id && (focused === document.body || dialog.contains(focused))) document.getElementById(opener.id)?.focus();
  };
  dialog.addEventListener("close", giveBack, { once: true });
}

export function runDialogs(): void {
  document.addEventListener("click", (event) => {
    if (!(event.target instanceof Element)) return;
    const opener = event.target.closest<HTMLElement>("[data-dialog]");
    const dialog = opener && document.getElementById(opener.dataset.dialog ?? "");
    if (dialog instanceof HTMLDialogElement) show(dialog, opener);
    // What is clicked beside a dialog's content, on its backdrop, is the dialog itself.
    if (event.target instanceof HTMLDialogElement) event.target.close();
    const closer = event.target.closest<HTMLElement>("[data-dialog-close]");
    if (closer) {
      closer.closest("dialog")?.close();
      if (closer.dataset.focus) focusOn(closer.dataset.focus);
    }
  });
  // Only then: as the last of it, htmx sets the focus, which may have gone on in a dialog that is open already.
  document.addEventListener("htmx:afterSettle", (event) => {
    // When an earlier page comes back, no element asked for it.
    const { target: swapped, requestConfig } = (event as CustomEvent<Settled>).detail;
    const target = swapped ?? (event.target as Element);
    const dialog = target.closest<HTMLDialogElement>("dialog[data-dialog-opens]");
    if (dialog && !dialog.open) show(dialog, requestConfig?.elt ?? null);
  });
}
