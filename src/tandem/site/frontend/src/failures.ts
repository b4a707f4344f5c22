// What htmx fetched and did not get. A poll that fails marks what it feeds as old and tries again; anything that a person
// asked for becomes a message.

interface Swap {
  target: HTMLElement;
  shouldSwap: boolean;
  isError: boolean;
  xhr: XMLHttpRequest;
  requestConfig: { elt: HTMLElement };
}

const SILENT = "The portal did not answer. Nothing is known to be changed: try again in a few seconds.";

function isPoll(element: Element | null): element is HTMLElement {
  if (!(element instanceof HTMLElement)) return false;
  return /\bevery\b/.test(element.getAttribute("hx-trigger") ?? "") || element.dataset.liveRows !== undefined;
}

// While a dialog is open, what stands outside of it is behind its backdrop and out of reach: messages go into it.
function placeForMessages(): HTMLElement | null {
  const toasts = document.getElementById("toasts");
  const place = document.querySelector("dialog[open]") ?? document.body;
  if (toasts && toasts.parentElement !== place) place.append(toasts);
  return toasts;
}

function say(text: string): void {
  const toasts = placeForMessages();
  if (!toasts) return;
  const notice = document.createElement("div");
  notice.className = "notice notice-danger";
  notice.dataset.notice = "";
  const words = document.createElement("div");
  words.textContent = text;
  const close = document.createElement("button");
  close.type = "button";
  close.className = "btn-plain";
  close.dataset.dismiss = "";
  close.setAttribute("aria-label", "Close this message");
  close.textContent = "×";
  notice.append(words, close);
  toasts.replaceChildren(notice);
}

export function tellWhatFailed(): void {
  document.addEventListener("htmx:beforeSwap", (event) => {
    const swap = (event as CustomEvent<Swap>).detail;
    const asked = swap.requestConfig.elt;
    const failed = swap.xhr.status >= 400;
    if (isPoll(asked)) {
      asked.classList.toggle("stale", failed);
      if (failed) swap.shouldSwap = false;
    } else if (failed && swap.xhr.getResponseHeader("HX-Retarget") === "#toasts") {
      // The portal's own words, which htmx leaves out of the page unless it is told to put them there.
      placeForMessages();
      swap.shouldSwap = true;
    } else if (failed) {
      // Those of whoever stands before it, which are a page.
      say(SILENT);
    }
  });
  document.addEventListener(
    "close",
    (event) => {
      const toasts = document.getElementById("toasts");
      if (toasts && event.target instanceof HTMLDialogElement && event.target.contains(toasts)) document.body.append(toasts);
    },
    true,
  );
  document.addEventListener("htmx:sendError", (event) => {
    const asked = (event as CustomEvent<{ elt: Element }>).detail.elt;
    if (isPoll(asked)) asked.classList.add("stale");
    else say(SILENT);
  });
}
