"""A person with a browser: from the form to a job's output, and everything that can be seen on the way."""

import re
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect
from tests.browser.conftest import PHONE
from tests.region import Region

pytestmark = [pytest.mark.region, pytest.mark.browser]

FORM = "/applications/job-submission/"
# A job that goes on when a file appears: nothing depends on how fast anything is.
GATED = (
    """-c 'echo first line; until [ -e "$0" ]; do sleep 0.2; done; echo last line; echo result > result.txt' {gate}"""
)


class Gate:
    """A file that a job of alice's waits for."""

    def __init__(self, region: Region) -> None:
        self._region = region
        self.path = f"/efs/home/alice/gate-{uuid.uuid4().hex}"

    def open(self) -> None:
        """Let the job go on."""
        self._region.shell("head-cluster1", "alice", ["touch", self.path], check=True)


@pytest.fixture
def gate(region: Region) -> Gate:
    return Gate(region)


def box(page: Page, label: str) -> Locator:
    """The text field with this label."""
    return page.get_by_role("textbox", name=label)


def fill_in(page: Page, **fields: str) -> None:
    """Open the form and fill in fields by their labels' names."""
    page.goto(FORM)
    for label, value in fields.items():
        box(page, label.replace("_", " ")).fill(value)


def submit(page: Page) -> str:
    """Send the form; the address of the job's page."""
    page.get_by_role("button", name="Submit the job").click()
    page.wait_for_url(re.compile(r"/jobs/[0-9a-f-]{36}/$"))
    return page.url


def state(page: Page) -> Locator:
    """The badge below the job's name."""
    return page.locator("#job-context .state")


def output(page: Page) -> Locator:
    """What the job has written, as far as it is shown."""
    return page.locator("#output-text")


def test_a_job_from_the_form_to_its_output(page: Page, gate: Gate, tmp_path: Path) -> None:
    page.goto("/")
    page.get_by_role("link", name="Applications").click()
    page.get_by_role("link", name="Job Submission").click()
    box(page, "Job Name").fill("the first job")
    box(page, "Project Name").fill("browser")
    box(page, "Application Executable").fill("/bin/sh")
    box(page, "Application Options").fill(GATED.format(gate=gate.path))
    # It waits long enough to be seen waiting.
    box(page, "Additional Job Options").fill("--begin=now+4")
    submit(page)
    page.evaluate("window.loadedOnce = true")

    expect(state(page)).to_contain_text("Pending")
    expect(page.locator("#job-facts")).to_contain_text(re.compile("cluster[12]"))
    expect(state(page)).to_contain_text("Running")
    expect(output(page)).to_have_text("first line\n")
    expect(page.locator("#job-facts")).to_contain_text("Nodes")

    gate.open()
    expect(output(page)).to_have_text("first line\nlast line\n")
    expect(state(page)).to_contain_text("Completed")
    expect(page.locator("#job-facts")).to_contain_text(re.compile(r"Exit code\s*0"))
    assert page.evaluate("window.loadedOnce"), "the page was loaded again on the way"

    row = page.locator("#job-files tr", has_text="result.txt")
    with page.expect_download() as download:
        row.get_by_role("link").click()
    assert download.value.suggested_filename == "result.txt"
    download.value.save_as(tmp_path / "result.txt")
    assert (tmp_path / "result.txt").read_text() == "result\n"

    page.get_by_role("link", name="Jobs").click()
    expect(page.locator("tr", has_text="the first job").first).to_contain_text("Completed")


def test_the_list_changes_while_it_is_looked_at(page: Page, gate: Gate, open_page: Any, sign_in: Any) -> None:
    name = f"listed {uuid.uuid4().hex[:6]}"
    fill_in(page, Job_Name=name, Application_Executable="/bin/sh", Application_Options=GATED.format(gate=gate.path))
    submit(page)
    other = sign_in(open_page())
    other.goto("/jobs/")
    row = other.locator("tr", has_text=name)
    expect(row).to_contain_text("Running")
    gate.open()
    expect(row).to_contain_text("Completed")


def test_a_refusal_is_seen_at_once_in_the_schedulers_own_words(page: Page) -> None:
    fill_in(page, Application_Executable="/bin/true", Additional_Job_Options="--constraint=nonesuch")
    submit(page)
    expect(state(page)).to_contain_text("Failed")
    expect(page.locator("#job-notices")).to_contain_text("feature")


