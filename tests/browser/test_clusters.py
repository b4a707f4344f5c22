"""What the clusters do, as somebody sees it who only looks: the page changes by itself."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from tests.browser.test_jobs import GATED, Gate, fill_in, submit
from tests.region import Region

pytestmark = [pytest.mark.region, pytest.mark.browser]


@pytest.fixture
def gate(region: Region) -> Gate:
    return Gate(region)


def test_an_elastic_node_is_seen_to_work_and_to_be_free_again(
    page: Page, gate: Gate, open_page: Callable[..., Page], sign_in: Callable[[Page], Page]
) -> None:
    looker = sign_in(open_page())
    looker.goto("/clusters/")
    expect(looker.get_by_role("heading", name="Zone eu-central-1a")).to_be_visible()
    looker.get_by_role("link", name="cluster1", exact=True).click()
    looker.get_by_label("Queue", exact=True).select_option("compute")
    expect(looker).to_have_url(re.compile("queue=compute"))
    looker.evaluate("window.loadedOnce = true")
    nodes = looker.locator(".nodes-table tbody tr")
    expect(nodes).to_have_count(4)

    fill_in(page, Application_Executable="/bin/sh", Application_Options=GATED.format(gate=gate.path))
    page.get_by_label("Cluster", exact=True).select_option("cluster1")
    submit(page)
    expect(page.locator("#job-context .state")).to_contain_text("Running")
    working = page.locator("#job-facts").get_by_text(re.compile("^compute-dy-[0-9]$")).inner_text()
    row = nodes.filter(has_text=working)
    expect(row).to_contain_text("busy")
    expect(row).to_contain_text(re.compile("[1-4] of 4"))
    expect(looker.locator(".queues-table tr", has_text="compute")).to_contain_text(re.compile("[1-4] busy"))

    gate.open()
    expect(row).to_contain_text("idle")
    assert looker.evaluate("window.loadedOnce"), "the page was loaded again on the way"
    assert "queue=compute" in looker.url
