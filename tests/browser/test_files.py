"""A person with a browser and files: send, fetch, rename, delete, pick; by mouse and keyboard, on desk and phone."""

import os
import re
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect
from tests.browser.conftest import PHONE
from tests.region import Region

pytestmark = [pytest.mark.region, pytest.mark.browser]


@pytest.fixture
def place(region: Region) -> str:
    """A new folder of alice's."""
    path = f"/efs/home/alice/files-{uuid.uuid4().hex[:8]}"
    region.shell("head-cluster1", "alice", ["mkdir", path], check=True)
    return path


def row(page: Page, name: str) -> Locator:
    """The line of this entry."""
    return page.locator(".files-list tbody tr").filter(has=page.get_by_text(name, exact=True))


def go(page: Page, place: str) -> None:
    page.goto(f"/files/?path={place}")
    expect(page.locator(".entries-count")).to_be_visible()


def test_files_are_sent_fetched_renamed_and_deleted(page: Page, region: Region, place: str, tmp_path: Path) -> None:
    content = os.urandom(20 * 2**20)
    (tmp_path / "large one.bin").write_bytes(content)
    (tmp_path / "<b>page</b>.html".replace("/", "-")).write_text("<script>document.title='run'</script>")
    page.goto("/")
    page.get_by_role("link", name="Files").click()
    expect(page.locator(".path-step").last).to_have_text("alice")
    go(page, place)
    expect(page.get_by_text("This folder is empty")).to_be_visible()

    page.locator(".upload-input").set_input_files([tmp_path / "large one.bin", tmp_path / "<b>page<-b>.html"])
    expect(page.locator(".upload-done")).to_have_count(2)
    expect(page.locator(".entries-count")).to_have_text("2 entries")
    size = region.shell("head-cluster2", "alice", ["stat", "-c", "%s", f"{place}/large one.bin"]).stdout
    assert int(size) == len(content)

    with page.expect_download() as download:
        row(page, "large one.bin").get_by_role("link", name="Download").click()
    assert Path(download.value.path()).read_bytes() == content
    with page.expect_download() as download:
        row(page, "<b>page<-b>.html").locator("a.entry").click()
    assert "<script>" in Path(download.value.path()).read_text()
    expect(page).to_have_title(re.compile("Files"))

    row(page, "large one.bin").get_by_role("button", name="Rename").click()
    page.get_by_label("New name").fill("<b>page<-b>.html")
    page.get_by_role("button", name="Rename", exact=True).click()
    expect(page.get_by_text("There is something of this name already.")).to_be_visible()
    page.get_by_label("New name").fill("small.bin")
    page.keyboard.press("Enter")
    expect(row(page, "small.bin")).to_be_visible()
    expect(page.locator("#files-dialog")).not_to_be_visible()

    row(page, "small.bin").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("button", name="Keep it")).to_be_focused()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(row(page, "small.bin")).to_have_count(0)


def test_a_name_that_is_taken_is_asked_about(page: Page, region: Region, place: str, tmp_path: Path) -> None:
    region.shell("head-cluster1", "alice", ["sh", "-c", 'echo old >"$1/a"', "sh", place], check=True)
    (tmp_path / "a").write_text("new\n")
    (tmp_path / "b").write_text("b\n")
    go(page, place)

    def content() -> str:
        return region.shell("head-cluster1", "alice", ["cat", f"{place}/a"]).stdout

    page.locator(".upload-input").set_input_files([tmp_path / "a", tmp_path / "b"])
    page.get_by_role("button", name="Keep the old one").click()
    expect(row(page, "b")).to_be_visible()
    assert content() == "old\n"
    page.locator(".upload-input").set_input_files([tmp_path / "a"])
    page.get_by_role("button", name="Replace").click()
    expect(page.locator(".upload-done")).to_have_count(1)
    region.wait(lambda: content() == "new\n", "the file was replaced")


def test_folders_are_made_and_walked_by_keyboard(page: Page, place: str) -> None:
    go(page, place)
    page.get_by_role("button", name="New folder").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    page.keyboard.type("runs")
    page.keyboard.press("Enter")
    link = row(page, "runs").locator("a.entry")
    expect(link).to_be_visible()
    link.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".path-step").last).to_have_text("runs")
    page.go_back()
    expect(row(page, "runs")).to_be_visible()


def test_a_crowded_folder_shows_its_first_entries_and_the_others_as_one_scrolls(
    page: Page, region: Region, place: str
) -> None:
    script = 'cd "$1" && seq -f "file%05g" 1000 | xargs touch'
    region.shell("head-cluster1", "alice", ["sh", "-c", script, "sh", place], check=True)
    go(page, place)
    expect(page.locator(".entries-count")).to_have_text("1,000 entries")
    expect(page.locator(".files-list tbody tr a.entry")).to_have_count(100)
    page.locator(".more-row").scroll_into_view_if_needed()
    expect(page.locator(".files-list tbody tr a.entry")).to_have_count(200)
    page.get_by_label("Part of a name").fill("99")
    expect(page.locator(".entries-count")).to_have_text("19 of 1,000 entries")
    page.get_by_role("link", name="Name").click()
    expect(row(page, "file01000")).to_be_visible()


def test_the_form_picks_files_and_directories_from_the_same_listing(page: Page, region: Region, place: str) -> None:
    region.shell(
        "head-cluster1", "alice", ["sh", "-c", 'mkdir "$1/in"; touch "$1/in/mesh.dat"', "sh", place], check=True
    )
    page.goto("/applications/job-submission/")
    page.get_by_role("button", name="Pick Input File on the cluster").click()
    dialog = page.locator("#picker-dialog")
    dialog.get_by_text(place.rsplit("/", 1)[1], exact=True).click()
    dialog.get_by_text("in", exact=True).click()
    dialog.get_by_role("button", name="mesh.dat").click()
    expect(page.get_by_role("textbox", name="Input File")).to_have_value(f"{place}/in/mesh.dat")
    page.get_by_role("textbox", name="Execution Directory").fill(place)
    page.get_by_role("button", name="Pick Execution Directory on the cluster").click()
    dialog.get_by_text("in", exact=True).click()
    expect(dialog.locator(".path-step").last).to_have_text("in")
    dialog.get_by_role("button", name="Use this directory").click()
    expect(page.get_by_role("textbox", name="Execution Directory")).to_have_value(f"{place}/in")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [None, PHONE])
def test_it_fits_on_a_desk_and_on_a_phone(
    open_page: Callable[..., Page],
    sign_in: Callable[[Page], Page],
    region: Region,
    place: str,
    scheme: str,
    viewport: dict[str, int] | None,
) -> None:
    long_name = "a very long name of a folder that has to be broken somewhere on a phone"
    script = f'cd "$1" && mkdir runs "{long_name}" && ln -s runs latest'
    region.shell("head-cluster1", "alice", ["sh", "-c", f"{script} && echo x >mesh.dat", "sh", place], check=True)
    page = sign_in(open_page(**({"viewport": viewport} if viewport else {}), color_scheme=scheme))
    go(page, place)
    width = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert width <= 0, "nothing stands out sideways"
