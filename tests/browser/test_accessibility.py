"""Every page that there is, in light and dark, on a desk and on a phone: axe-core finds nothing serious, nothing has to
be scrolled sideways, and all of it can be reached with the tab key and seen to be.

The pages come from the URL map: a new one cannot be forgotten. What is done by keyboard is in `test_keyboard.py`.
"""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Page, ViewportSize, expect
from tests.browser.conftest import DESK, PHONE, settled
from tests.browser.keyboard import CLICKABLE, is_seen, stops
from tests.browser.portal import Portal, pages

from tandem.accounts.models import Person

pytestmark = pytest.mark.browser

AXE = Path(__file__).parents[2] / "build/frontend/node_modules/axe-core/axe.min.js"

# What W3C asks for at level A and AA, and what axe's authors call good practice.
RULES = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
# The rest does not depend on colours.
COLOURS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
GRAVE = ("serious", "critical")
# Each differs from the one before in one thing; the next page begins where this one ends.
WAYS: tuple[tuple[ViewportSize, Literal["light", "dark"]], ...] = (
    (DESK, "light"),
    (DESK, "dark"),
    (PHONE, "dark"),
    (PHONE, "light"),
)
# Left out but for the first way: the frame, which is looked at in all ways on the first page, and all but three of each
# kind of what one template makes a hundred of.
ALIKE = [".sidebar", ".topbar", ".api-part:nth-of-type(n+4)"]
LOOK = """async ([include, exclude, rules]) => {
  const context = { include: [include], exclude };
  const found = await axe.run(context, { runOnly: rules, resultTypes: ["violations"], preload: false });
  return found.violations.map((one) => ({
    id: one.id, impact: one.impact, help: one.help,
    nodes: one.nodes.slice(0, 4).map((node) => `${node.target.join(" ")}: ${node.failureSummary}`),
  }));
}"""
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture
def open_page(open_portal: Callable[..., Page]) -> Callable[..., Page]:
    """Opens a page of the portal that axe-core can look at."""

    def open_one(person: Person | None = None) -> Page:
        page = open_portal(person)
        page.context.add_init_script(path=AXE)
        page.emulate_media(color_scheme="light")
        return page

    return open_one


def faults(page: Page, where: str, part: str = "html", *, walk: str = "") -> list[str]:
    """What is gravely wrong with a page, or a part of it, as it stands: in light and dark, on a desk and on a phone.
    `walk`: go through this part of it with the tab key, too.
    """
    found = []
    for viewport, scheme in WAYS if page.viewport_size == DESK else reversed(WAYS):
        if page.viewport_size != viewport:
            page.set_viewport_size(viewport)
        page.emulate_media(color_scheme=scheme)
        expect(page.locator(f"html[data-bs-theme={scheme}]")).to_be_attached()
        settled(page)
        here = f"{where} at {viewport['width']} px, {scheme}"
        exclude = [] if part != "html" or walk == "body" or (viewport, scheme) == WAYS[0] else ALIKE
        for one in page.evaluate(LOOK, [part, exclude, RULES if scheme == "light" else COLOURS]):
            if one["impact"] in GRAVE:
                words = "\n  ".join([f"{one['id']} ({one['impact']}): {one['help']}", *one["nodes"]])
                found.append(f"{here}: {words}")
        if scheme == "light":
            sideways = page.evaluate(SIDEWAYS)
            found += [f"{here}: {sideways} px wider than the window"] if sideways > 0 else []
            found += unreached(page, here, walk) if walk else []
    return found


def unreached(page: Page, where: str, part: str) -> list[str]:
    """What the tab key does not lead to, or where one would not see that it did."""
    found = stops(page, part)
    hidden = [stop["name"] for stop in found if not is_seen(stop)]
    missed = Counter(page.evaluate(CLICKABLE, part)) - Counter(stop["name"] for stop in found)
    return [
        *(f"{where}: the focus cannot be seen on {name}" for name in hidden),
        *(f"{where}: the focus never comes to {name}" for name in missed),
    ]


