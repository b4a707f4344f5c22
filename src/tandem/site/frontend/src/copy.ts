// Copy buttons: <button data-copy="what to copy">. The icon turns into a tick for a moment.

const SHOWN_FOR = 1600;

async function copy(button: HTMLElement): Promise<void> {
  try {
    await navigator.clipboard.writeText(button.dataset.copy ?? "");
  } catch {
    // Without the right to the clipboard the text can still be selected by hand.
    const text = button.parentElement?.querySelector("code");
    if (text) getSelection()?.selectAllChildren(text);
    return;
  }
  const label = button.getAttribute("aria-label") ?? "Copy";
  button.classList.add("copied");
  button.setAttribute("aria-label", "Copied");
  setTimeout(() => {
    button.classList.remove("copied");
    button.setAttribute("aria-label", label);
  }, SHOWN_FOR);
}

export function listenForCopies(): void {
  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-copy]") : null;
    if (button) void copy(button);
  });
}
