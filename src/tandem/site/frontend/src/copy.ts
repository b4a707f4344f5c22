// Copy buttons: <button data-copy="what to copy">, or <button data-copy-from="id of what has it as its text">. The icon turns into a tick for a moment.

const SHOWN_FOR = 1600;

async function copy(button: HTMLElement): Promise<void> {
  const source = document.getElementById(button.dataset.copyFrom ?? "");
  try {
    await navigator.clipboard.writeText(source?.textContent ?? button.dataset.copy ?? "");
  } catch {
    // Without the right to the clipboard the text can still be selected by hand.
    const text = source ?? button.parentElement?.querySelector("code");
    if (text) getSelection()?.selectAllChildren(text);
    return;
  }
  const label = button.getAttribute("aria-label");
  button.classList.add("copied");
  button.setAttribute("aria-label", "Copied");
  setTimeout(() => {
    button.classList.remove("copied");
    if (label === null) button.removeAttribute("aria-label");
    else button.setAttribute("aria-label", label);
  }, SHOWN_FOR);
}

export function listenForCopies(): void {
  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-copy], [data-copy-from]") : null;
    if (button) void copy(button);
  });
}
