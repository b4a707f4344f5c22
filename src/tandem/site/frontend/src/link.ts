// A one-time link: its secret stands behind `#`, where no server and no other page sees it. It is taken out of the
// address, and so out of the browser's history, and sent in the body of a request.
import htmx from "htmx.org";

export function openOneTimeLink(): void {
  const place = document.querySelector<HTMLElement>("[data-one-time-link]");
  const secret = location.hash.slice(1);
  if (!place || !secret) return;
  history.replaceState(null, "", location.pathname);
  const token = place.querySelector<HTMLInputElement>("[name=csrfmiddlewaretoken]")?.value ?? "";
  void htmx.ajax("post", place.dataset.oneTimeLink ?? "", {
    target: place,
    swap: "innerHTML",
    values: { secret, csrfmiddlewaretoken: token },
  });
}