def test_a_missing_program_is_told_on_the_jobs_page(page: Page) -> None:
    fill_in(page, Application_Executable="/efs/apps/nonesuch")
    submit(page)
    expect(state(page)).to_contain_text("Failed")
    expect(page.locator("#job-notices")).to_contain_text("/efs/apps/nonesuch")


def test_a_running_job_is_cancelled(page: Page, gate: Gate) -> None:
    fill_in(page, Application_Executable="/bin/sh", Application_Options=GATED.format(gate=gate.path))
    submit(page)
    expect(output(page)).to_contain_text("first line")
    page.get_by_role("button", name="Cancel", exact=True).click()
    dialog = page.get_by_role("dialog", name="Cancel this job?")
    dialog.get_by_role("button", name="Keep it").click()
    expect(dialog).to_be_hidden()
    page.get_by_role("button", name="Cancel", exact=True).click()
    dialog.get_by_role("button", name="Cancel the job").click()
    expect(state(page)).to_contain_text(re.compile("Cancel"))
    expect(state(page)).to_contain_text("Cancelled")
    expect(output(page)).to_contain_text("first line")


def test_a_waiting_job_is_held_and_released(page: Page) -> None:
    fill_in(page, Application_Executable="/bin/true", Additional_Job_Options="--begin=now+3600")
    submit(page)
    page.get_by_role("button", name="Hold").click()
    page.get_by_role("button", name="Release").click()
    expect(page.get_by_role("button", name="Hold")).to_be_visible()
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Cancel the job").click()
    expect(state(page)).to_contain_text("Cancelled")


def test_an_uploaded_file_is_the_jobs_input(page: Page) -> None:
    fill_in(page, Application_Executable="cat")
    content = {"name": "in put.txt", "mimeType": "text/plain", "buffer": b"from the browser\n"}
    page.get_by_label("Upload an input file").set_input_files(content)  # type: ignore[arg-type]
    submit(page)
    expect(output(page)).to_have_text("from the browser\n")


def test_output_with_markup_and_escapes_is_only_text(page: Page) -> None:
    fill_in(
        page, Application_Executable="printf", Application_Options=r"'<script>alert(1)</script>\033[31mred\033[0m\n'"
    )
    submit(page)
    expect(output(page)).to_have_text("<script>alert(1)</script>red\n")


def test_standard_error_has_a_tab_of_its_own(page: Page) -> None:
    fill_in(page, Application_Executable="/bin/sh", Application_Options="-c 'echo to one; echo to the other >&2'")
    submit(page)
    expect(output(page)).to_have_text("to one\n")
    page.get_by_role("tab", name="Standard error").click()
    expect(output(page)).to_have_text("to the other\n")
    page.keyboard.press("ArrowLeft")
    expect(output(page)).to_have_text("to one\n")


def test_errors_stand_beside_the_fields_and_what_was_typed_stays(page: Page) -> None:
    fill_in(page, Job_Name="kept", Number_of_Processors="many", Application_Options="--kept 'too'")
    page.get_by_role("button", name="Submit the job").click()
    processors = box(page, "Number of Processors")
    expect(processors).to_have_accessible_description(re.compile("must be a whole number"))
    expect(processors).to_be_focused()
    expect(processors).to_have_value("many")
    expect(box(page, "Job Name")).to_have_value("kept")
    expect(box(page, "Application Options")).to_have_value("--kept 'too'")
    processors.fill("1")
    page.get_by_role("button", name="Submit the job").click()
    executable = box(page, "Application Executable")
    expect(executable).to_be_focused()
    expect(executable).to_have_accessible_description(re.compile("is needed"))


def test_the_script_is_seen_before_anything_is_submitted(page: Page) -> None:
    page.goto(FORM)
    see, dialog = page.get_by_role("button", name="See the script"), page.get_by_role("dialog")
    see.click()
    dialog.get_by_role("button", name="Application Executable").click()
    executable = box(page, "Application Executable")
    expect(executable).to_be_focused()
    executable.fill("/efs/apps/heat/heat")
    see.click()
    expect(dialog).to_contain_text("tandem_program=/efs/apps/heat/heat")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(see).to_be_focused()
    upload = {"name": "case 1.in", "mimeType": "text/plain", "buffer": b"1"}
    page.get_by_label("Upload an input file").set_input_files(upload)
    see.click()
    expect(dialog).to_contain_text('"$tandem_program" "$INPUT_FILE"')
    expect(dialog).to_contain_text("/<new>/case 1.in'")
    assert page.url.endswith(FORM)


