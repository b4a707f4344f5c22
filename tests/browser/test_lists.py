"""A person with a browser and many jobs: finding them, seeing them change, submitting them again."""

import re
import uuid
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect
from tests.browser.conftest import PHONE
from tests.region import Region

pytestmark = [pytest.mark.region, pytest.mark.browser]

FORM = "/applications/job-submission/"
# As the list's own search is called: the top bar has one, too.
SEARCH = "Name, project, id, id on its cluster"


def submit(page: Page, name: str, executable: str = "/bin/true", **fields: str) -> str:
    """A job by the form; the address of its page."""
    page.goto(FORM)
    page.get_by_role("textbox", name="Job Name").fill(name)
    page.get_by_role("textbox", name="Application Executable").fill(executable)
    for label, value in fields.items():
        page.get_by_role("textbox", name=label.replace("_", " ")).fill(value)
    page.get_by_role("button", name="Submit the job").click()
    page.wait_for_url(re.compile(r"/jobs/[0-9a-f-]{36}/$"))
    return page.url


def row(page: Page, name: str) -> Locator:
    """The job's line of the list."""
    return page.locator("#list tbody tr", has_text=name)


def filter_by(page: Page, label: str) -> Locator:
    """A field of the toolbar."""
    return page.locator("#list-toolbar").get_by_label(label, exact=True)


def test_filters_live_in_the_address_and_the_back_button_undoes_them(page: Page) -> None:
    mark = uuid.uuid4().hex[:6]
    submit(page, f"held {mark}", Additional_Job_Options="--begin=now+3600")
    submit(page, f"done {mark}")
    expect(page.locator("#job-context .state")).to_contain_text("Completed")
    page.goto("/jobs/")
    page.evaluate("window.loadedOnce = true")
    search = page.get_by_role("searchbox", name=SEARCH)
    search.press_sequentially(mark, delay=20)
    expect(page).to_have_url(re.compile(f"/jobs/\\?search={mark}$"))
    expect(page.locator("#list tbody tr")).to_have_count(2)
    expect(search).to_be_focused()
    filter_by(page, "State").select_option("COMPLETED")
    expect(page.locator("#list tbody tr")).to_have_count(1)
    expect(row(page, f"done {mark}")).to_be_visible()
    expect(page).to_have_url(re.compile(f"search={mark}&state=COMPLETED$"))
    assert page.evaluate("window.loadedOnce"), "the page was loaded again"

    page.go_back()
    expect(page.locator("#list tbody tr")).to_have_count(2)
    expect(filter_by(page, "State")).to_have_value("")
    expect(page.get_by_role("searchbox", name=SEARCH)).to_have_value(mark)
    page.go_forward()
    expect(page.locator("#list tbody tr")).to_have_count(1)
    expect(filter_by(page, "State")).to_have_value("COMPLETED")
    # From a job's page, back to the list as it was; and the same from its address alone.
    row(page, f"done {mark}").get_by_role("link").first.click()
    page.go_back()
    expect(page.locator("#list tbody tr")).to_have_count(1)
    page.reload()
    expect(page.locator("#list tbody tr")).to_have_count(1)
    page.get_by_role("link", name="Without the filter State").click()
    expect(page.locator("#list tbody tr")).to_have_count(2)
    search = page.get_by_role("searchbox", name=SEARCH)
    search.fill(f"DONE {mark.upper()}")
    expect(page.locator("#list tbody tr")).to_have_count(1)
    search.fill(f"none {mark}")
    expect(page.get_by_role("heading", name="No job found")).to_be_visible()


