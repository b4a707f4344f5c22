"""Every page that there is, in light and dark, on a desk and on a phone: axe-core finds nothing serious, nothing has to
be scrolled sideways, and all of it can be reached with the tab key and seen to be.

The pages come from the URL map: a new one cannot be forgotten. What is done by keyboard is in `test_keyboard.py`.
"""

import re
from collections import Counter
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from tests.browser.conftest import DESK, PHONE, settled
from tests.browser.keyboard import CLICKABLE, is_seen, stops
from tests.browser.portal import Portal, pages

pytestmark = pytest.mark.browser

# What W3C asks for at level A and AA, and what axe's authors call good practice.
RULES = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
# The rest does not depend on colours.
COLOURS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
GRAVE = ("serious", "critical")
LOOK = """async (rules) => {
  const found = await axe.run(document, { runOnly: rules, resultTypes: ["violations"] });
  return found.violations.map((one) => ({
    id: one.id, impact: one.impact, help: one.help,
    nodes: one.nodes.slice(0, 4).map((node) => `${node.target.join(" ")}: ${node.failureSummary}`),
  }));
}"""


def troubles(page: Page, where: str) -> list[str]:
    """What is gravely wrong with a page as it stands, in light and in dark."""
    found = []
    for scheme, rules in (("dark", COLOURS), ("light", RULES)):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        expect(page.locator(f"html[data-bs-theme={scheme}]")).to_be_attached()
        for one in page.evaluate(LOOK, rules):
            if one["impact"] in GRAVE:
                words = "\n  ".join([f"{one['id']} ({one['impact']}): {one['help']}", *one["nodes"]])
                found.append(f"{where}, {scheme}: {words}")
    sideways = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if sideways > 0:
        found.append(f"{where}: {sideways} px wider than the window")
    return found


def unreached(page: Page, where: str) -> list[str]:
    """What the tab key does not lead to, or where one would not see that it did."""
    found = stops(page)
    hidden = [stop["name"] for stop in found if not is_seen(stop)]
    missed = Counter(page.evaluate(CLICKABLE)) - Counter(stop["name"] for stop in found)
    return [
        *(f"{where}: the focus cannot be seen on {name}" for name in hidden),
        *(f"{where}: the focus never comes to {name}" for name in missed),
    ]


def on_desk_and_phone(page: Page, address: str, *, walk: bool) -> list[str]:
    """Everything that is wrong with a page; `walk`: go through it with the tab key, too."""
    page.goto(address)
    found = []
    for viewport in (DESK, PHONE):
        page.set_viewport_size(viewport)  # type: ignore[arg-type]
        settled(page)
        where = f"{address} at {viewport['width']} px"
        found += troubles(page, where)
        found += unreached(page, where) if walk else []
    return found


def test_no_page_has_a_grave_fault(open_portal: Callable[..., Page], portal: Portal) -> None:
    page, found = open_portal(portal.world.administrator), []
    for all_of_route in pages(portal.world).values():
        for number, address in enumerate(all_of_route):
            found += on_desk_and_phone(page, address, walk=number == 0)
    found += on_desk_and_phone(page, "/no/such/page", walk=True)
    page = open_portal(portal.world.newcomer)
    for address in ("/", "/jobs/", "/spoolers/", "/people/"):
        found += [f"to a newcomer: {words}" for words in on_desk_and_phone(page, address, walk=False)]
    page = open_portal()
    for address in ("/sign-in", "/link"):
        found += [f"to nobody: {words}" for words in on_desk_and_phone(page, address, walk=True)]
    assert not found, "\n".join(found)


def test_what_opens_on_a_page_has_no_grave_fault(open_portal: Callable[..., Page], portal: Portal) -> None:
    """Menus, dialogs, forms that were filled in wrongly, secrets that are shown once."""
    page, found = open_portal(portal.world.administrator), []

    def look(where: str) -> None:
        settled(page)
        for viewport in (PHONE, DESK):
            page.set_viewport_size(viewport)  # type: ignore[arg-type]
            found.extend(troubles(page, f"{where} at {viewport['width']} px"))

    page.goto("/")
    page.get_by_role("button", name=re.compile("Grace Hopper.*menu")).click()
    look("the person's menu")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Notifications").click()
    expect(page.locator(".notification").first).to_be_visible()
    look("notifications")
    page.keyboard.press("Escape")
    page.get_by_role("searchbox", name="Search", exact=True).fill("wing")
    expect(page.locator("#search-found a").first).to_be_visible()
    found += troubles(page, "what was found")
    page.goto("/jobs/")
    page.get_by_text("More filters").click()
    look("more filters")
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    page.goto("/")
    page.get_by_role("button", name="Open the navigation").click()
    found += troubles(page, "the drawer")
    page.set_viewport_size(DESK)  # type: ignore[arg-type]

    jobs = portal.world.jobs
    for address, opener in (
        ("/people/mia/", "Disable"),
        (f"/jobs/{jobs['RUNNING'].pk}/", "Cancel"),
        (f"/jobs/{jobs['COMPLETED'].pk}/", "Copy as…"),
        (f"/spoolers/{jobs['COMPLETED'].spooler_id}/", "Rename"),
        (f"/spoolers/{jobs['COMPLETED'].spooler_id}/", "Delete"),
        ("/files/", "New folder"),
        ("/files/", "Delete read me.txt"),
        ("/applications/job-submission/", "Pick Execution Directory on the cluster"),
    ):
        page.goto(address)
        page.get_by_role("button", name=opener).first.click()
        expect(page.get_by_role("dialog")).to_be_visible()
        look(f"{opener} of {address}")

    page.goto("/people/mia/")
    page.get_by_role("button", name="Make a reset link").click()
    expect(page.locator("#new-link")).to_be_visible()
    look("a one-time link")

    page.goto("/people/add")
    page.get_by_role("textbox", name="Name", exact=True).fill("Not A Name")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator(".field-error").first).to_be_visible()
    look("a form with errors")

    page.goto("/account/")
    page.get_by_label("What for").fill("a program")
    page.get_by_role("button", name="Make a token").click()
    expect(page.get_by_text("Copy the token now.")).to_be_visible()
    look("a new token")

    page.goto("/api/v1/docs")
    page.locator("summary").first.click()
    look("an operation of the API")
    page.goto("/jobs/?search=there-is-no-such-job")
    look("nothing found")
    page.goto("/files/?path=/efs/there/is/nothing")
    look("a folder that is not there")
    assert not found, "\n".join(found)
