"""What a person asked for and did not get is said, where it can be read and closed."""

import re
from collections.abc import Callable
from typing import NoReturn

import pytest
from playwright.sync_api import Page, expect
from tests.browser.conftest import settled
from tests.browser.portal import Portal

from tandem.files import actions, views

pytestmark = pytest.mark.browser


def fail(*_: object, **__: object) -> NoReturn:
    raise RuntimeError("on purpose")


def test_what_failed_is_said_and_nothing_else_changes(
    open_portal: Callable[..., Page], portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_portal(portal.world.administrator)
    failed = page.get_by_text("Something went wrong in the portal")

    # The answer takes neither the list's place nor its address.
    page.goto("/jobs/")
    page.route("**/jobs/?*", lambda route: route.continue_(url=f"{portal.url}/jobs/?cursor=nonsense"))
    page.get_by_label("State").select_option("RUNNING")
    expect(page.get_by_text("This request cannot be read")).to_be_visible()
    expect(page.locator("#list tbody tr").first).to_be_visible()
    assert page.url.endswith("/jobs/")

    # While a dialog is open, nothing outside of it can be reached.
    page.goto("/files/")
    page.get_by_role("button", name="New folder").click()
    page.get_by_label("Name", exact=True).fill("plans")
    with monkeypatch.context() as patch:
        patch.setattr(actions, "make_folder", fail)
        page.get_by_role("button", name="Make the folder").click()
        expect(failed).to_be_visible()
    page.get_by_role("button", name="Close this message").click()
    expect(failed).to_be_hidden()
    expect(page.get_by_label("Name", exact=True)).to_have_value("plans")
    page.get_by_role("button", name="Make the folder").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_text("A folder was made: plans")).to_be_visible()
    expect(page.get_by_role("link", name="plans")).to_be_visible()
    settled(page)

    # Only a part of this answer is asked for.
    with monkeypatch.context() as patch:
        patch.setattr(views, "show_folder", fail)
        page.get_by_label("Part of a name").fill("read")
        expect(failed).to_be_visible()
    # What a load balancer answers is a page of its own.
    page.route(re.compile("wanted=rea$"), lambda route: route.fulfill(status=503, body="<!doctype html><h1>Away</h1>"))
    page.get_by_label("Part of a name").fill("rea")
    expect(page.get_by_text("The portal did not answer")).to_be_visible()