def test_queues_and_hosts_follow_the_cluster(page: Page) -> None:
    page.goto(FORM)
    answers: list[Route] = []  # the first is kept back until the person has gone on
    page.route("**/place?*", lambda route: route.continue_() if answers else answers.append(route))
    page.get_by_label("Cluster", exact=True).select_option("cluster2")
    with page.expect_event("requestfailed"):
        page.get_by_label("Computing Queue").select_option("always-on")
    expect(page.get_by_label("Computing Queue")).to_have_value("always-on")
    host = page.locator("[data-host]").first
    expect(page.locator("[data-host]")).to_have_count(2)
    host.check()
    expect(box(page, "List of Hosts")).to_have_value(host.get_attribute("data-host") or "")
    page.get_by_label("Cluster", exact=True).select_option("any")
    expect(page.locator("[data-host]")).to_have_count(0)


def test_a_double_click_makes_one_job(page: Page) -> None:
    name = f"once {uuid.uuid4().hex[:6]}"
    fill_in(page, Job_Name=name, Application_Executable="/bin/true")
    page.get_by_role("button", name="Submit the job").dblclick()
    page.wait_for_url(re.compile(r"/jobs/[0-9a-f-]{36}/$"))
    page.goto("/jobs/")
    expect(page.locator("tr", has_text=name)).to_have_count(1)


def press_until_focused(page: Page, wanted: Locator, key: str = "Tab", most: int = 60) -> None:
    """Move the focus with the keyboard alone."""
    for _ in range(most):
        page.keyboard.press(key)
        if wanted.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError(f"{wanted} cannot be reached with {key}")


def test_a_job_is_submitted_and_cancelled_with_the_keyboard_alone(page: Page, gate: Gate) -> None:
    page.goto("/")
    press_until_focused(page, page.get_by_role("link", name="Applications"))
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/applications/$"))
    press_until_focused(page, page.get_by_role("link", name="Job Submission"))
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(FORM))
    press_until_focused(page, box(page, "Application Executable"))
    page.keyboard.type("/bin/sh")
    press_until_focused(page, box(page, "Application Options"))
    page.keyboard.type(GATED.format(gate=gate.path))
    see = page.get_by_role("button", name="See the script")
    press_until_focused(page, see)
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("/bin/sh")
    page.keyboard.press("Escape")
    expect(see).to_be_focused()
    press_until_focused(page, page.get_by_role("button", name="Submit the job"), "Shift+Tab")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/jobs/[0-9a-f-]{36}/$"))
    expect(output(page)).to_contain_text("first line")
    expect(state(page)).to_contain_text("Running")
    press_until_focused(page, page.locator("#cancel-job"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Cancel this job?")).to_be_visible()
    press_until_focused(page, page.get_by_role("button", name="Cancel the job"))
    page.keyboard.press("Enter")
    expect(state(page)).to_contain_text("Cancelled")


def fits(page: Page) -> bool:
    """Nothing of the page is wider than the window."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def test_everything_works_on_a_phone(open_page: Callable[..., Page], sign_in: Callable[[Page], Page]) -> None:
    page = sign_in(open_page(PHONE, has_touch=True, is_mobile=True))
    page.goto("/applications/")
    assert fits(page)
    page.get_by_role("link", name="Job Submission").tap()
    button = page.get_by_role("button", name="Submit the job")
    expect(button).to_be_in_viewport()
    assert fits(page)
    box(page, "Application Executable").fill("echo")
    box(page, "Application Options").fill("a line of output that is wider than any phone " * 5)
    expect(button).to_be_in_viewport()
    button.tap()
    page.wait_for_url(re.compile(r"/jobs/[0-9a-f-]{36}/$"))
    expect(output(page)).to_contain_text("wider than any phone")
    expect(state(page)).to_contain_text("Completed")
    assert fits(page)
    page.goto("/jobs/")
    expect(page.locator(".jobs-table .job-name").first).to_be_in_viewport()
    assert fits(page)


def test_dark_and_light_follow_the_system(open_page: Callable[..., Page], sign_in: Callable[[Page], Page]) -> None:
    grounds = set()
    for scheme in ("light", "dark"):
        page = sign_in(open_page(color_scheme=scheme))
        page.goto(FORM)
        grounds.add(page.evaluate("getComputedStyle(document.querySelector('.panel')).backgroundColor"))
    assert len(grounds) == 2


def test_without_a_sign_in_a_job_is_not_shown(page: Page) -> None:
    fill_in(page, Application_Executable="/bin/true")
    address = submit(page)
    page.context.clear_cookies()
    page.goto(address)
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
