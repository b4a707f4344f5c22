"""What a person with an open page sees when parts of the environment die: the truth, without touching anything."""

import re
import signal
import uuid
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.browser.conftest import DESK, PATIENCE, PHONE
from tests.browser.test_jobs import GATED, Gate, box, fill_in, fits, output, state, submit
from tests.region import Region

from tandem.local.drill import Drill
from tandem.local.processes import require_init
from tandem.local.supervise import Supervisor

pytestmark = [pytest.mark.region, pytest.mark.browser]


@pytest.fixture
def gate(region: Region) -> Gate:
    return Gate(region)


@pytest.fixture
def page(chromium: Browser, region: Region, sign_in: Callable[[Page], Page]) -> Iterator[Page]:
    """Alice's browser. Requests that fail are what these tests are about: nobody counts them."""
    context = chromium.new_context(base_url=region.url, viewport=DESK, ignore_https_errors=True)
    context.set_default_timeout(PATIENCE)
    yield sign_in(context.new_page())
    context.close()


def gated_job(page: Page, gate: Gate, cluster: str) -> str:
    """The address of the page of a job that runs until the gate is opened. The page is marked, to see it reload."""
    fill_in(page, Application_Executable="/bin/sh", Application_Options=GATED.format(gate=gate.path))
    page.get_by_label("Cluster", exact=True).select_option(cluster)
    page.get_by_label("Computing Queue").select_option("always-on")
    address = submit(page)
    expect(output(page)).to_have_text("first line\n")
    expect(state(page)).to_contain_text("Running")
    page.evaluate("window.loadedOnce = true")
    return address


def test_a_page_goes_on_at_the_other_node_when_its_own_dies(page: Page, gate: Gate, region: Region) -> None:
    """Whichever node the page is at: both die in turn, with web and streams, for long enough to miss what happens."""
    gated_job(page, gate, "cluster1")
    one, two = (Supervisor.of(require_init(region.environment.name, zone.name)) for zone in region.layout.zones)
    names = [zone.portal for zone in region.layout.zones]
    drill = Drill(region.environment)
    for supervisor, zone in zip((one, two), region.layout.zones, strict=True):
        drill.signal(zone.name, "web", signal.SIGKILL)
        drill.signal(zone.name, "streams", signal.SIGKILL)
        supervisor.stop("web")
        supervisor.stop("streams")
        if supervisor is one:
            region.wait(lambda: region.status()["portal_nodes"][names[0]] == "DOWN", "the load balancer notices")
            for service in ("web", "streams"):
                one.start(service)
            region.wait(lambda: region.status()["portal_nodes"][names[0]] == "UP", "it is back")
    gate.open()
    try:
        expect(output(page)).to_have_text("first line\nlast line\n")
        expect(state(page)).to_contain_text("Completed")
        assert page.evaluate("window.loadedOnce"), "the page was loaded again on the way"
        page.get_by_role("link", name="Jobs").click()
        expect(page.locator(".jobs-table")).to_be_visible()
    finally:
        for service in ("web", "streams"):
            two.start(service)
    region.wait(lambda: region.status()["portal_nodes"][names[1]] == "UP", "it is back")


def test_a_change_while_no_node_is_there_shows_when_one_is_back(page: Page, gate: Gate, region: Region) -> None:
    address = gated_job(page, gate, "cluster1")
    nodes = [Supervisor.of(require_init(region.environment.name, zone.name)) for zone in region.layout.zones]
    for node in nodes:
        for service in ("web", "streams"):
            node.stop(service)
    gate.open()
    wanted = f"{address.rstrip('/').rsplit('/', 1)[-1]}"
    done = ["sh", "-c", f"ls /efs/spoolers/alice/.tandem/{wanted}/result.0.0"]
    region.wait(lambda: region.shell("head-cluster1", "alice", done).returncode == 0, "the job has ended, unseen")
    for node in nodes:
        for service in ("web", "streams"):
            node.start(service)
    expect(state(page)).to_contain_text("Completed")
    expect(output(page)).to_have_text("first line\nlast line\n")
    assert page.evaluate("window.loadedOnce"), "the page was loaded again on the way"


