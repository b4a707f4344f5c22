// Messages close by their button; good news fades by itself, bad news stays until it is closed.

const GOOD_NEWS_STAYS = 8000;

function close(notice: Element): void {
  notice.classList.add("going");
  // With motion switched off there is no transition whose end could be waited for.
  setTimeout(() => notice.remove(), 150);
}

export function closeMessages(): void {
  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("[data-dismiss]") : null;
    const notice = button?.closest("[data-notice]");
    if (notice) close(notice);
  });
  for (const notice of document.querySelectorAll(".notice-success[data-notice]")) {
    const later = (): void => {
      setTimeout(() => (notice.matches(":hover, :focus-within") ? later() : close(notice)), GOOD_NEWS_STAYS);
    };
    later();
  }
}
