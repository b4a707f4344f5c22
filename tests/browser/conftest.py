"""A real browser in front of the region. Whatever goes wrong in it unseen fails the test.

Conditions are waited for through Playwright's locators, which poll from outside: the portal's content security policy
lets nobody evaluate text as a script, tests included.
"""

import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response, ViewportSize, expect, sync_playwright
from tests.browser.portal import Portal, portal_in
from tests.region import Region

from tandem.accounts.models import Person

# The same browser, built without what only windows on a screen need.
CHROMIUM = Path("/usr/bin/chromium-headless-shell")
DESK: ViewportSize = {"width": 1440, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}
# Other test runs and the clusters' own jobs share the machine.
PATIENCE = 120_000


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for all tests of a file; each has its own profile in it.

    It is gone after each file: while it is there, an event loop runs on the tests' thread, and theirs cannot.
    """
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        # Chromium's own sandbox does not run as root, which real clusters need.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass(frozen=True)
class Somebody:
    """A person with a password."""

    name: str
    password: str


@pytest.fixture(scope="module")
def alice(region: Region, chromium: Browser) -> Somebody:
    """An ordinary person, who chose a password with a one-time link as anybody does."""
    password = f"{secrets.token_hex(8)}-Aa1!"
    with region.client(region.token()) as client:
        answer = client.post("/api/v1/people/alice/reset")
        assert answer.status_code == 200, answer.text
    context = chromium.new_context(ignore_https_errors=True)
    page = context.new_page()
    page.goto(answer.json()["link"])
    expect(page.locator("input[type=password]").first).to_be_visible()
    for box in page.locator("input[type=password]").all():
        box.fill(password)
    page.get_by_role("button", name="Set the password").click()
    expect(page.get_by_role("navigation", name="Main")).to_be_attached()
    context.close()
    return Somebody("alice", password)


@dataclass
class Unseen:
    """What a person does not see go wrong: console errors, policy reports, requests to elsewhere, failed answers."""

    host: str
    found: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        """From now on."""
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.found.append(f"page error: {error}"))
        page.on("request", self._request)
        page.on("response", self._response)

    def _console(self, message: ConsoleMessage) -> None:
        # htmx says so of a request whose place a later one took; what fails is told by a third name as well.
        if message.text.startswith(("htmx:afterRequest", "htmx:sendAbort")):
            return
        if message.type in ("error", "warning") or "Content Security Policy" in message.text:
            self.found.append(f"console {message.type}: {message.text}")

    def _request(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme not in ("data", "blob") and address.netloc != self.host:
            self.found.append(f"request to another host: {request.url}")

    def _response(self, response: Response) -> None:
        if response.status >= 500:
            self.found.append(f"{response.status} from {response.url}")


@pytest.fixture
def open_page(chromium: Browser, region: Region) -> Iterator[Callable[..., Page]]:
    """Opens a page of its own profile; nothing may go wrong in it unseen until the test is over."""
    contexts, unseen = [], Unseen(urlsplit(region.url).netloc)

    def open_one(viewport: ViewportSize = DESK, **options: Any) -> Page:
        # The portal's certificate is of the environment's own authority, which Chromium cannot be told to trust.
        context = chromium.new_context(
            base_url=region.url, viewport=viewport, ignore_https_errors=True, accept_downloads=True, **options
        )
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        unseen.watch(page)
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert not unseen.found


@pytest.fixture
def sign_in(alice: Somebody) -> Callable[[Page], Page]:
    """Signs alice in."""

    def sign(page: Page) -> Page:
        page.goto("/sign-in")
        page.get_by_label("Name").fill(alice.name)
        page.get_by_label("Password").fill(alice.password)
        page.get_by_role("button", name="Sign in").click()
        expect(page).not_to_have_url(re.compile("/sign-in"))
        return page

    return sign


@pytest.fixture
def page(open_page: Callable[..., Page], sign_in: Callable[[Page], Page]) -> Page:
    """Alice's browser on a desk."""
    return sign_in(open_page())


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory, django_db_blocker: Any) -> Iterator[Portal]:
    """A portal without clusters that has something of everything: quicker than the region, and as one wants it."""
    with django_db_blocker.unblock(), portal_in(tmp_path_factory.mktemp("portal")) as portal:
        yield portal


@pytest.fixture
def open_portal(chromium: Browser, portal: Portal) -> Iterator[Callable[..., Page]]:
    """Opens a page of its own profile in that portal; with a person, it is signed in."""
    contexts = []

    def open_one(person: Person | None = None) -> Page:
        context = chromium.new_context(base_url=portal.url, viewport=DESK, reduced_motion="reduce")
        contexts.append(context)
        if person:
            context.add_cookies([portal.cookie_of(person)])
        return context.new_page()

    yield open_one
    for context in contexts:
        context.close()


def settled(page: Page) -> None:
    """Everything that the page asks for by itself has come."""
    if page.locator("#cluster-pills").count():
        expect(page.locator("#cluster-pills .pill").first).to_be_attached()
    expect(page.locator(".htmx-request, .reading")).to_have_count(0)