def test_rows_change_in_place_and_newer_jobs_wait_to_be_asked_for(
    page: Page, region: Region, open_page: Callable[..., Page], sign_in: Callable[[Page], Page]
) -> None:
    mark = uuid.uuid4().hex[:6]
    gate = f"/efs/home/alice/gate-{mark}"
    submit(page, f"live {mark}", "/bin/sh", Application_Options=f"-c 'until [ -e {gate} ]; do sleep 0.2; done'")
    looking = sign_in(open_page())
    looking.goto(f"/jobs/?search={mark}")
    line = row(looking, f"live {mark}")
    expect(line).to_contain_text("Running")
    link = line.get_by_role("link").first
    link.focus()
    submit(page, f"later {mark}")
    expect(looking.get_by_text("1 job is newer: show it")).to_be_visible()
    expect(looking.locator("#list tbody tr")).to_have_count(1)
    region.shell("head-cluster1", "alice", ["touch", gate], check=True)
    expect(line).to_contain_text("Completed")
    expect(link).to_be_focused()
    looking.get_by_text("1 job is newer: show it").click()
    expect(looking.locator("#list tbody tr")).to_have_count(2)
    expect(looking.locator("#list tbody tr").first).to_contain_text(f"later {mark}")


def test_a_job_from_a_terminal_is_seen_and_cancelled(page: Page, region: Region) -> None:
    name = f"terminal {uuid.uuid4().hex[:6]}"
    command = ["sbatch", f"--job-name={name}", "--partition=always-on", "--output=/dev/null", "--wrap=sleep 600"]
    page.goto("/jobs/")
    region.shell("head-cluster1", "alice", command, check=True)
    expect(page.get_by_text("newer: show")).to_be_visible()
    page.get_by_text("newer: show").click()
    line = row(page, name)
    expect(line).to_contain_text("outside the portal")
    expect(line).to_contain_text("Running")
    line.get_by_role("link").first.click()
    expect(page.locator("#job-facts")).to_contain_text("cluster1")
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Cancel the job").click()
    expect(page.locator("#job-context .state")).to_contain_text("Cancelled")


def test_a_job_is_submitted_again_with_a_change(page: Page) -> None:
    name = f"first {uuid.uuid4().hex[:6]}"
    submit(page, name, "/bin/echo", Application_Options="'two  words' \"$HOME\"", Project_Name="again")
    page.get_by_role("link", name="Resubmit with changes").click()
    expect(page.get_by_role("textbox", name="Application Options")).to_have_value("'two  words' \"$HOME\"")
    expect(page.get_by_role("textbox", name="Project Name")).to_have_value("again")
    page.get_by_role("textbox", name="Job Name").fill(f"second of {name}")
    page.get_by_role("button", name="Submit the job").click()
    page.wait_for_url(re.compile(r"/jobs/[0-9a-f-]{36}/$"))
    expect(page.get_by_role("heading", level=1)).to_have_text(f"second of {name}")
    expect(page.locator("#output-text")).to_have_text("two  words /efs/home/alice\n")


def test_what_was_submitted_is_copied_as_a_command_and_as_a_script(page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    submit(page, "it's mine", "/bin/echo", Application_Options="'a b'")
    page.get_by_role("button", name="Copy as…").click()
    page.get_by_role("button", name="Copy the command").click()
    wanted = "tandem job submit '--name=it'\"'\"'s mine' --executable /bin/echo 'a b'"
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == wanted
    expect(page.locator("#copy-script")).to_contain_text('#SBATCH --job-name="it\'s mine"')
    # As when the job changes its state meanwhile.
    page.evaluate("opener = document.getElementById('copy-job'); opener.replaceWith(opener.cloneNode(true))")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Copy as…")).to_be_focused()


def test_the_list_is_filtered_with_the_keyboard_alone_on_a_phone(
    open_page: Callable[..., Page], sign_in: Callable[[Page], Page]
) -> None:
    page = sign_in(open_page(PHONE))
    submit(page, "small", Additional_Job_Options="--begin=now+3600")
    page.goto("/jobs/")
    more = page.locator("#list-toolbar summary")
    more.focus()
    page.keyboard.press("Enter")
    queue = filter_by(page, "Queue")
    expect(queue).to_be_visible()
    queue.focus()
    page.keyboard.press("Escape")
    expect(queue).to_be_hidden()
    expect(more).to_be_focused()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
