"""A person with a browser and what jobs left: found again, renamed, kept, fetched, deleted; by mouse and keyboard."""

import re
import uuid
import zipfile
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from tests.browser.conftest import PHONE
from tests.browser.test_jobs import GATED, Gate, fill_in, fits, state, submit
from tests.region import Region

pytestmark = [pytest.mark.region, pytest.mark.browser]


@pytest.fixture
def gate(region: Region) -> Gate:
    return Gate(region)


def spooler_page(page: Page, name: str) -> None:
    """From the sidebar to the spooler of this name."""
    page.get_by_role("link", name="Spoolers", exact=True).click()
    page.locator("#list").get_by_role("link", name=name).click()
    expect(page.locator("h1")).to_have_text(name)


def test_a_spooler_is_found_renamed_kept_fetched_and_deleted(page: Page, gate: Gate) -> None:
    name = f"mesh {uuid.uuid4().hex[:6]}"
    fill_in(page, Job_Name=name, Application_Executable="/bin/sh", Application_Options=GATED.format(gate=gate.path))
    submit(page)
    expect(state(page)).to_contain_text("Running")
    spooler_page(page, name)
    jobs, files = page.locator("#spooler-jobs"), page.locator("#job-files")
    expect(jobs).to_contain_text("Running")
    expect(page.locator("#spooler-facts")).to_contain_text("It expires 7 d")
    expect(page.locator("#delete-spooler")).to_have_count(0)
    page.evaluate("window.loadedOnce = true")
    gate.open()
    expect(jobs).to_contain_text("Completed")
    expect(files).to_contain_text("result.txt")
    expect(page.locator("#spooler-context")).to_contain_text(re.compile(r"expires in [67] d"))
    assert page.evaluate("window.loadedOnce"), "the page was loaded again on the way"

    page.locator("#rename-spooler").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    page.get_by_label("Name", exact=True).fill(f"{name}, finer")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text(f"{name}, finer")

    page.get_by_role("button", name="Keep", exact=True).click()
    page.get_by_label("Keep them").select_option("for ever")
    page.get_by_role("button", name="Keep them").click()
    expect(page.locator("#spooler-context")).to_contain_text("kept")

    with page.expect_download() as download:
        page.get_by_role("link", name="Download all").click()
    assert download.value.suggested_filename == f"{name}, finer.zip"
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.read(f"{name}, finer/result.txt") == b"result\n"

    page.locator("#delete-spooler").click()
    expect(page.get_by_role("button", name="Keep them")).to_be_focused()
    page.get_by_role("button", name="Delete the files").click()
    expect(page.locator("#spooler-notices")).to_contain_text("These files are gone")
    jobs.get_by_role("link", name=name).click()
    expect(page.locator("#job-notices")).to_contain_text("The files of this job were removed on")
    expect(page.locator(".output")).to_have_count(0)

    page.get_by_role("link", name="Spoolers", exact=True).click()
    expect(page.locator("#list")).to_be_visible()
    expect(page.locator("#list")).not_to_contain_text(f"{name}, finer")
    page.locator("#filter-files").select_option("removed")
    expect(page.locator("#list")).to_contain_text(f"{name}, finer")
    expect(page).to_have_url(re.compile("files=removed"))
    page.go_back()
    expect(page.locator("#list")).not_to_contain_text(f"{name}, finer")


def test_the_list_changes_while_it_is_looked_at(page: Page, gate: Gate) -> None:
    name = f"listed {uuid.uuid4().hex[:6]}"
    fill_in(page, Job_Name=name, Application_Executable="/bin/sh", Application_Options=GATED.format(gate=gate.path))
    submit(page)
    page.goto("/spoolers/")
    row = page.locator("#list tr", has_text=name)
    expect(row).to_contain_text("Running")
    expect(row).to_contain_text("after its job's end")
    gate.open()
    expect(row).to_contain_text("Completed")
    expect(row).to_contain_text(re.compile(r"expires in [67] d"))


def test_spoolers_fit_a_phone(open_page: Callable[..., Page], sign_in: Callable[[Page], Page]) -> None:
    page = sign_in(open_page(PHONE))
    fill_in(
        page, Job_Name="a name that is rather long, as people's names of studies are", Application_Executable="true"
    )
    submit(page)
    page.goto("/spoolers/")
    assert fits(page)
    page.locator("#list tbody a").first.click()
    expect(page.locator("#zip-spooler")).to_be_visible()
    assert fits(page)
