"""What people do here, done by keyboard alone; and where the focus is meanwhile."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from tests.browser.conftest import PHONE, settled
from tests.browser.keyboard import focus, tab_to
from tests.browser.portal import Portal
from tests.browser.world import PASSWORD

from tandem.jobs.models import Job

pytestmark = pytest.mark.browser

# What a page does when its stream of events is back after a cut: it reads again what may have changed.
AGAIN = "htmx.trigger(document.body, 'again')"
SEARCH = "Name, project, id, id on its cluster"


def press(page: Page, *keys: str) -> None:
    """One after the other."""
    for key in keys:
        page.keyboard.press(key)


def focused(page: Page) -> str:
    """What has the focus is called so."""
    stop = focus(page)
    return stop["name"].partition(" ")[2] if stop else ""


def stays_in(page: Page, container: str, presses: int) -> None:
    """The tab key leads round within this part of the page, and out of the page at most."""
    for key in ("Tab", "Shift+Tab"):
        for _ in range(presses):
            page.keyboard.press(key)
            inside = page.evaluate(
                "(where) => document.activeElement === document.body || !!document.activeElement.closest(where)",
                container,
            )
            assert inside, f"the focus left {container} for {focused(page)}"


def test_a_job_is_submitted_watched_and_cancelled_without_a_mouse(
    open_portal: Callable[..., Page], portal: Portal
) -> None:
    page = open_portal()
    page.goto("/")
    expect(page.get_by_label("Name")).to_be_focused()
    page.keyboard.type("chief")
    press(page, "Tab")
    page.keyboard.type(PASSWORD)
    press(page, "Enter")
    expect(page.get_by_role("heading", name="Home")).to_be_visible()

    press(page, "Tab")
    assert focused(page) == "Skip to the content"
    press(page, "Enter", "Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null"), "the skip link leads into the content"
    tab_to(page, "^Applications$", "Shift+Tab")
    press(page, "Enter")
    page.wait_for_url("**/applications/")
    tab_to(page, "Job Submission")
    press(page, "Enter")
    page.wait_for_url("**/applications/job-submission/")

    tab_to(page, "^Pick Application Executable on the cluster$")
    press(page, "Enter")
    dialog = page.get_by_role("dialog", name="On the cluster")
    expect(dialog.get_by_role("button", name="read me.txt")).to_be_visible()
    settled(page)
    stays_in(page, "dialog", 20)
    press(page, "Escape")
    expect(dialog).to_be_hidden()
    assert focused(page) == "Pick Application Executable on the cluster"
    press(page, "Enter")
    expect(dialog).to_be_visible()
    settled(page)
    tab_to(page, "^campaign$")
    press(page, "Enter")
    expect(dialog.get_by_text("This folder is empty")).to_be_visible()
    settled(page)
    tab_to(page, "^chief$")
    press(page, "Enter")
    expect(dialog.get_by_role("button", name="read me.txt")).to_be_visible()
    settled(page)
    tab_to(page, "^read me.txt$")
    press(page, "Enter")
    executable = page.get_by_role("textbox", name="Application Executable")
    expect(executable).to_have_value(re.compile("/home/chief/read me.txt$"))
    expect(executable).to_be_focused()
    press(page, "Control+A")
    page.keyboard.type("/bin/true")
    tab_to(page, "^Submit the job$")
    press(page, "Enter")
    page.wait_for_url(re.compile("/jobs/[0-9a-f-]{36}/"))
    job = Job.objects.get(pk=page.url.rstrip("/").rpartition("/")[2])

    # What changes in place leaves the focus where it is.
    tab_to(page, "^Cancel$")
    Job.objects.filter(pk=job.pk).update(state="RUNNING", cluster="cluster1")
    page.evaluate(AGAIN)
    expect(page.locator("#job-context .state")).to_have_text(re.compile("Running"))
    assert focused(page) == "Cancel"
    press(page, "Enter")
    expect(page.get_by_role("button", name="Keep it")).to_be_focused()
    stays_in(page, "dialog", 4)
    press(page, "Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert focused(page) == "Cancel"
    press(page, "Enter")
    tab_to(page, "^Cancel the job$")
    press(page, "Enter")
    expect(page.locator("#job-context .state")).to_have_text(re.compile("Cancel"))


def test_somebody_is_added_and_given_a_link_without_a_mouse(open_portal: Callable[..., Page], portal: Portal) -> None:
    page = open_portal(portal.world.administrator)
    page.goto("/")
    tab_to(page, "^People$")
    press(page, "Enter")
    page.wait_for_url("**/people/")
    tab_to(page, "^Add a person$")
    press(page, "Enter")
    page.wait_for_url("**/people/add")
    expect(page.get_by_role("textbox", name="Name", exact=True)).to_be_focused()
    page.keyboard.type("ruth")
    tab_to(page, "^Add$")
    press(page, "Enter")
    page.wait_for_url("**/people/ruth/")
    tab_to(page, "^Make an invitation link$")
    press(page, "Enter")
    expect(page.locator("#new-link code")).to_contain_text("/link#")
    tab_to(page, "^Disable$")
    press(page, "Enter")
    expect(page.get_by_role("button", name="Keep it")).to_be_focused()
    press(page, "Escape")
    assert focused(page) == "Disable"


def test_files_are_looked_after_without_a_mouse(open_portal: Callable[..., Page], portal: Portal) -> None:
    page = open_portal(portal.world.administrator)
    page.goto("/files/")
    expect(page.get_by_text("read me.txt")).to_be_visible()
    tab_to(page, "^New folder$")
    press(page, "Enter")
    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    page.keyboard.type("new one")
    press(page, "Enter")
    expect(page.get_by_role("link", name="new one")).to_be_visible()
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert page.evaluate("document.activeElement.closest('main') !== null"), "the focus stays in the page"
    tab_to(page, "^Delete new one$")
    press(page, "Enter")
    expect(page.get_by_role("button", name="Keep it")).to_be_focused()
    press(page, "Escape")
    assert focused(page) == "Delete new one"
    press(page, "Enter")
    expect(page.get_by_role("button", name="Keep it")).to_be_focused()
    press(page, "Tab", "Enter")
    expect(page.get_by_role("link", name="new one")).to_be_hidden()


def test_who_listens_is_told_how_an_upload_ended_and_not_of_every_piece(
    open_portal: Callable[..., Page], portal: Portal
) -> None:
    page = open_portal(portal.world.administrator)
    page.goto("/files/")
    page.evaluate("""() => {
      window.live = [];
      const watch = new MutationObserver((all) => window.live.push(...all.map((one) => one.target.ariaLive)));
      watch.observe(document.getElementById("uploads"), { subtree: true, attributeFilter: ["aria-live"] });
    }""")
    # Nobody takes files here.
    content = {"name": "mesh.bin", "mimeType": "application/octet-stream", "buffer": b"0" * 100_000}
    page.locator(".upload-input").set_input_files([content])  # type: ignore[list-item]
    expect(page.locator(".upload-failed .upload-state")).to_have_attribute("aria-live", "polite")
    assert "off" in page.evaluate("window.live")


def test_lists_are_searched_and_narrowed_without_a_mouse(open_portal: Callable[..., Page], portal: Portal) -> None:
    page = open_portal(portal.world.administrator)
    page.goto("/jobs/")
    tab_to(page, f"^{SEARCH}$")
    page.keyboard.type("degrees")
    expect(page.get_by_role("link", name="by sbatch")).to_be_hidden()
    assert focused(page) == SEARCH
    tab_to(page, "^State$")
    page.keyboard.type("Compl")
    expect(page).to_have_url(re.compile("state=COMPLETED"))
    expect(page.locator("#list tbody tr")).to_have_count(1)
    assert focused(page) == "State"
    tab_to(page, "^More filters$")
    press(page, "Enter")
    tab_to(page, "^Queue$")
    press(page, "Escape")
    assert focused(page) == "More filters"
    tab_to(page, "^Without the filter State")
    press(page, "Enter")
    expect(page).not_to_have_url(re.compile("state="))


def test_menus_and_the_drawer_open_close_and_give_the_focus_back(
    open_portal: Callable[..., Page], portal: Portal
) -> None:
    page = open_portal(portal.world.administrator)
    page.goto("/")
    tab_to(page, "Grace Hopper: menu$")
    press(page, "Enter", "Tab")
    assert focused(page) == "My account"
    press(page, "Escape")
    expect(page.locator("#person-menu")).to_be_hidden()
    assert focused(page).endswith("Grace Hopper: menu")

    page.set_viewport_size(PHONE)
    page.goto("/jobs/")
    settled(page)
    tab_to(page, "^Open the navigation$")
    press(page, "Enter")
    assert focused(page) == "Close the navigation"
    stays_in(page, ".sidebar", 14)
    press(page, "Escape")
    assert focused(page) == "Open the navigation"


def test_the_search_is_led_to_gone_through_and_put_away(open_portal: Callable[..., Page], portal: Portal) -> None:
    page = open_portal(portal.world.administrator)
    page.goto("/clusters/")
    press(page, "/")
    assert focused(page) == "Search"
    page.keyboard.type("degrees")
    found = page.locator("#search-found a")
    expect(found.first).to_be_visible()
    press(page, "ArrowDown")
    expect(found.first).to_be_focused()
    press(page, "Escape")
    expect(found).to_have_count(0)
    assert focused(page) == "Search"
    page.keyboard.type(" ")
    expect(found.first).to_be_visible()
    press(page, "ArrowDown", "Enter")
    page.wait_for_url(re.compile("/jobs/[0-9a-f-]{36}/"))


def test_a_click_among_what_was_found_does_not_put_it_away(open_portal: Callable[..., Page], portal: Portal) -> None:
    page = open_portal(portal.world.administrator)
    page.goto("/clusters/")
    press(page, "/")
    page.keyboard.type("degrees")
    expect(page.locator("#search-found a").first).to_be_visible()
    page.locator("#search-found .search-head").first.click()
    assert focused(page) == "Search"
    expect(page.locator("#search-found a").first).to_be_visible()


def test_output_is_chosen_with_the_arrow_keys(open_portal: Callable[..., Page], portal: Portal) -> None:
    page = open_portal(portal.world.administrator)
    page.goto(f"/jobs/{portal.world.jobs['COMPLETED'].pk}/")
    tab_to(page, "^Standard output$")
    press(page, "ArrowRight")
    assert focused(page) == "Standard error"
    expect(page.get_by_role("tab", name="Standard error")).to_have_attribute("aria-selected", "true")
