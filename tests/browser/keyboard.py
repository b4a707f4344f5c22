"""What the tab key leads to, and how it is seen."""

import re
from typing import Any

from playwright.sync_api import Page

MOST_STOPS = 200
# What an element is called, about as a screen reader says it. Times count on.
NAME = """(one) => `${one.tagName} ${(one.getAttribute("aria-label") || one.labels?.[0]?.textContent || one.textContent
  || one.name || one.id).replace(/\\d+ (s|min|h|d)( ago)?|now/g, "").trim().replace(/\\s+/g, " ")}`"""
FOCUS = f"""(part) => {{
  const name = {NAME}, one = document.activeElement;
  if (!one || one === document.body) return null;
  const box = one.getBoundingClientRect();
  // What is too small to be seen itself may be shown by what it stands in, as a file field by its button.
  const styles = [one, one.parentElement].map((shown) => getComputedStyle(shown));
  return {{
    name: name(one),
    inPart: !part || one.closest(part) !== null,
    ring: styles.some((style) => (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0)
      || style.boxShadow !== "none"),
    inView: box.width > 0 && box.height > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0
      && box.left < innerWidth,
  }};
}}"""
# All of a part that can be clicked, as far as it is shown: what is in a closed menu or dialog is not.
CLICKABLE = f"""(part) => [...document.querySelectorAll("a[href], button, input, select, textarea, summary")]
  .filter((one) => one.closest(part))
  .filter((one) => !one.disabled && one.type !== "hidden" && one.checkVisibility({{ visibilityProperty: true }}))
  .filter((one) => one.getAttribute("role") !== "tab" || one.getAttribute("aria-selected") === "true")
  .map({NAME})"""


def focus(page: Page, part: str | None = None) -> dict[str, Any] | None:
    """What has the focus: its name, whether that is seen, whether it is in view, whether in this part. None: nothing of
    the page.
    """
    found: dict[str, Any] | None = page.evaluate(FOCUS, part)
    return found


def is_seen(stop: dict[str, Any]) -> bool:
    """Whether somebody who looks at the page sees where the focus is."""
    return bool(stop["ring"] and stop["inView"])


def stops(page: Page, part: str) -> list[dict[str, Any]]:
    """Where the focus comes to on the way through the whole `body`, or through `main`, with the tab key."""
    if part == "body":
        page.locator("a, button, input").first.focus()
    else:
        page.locator(part).focus()
        page.keyboard.press("Tab")
    found: list[dict[str, Any]] = []
    for _ in range(MOST_STOPS):
        stop = focus(page, part)
        # Behind the last one, the focus leaves the page or begins again.
        if stop is None or not stop["inPart"] or (found and stop["name"] == found[0]["name"]):
            return found
        found.append(stop)
        page.keyboard.press("Tab")
    raise AssertionError(f"the focus is caught: {[stop['name'] for stop in found[-6:]]}")


def tab_to(page: Page, words: str, key: str = "Tab") -> None:
    """Press the tab key until the focus is on what is called so; it must be seen that it is."""
    passed = []
    for _ in range(MOST_STOPS):
        page.keyboard.press(key)
        stop = focus(page)
        passed.append(stop["name"] if stop else "")
        if stop and re.search(words, stop["name"].partition(" ")[2]):
            assert is_seen(stop), f"it cannot be seen that the focus is on {stop['name']}"
            return
    raise AssertionError(f"the focus never comes to {words}, but to {passed}")