def test_no_page_has_a_grave_fault(open_page: Callable[..., Page], portal: Portal) -> None:
    page, found = open_page(portal.world.administrator), []

    def look(address: str, who: str, *, walk: str = "") -> None:
        page.goto(address)
        found.extend(faults(page, f"{address} as {who} sees it", walk=walk))

    for all_of_route in pages(portal.world).values():
        for number, address in enumerate(all_of_route):
            # What frames every page is gone through once.
            look(address, "an administrator", walk="" if number else "body" if address == "/" else "main")
    look("/no/such/page", "an administrator", walk="main")
    page = open_page(portal.world.newcomer)
    for address in ("/", "/jobs/", "/spoolers/", "/people/"):
        look(address, "a newcomer")
    page = open_page()
    for address in ("/sign-in", "/link"):
        look(address, "nobody", walk="body")
    assert not found, "\n".join(found)


def test_what_opens_on_a_page_has_no_grave_fault(open_page: Callable[..., Page], portal: Portal) -> None:
    """Menus, dialogs, forms that were filled in wrongly, secrets shown once; not what they open on, again."""
    page, found = open_page(portal.world.administrator), []

    page.goto("/")
    page.get_by_role("button", name=re.compile("Grace Hopper.*menu")).click()
    found += faults(page, "the person's menu", "#person-menu")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Notifications").click()
    expect(page.locator(".notification").first).to_be_visible()
    found += faults(page, "notifications", "#notifications")
    page.keyboard.press("Escape")
    page.set_viewport_size(DESK)
    page.get_by_role("searchbox", name="Search", exact=True).fill("wing")
    expect(page.locator("#search-found a").first).to_be_visible()
    found += faults(page, "what was found", ".topbar")
    page.set_viewport_size(PHONE)
    page.goto("/")
    page.get_by_role("button", name="Open the navigation").click()
    found += faults(page, "the drawer", ".sidebar")
    page.goto("/jobs/")
    page.get_by_text("More filters").click()
    found += faults(page, "more filters", "#list-toolbar")

    jobs = portal.world.jobs
    for address, *openers in (
        ("/people/mia/", "Disable"),
        (f"/jobs/{jobs['RUNNING'].pk}/", "Cancel"),
        (f"/jobs/{jobs['COMPLETED'].pk}/", "Copy as…"),
        (f"/spoolers/{jobs['COMPLETED'].spooler_id}/", "Rename", "Delete"),
        ("/files/", "New folder", "Delete read me.txt"),
        ("/applications/job-submission/", "Pick Execution Directory on the cluster"),
    ):
        page.goto(address)
        for opener in openers:
            page.get_by_role("button", name=opener).first.click()
            expect(page.get_by_role("dialog")).to_be_visible()
            found += faults(page, f"{opener} of {address}", "dialog[open]")
            page.keyboard.press("Escape")
            expect(page.get_by_role("dialog")).to_be_hidden()

    page.goto("/people/mia/")
    page.get_by_role("button", name="Make a reset link").click()
    expect(page.locator("#new-link")).to_be_visible()
    found += faults(page, "a one-time link", "main")

    page.goto("/people/add")
    page.get_by_role("textbox", name="Name", exact=True).fill("Not A Name")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator(".field-error").first).to_be_visible()
    found += faults(page, "a form with errors", "main")

    page.goto("/account/")
    page.get_by_label("What for").fill("a program")
    page.get_by_role("button", name="Make a token").click()
    expect(page.get_by_text("Copy the token now.")).to_be_visible()
    found += faults(page, "a new token", "main")

    page.goto("/api/v1/docs")
    page.locator("summary").first.click()
    found += faults(page, "an operation of the API", "details[open]")
    page.goto("/jobs/?search=there-is-no-such-job")
    found += faults(page, "nothing found", "main")
    page.goto("/files/?path=/efs/there/is/nothing")
    found += faults(page, "a folder that is not there", "main")
    assert not found, "\n".join(found)
