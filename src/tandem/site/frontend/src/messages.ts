// Messages close by their button; good news fades by itself, bad news stays until it is closed.

const GOOD_NEWS = ".notice-success[data-notice]";
const GOOD_NEWS_STAYS = 8000;

function close(notice: Element): void {
  notice.classList.add("going");
  // With motion switched off there is no transition whose end could be waited for.
  setTimeout(() => notice.remove(), 150);
}

function closeLater(notice: Element): void {
  setTimeout(() => (notice.matches(":hover, :focus-within") ? closeLater(notice) : close(notice)), GOOD_NEWS_STAYS);
}

export function closeMessages(): void {
  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("[data-dismiss]") : null;
    const notice = button?.closest("[data-notice]");
    if (notice) close(notice);
  });
  for (const notice of document.querySelectorAll(GOOD_NEWS)) closeLater(notice);
  const toasts = document.getElementById("toasts");
  if (!toasts) return;
  new MutationObserver((changes) => {
    for (const notice of changes.flatMap((change) => [...change.addedNodes])) {
      if (notice instanceof Element && notice.matches(GOOD_NEWS)) closeLater(notice);
    }
  }).observe(toasts, { childList: true });
}