def test_a_lost_zone_is_seen_and_so_is_its_return(page: Page, gate: Gate, region: Region) -> None:
    zone = region.environment.cluster("cluster2").zone
    gated_job(page, gate, "cluster2")
    region.zone("kill", zone)
    pill = page.locator("#cluster-pills .pill", has_text="cluster2")
    try:
        expect(state(page)).to_contain_text("Unknown")
        expect(state(page)).to_contain_text("seen")
        expect(page.locator("#job-notices")).to_contain_text("cluster2 does not answer")
        expect(pill).to_contain_text("down")
        assert page.evaluate("window.loadedOnce"), "the page was loaded again on the way"
        page.get_by_role("button", name="Cancel", exact=True).click()
        page.get_by_role("button", name="Cancel the job").click()
        expect(page.locator("#job-notices")).to_contain_text("may still run while cluster2 is silent")
        expect(state(page)).to_contain_text("Cancelling")
        # The sign-in is good at the node that is left.
        waiting = f"waits {uuid.uuid4().hex[:6]}"
        fill_in(page, Job_Name=waiting, Application_Executable="/bin/true")
        page.get_by_label("Cluster", exact=True).select_option("cluster2")
        cancelled, second = page.url, submit(page)
        assert cancelled != second
        expect(page.locator("#job-notices")).to_contain_text("waits for cluster2, which does not answer")
        page.evaluate("window.loadedOnce = true")
    finally:
        region.zone("start", zone)
    expect(state(page)).to_contain_text("Completed")
    expect(pill).to_contain_text("up")
    assert page.evaluate("window.loadedOnce"), "the page was loaded again on the way"
    region.wait(lambda: set(region.status()["portal_nodes"].values()) == {"UP"}, "all portal nodes are back", 120)
    page.goto("/jobs/")
    expect(page.locator("tr", has_text=waiting)).to_contain_text("Completed")


def test_an_arrays_tasks_are_one_list_that_changes_in_place(page: Page, gate: Gate, region: Region) -> None:
    script = f"-c 'until [ -e {gate.path} ]; do sleep 0.2; done; [ $TANDEM_TASK != 3 ]'"
    fill_in(page, Application_Executable="/bin/sh", Application_Options=script)
    page.get_by_label("Computing Queue").select_option("always-on")
    page.locator("summary", has_text="More").click()
    box(page, "Array").fill("0-29")
    submit(page)
    tasks = page.locator("#job-tasks")
    expect(tasks).to_contain_text("All 30")
    expect(tasks.locator("#tasks-running")).to_be_visible()
    expect(tasks.locator("tbody tr")).to_have_count(25)
    tasks.get_by_role("link", name="More").click()
    expect(tasks.locator("tbody tr")).to_have_count(5)
    gate.open()
    expect(tasks.locator("#tasks-completed")).to_contain_text("29")
    tasks.locator("#tasks-failed").click()
    expect(tasks.locator("tbody tr")).to_have_count(1)
    expect(tasks.locator("tbody")).to_contain_text("exit code 1")


@pytest.mark.parametrize("viewport", [DESK, PHONE])
def test_the_status_page_is_for_administrators_and_fits(
    viewport: dict[str, int], chromium: Browser, region: Region
) -> None:
    context = chromium.new_context(base_url=region.url, viewport=viewport, ignore_https_errors=True)  # type: ignore[arg-type]
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto("/sign-in")
    page.get_by_label("Name").fill(region.administrator)
    page.get_by_label("Password").fill(region.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page).not_to_have_url(re.compile("/sign-in"))
    page.goto("/status/")
    expect(page.locator("#status")).to_contain_text("All is well.")
    expect(page.get_by_text("watch:cluster2")).to_be_visible()
    expect(page.locator("#status")).to_contain_text("MariaDB")
    assert fits(page)
    context.close()
