"""Rows that change in place, whatever else happens to their list. What tells of changes is played here."""

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect
from tests.browser.portal import Portal

from tandem.jobs.models import Job

pytestmark = pytest.mark.browser


def tell(page: Page, *jobs: Job, more: bool = False) -> None:
    """The stream of events says that these jobs changed; with `more`, that others did as well."""
    what = json.dumps({"jobs": [str(job.pk) for job in jobs], "more": more})
    page.route(
        "**/streams/events*",
        lambda route: route.fulfill(
            content_type="text/event-stream", body=f"retry: 600000\n\nevent: jobs\ndata: {what}\n\n"
        ),
    )


def test_rows_that_are_not_named_are_read_again_when_more_changed(
    open_portal: Callable[..., Page], portal: Portal
) -> None:
    page, job = open_portal(portal.world.administrator), portal.world.jobs["PENDING"]
    asked = []

    def before(route: Route) -> None:
        # Between the list and the news of it.
        Job.objects.filter(pk=job.pk).update(state="RUNNING")
        asked.append(route.request.url)
        route.fallback()

    tell(page, portal.world.jobs["RUNNING"], more=True)
    page.route("**/jobs/rows?*", before)
    with page.expect_request("**/jobs/newer*"):
        page.goto("/jobs/")
    expect(page.locator(f"#state-{job.pk}")).to_contain_text("Running")
    assert len(asked) == 1


def test_a_row_that_was_filtered_away_meanwhile_is_not_missed(open_portal: Callable[..., Page], portal: Portal) -> None:
    page, said, held = open_portal(portal.world.administrator), [], []
    page.on("console", lambda message: said.append(message.text))
    tell(page, portal.world.jobs["COMPLETED"])
    page.route("**/jobs/rows?*", lambda route: held.append(route))
    with page.expect_request("**/jobs/rows?*"):
        page.goto("/jobs/")
    page.locator("#list-toolbar").get_by_label("State", exact=True).select_option("FAILED")
    expect(page.locator("#list tbody tr")).to_have_count(1)
    with page.expect_response("**/jobs/rows?*") as answer:
        held[0].continue_()
    answer.value.finished()
    page.evaluate("new Promise((done) => setTimeout(done))")
    assert not [words for words in said if "oob" in words]
