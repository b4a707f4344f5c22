// What htmx fetched and did not get. A poll that fails marks what it feeds as old and tries again; anything that a person
// asked for becomes a message.

interface Swap {
  target: HTMLElement;
  shouldSwap: boolean;
  isError: boolean;
  xhr: XMLHttpRequest;
  requestConfig: { elt: HTMLElement };
}

function isPoll(element: Element | null): element is HTMLElement {
  if (!(element instanceof HTMLElement)) return false;
  return /\bevery\b/.test(element.getAttribute("hx-trigger") ?? "") || element.dataset.liveRows !== undefined;
}

function say(text: string): void {
  const toasts = document.getElementById("toasts");
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
    if (!isPoll(asked)) return;
    const failed = swap.xhr.status >= 400;
    asked.classList.toggle("stale", failed);
    if (failed) swap.shouldSwap = false;
  });
  document.addEventListener("htmx:sendError", (event) => {
    const asked = (event as CustomEvent<{ elt: Element }>).detail.elt;
    if (isPoll(asked)) asked.classList.add("stale");
    else say("The portal did not answer. Nothing is known to be changed: try again in a few seconds.");
  });
}
