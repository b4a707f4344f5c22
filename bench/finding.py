"""Finding one's jobs among very many, beside `squeue` and `sacct`; and how soon an open page shows a change."""

import json
import re
import ssl
import time
import uuid
from collections.abc import Iterator
from http.client import HTTPResponse
from http.cookiejar import CookieJar
from typing import Any
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, HTTPSHandler, OpenerDirector, Request, build_opener

from bench.inside import CLEAR, COMMAND, FILL, SBATCH_PARALLEL
from bench.lab import Lab, Requests
from bench.measure import Row, median, milliseconds, seconds_of

STORED = 100_000
QUEUED = 1000
LOOKS = 15
TARGET = "< 100 ms"
PATIENCE = 120.0
# What is looked for: the words of the line, and the query.
VIEWS = (
    ("the newest of all", {}),
    ("of one state", {"state": "FAILED"}),
    ("waiting and running", {"state": "ACTIVE"}),
    ("of one project, cluster and queue", {"project": "project 7", "cluster": "cluster2", "queue": "long"}),
    ("by a name that few have", {"search": "case 4242"}),
    ("by a name that none has", {"search": "nonesuch"}),
)


class Browser:
    """Somebody signed in: what it fetches are pages."""

    def __init__(self, lab: Lab) -> None:
        trust = ssl.create_default_context(cafile=str(lab.state.root / "ca.pem"))
        self._url = f"https://127.0.0.1:{lab.environment.portal.port}"
        self._opener: OpenerDirector = build_opener(HTTPSHandler(context=trust), HTTPCookieProcessor(CookieJar()))
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', self.get("/sign-in"))
        if token is None:
            raise SystemExit("the sign-in page has no form")
        password = (lab.state.root / "secrets" / "administrator").read_text().strip()
        form = {"csrfmiddlewaretoken": token[1], "username": lab.person, "password": password}
        self.open("/sign-in", urlencode(form).encode()).read()

    def open(self, path: str, data: bytes | None = None) -> HTTPResponse:
        """The answer, to be read by the caller."""
        request = Request(self._url + path, data, {"Referer": f"{self._url}/sign-in"})  # noqa: S310
        answer: HTTPResponse = self._opener.open(request, timeout=PATIENCE)
        return answer

    def get(self, path: str) -> str:
        """A page."""
        with self.open(path) as answer:
            return answer.read().decode()

    def messages(self, path: str) -> Iterator[dict[str, Any]]:
        """What a stream of events says, as it comes."""
        with self.open(path) as answer:
            for line in answer:
                if line.startswith(b"data: "):
                    yield json.loads(line[len(b"data: ") :])


def listing(lab: Lab, token: str) -> list[Row]:
    """The pages of jobs and spoolers and their API with many stored, beside Slurm's own lists of what waits there."""
    lab.on_head(CLEAR)
    stored = lab.on_portal(FILL, str(STORED), lab.person)
    lab.on_head(SBATCH_PARALLEL, str(QUEUED), "4")
    browser = Browser(lab)
    squeue = lab.on_head(COMMAND, str(LOOKS), "squeue", "-u", lab.person)
    sacct = lab.on_head(COMMAND, str(LOOKS), "sacct", "-X", "-u", lab.person)
    rows = []
    with Requests(lab, token) as portal:
        for room in ("jobs", "spoolers"):
            for words, query in VIEWS:
                path = f"{room}/?{urlencode(query)}"
                pages = several(lambda path=path: browser.get(f"/{path}"))
                answers = several(lambda path=path: portal("GET", f"/{path.replace('/', '')}"))
                beside, name = (sacct, "sacct") if "state" in query or "search" in query else (squeue, "squeue")
                rows += [
                    Row(
                        f"{room} page, {stored} stored, {words}, beside `{name}` of {QUEUED} waiting ones",
                        milliseconds(pages),
                        milliseconds(beside),
                        median(pages) / median(beside),
                        TARGET,
                    ),
                    Row(f"`GET /api/v1/{room}`, {stored} stored, {words}", milliseconds(answers), target=TARGET),
                ]
            deep = page_21(browser, f"/{room}/")
            times = several(lambda deep=deep: browser.get(deep))
            rows.append(Row(f"{room} page, {stored} stored, page 21", milliseconds(times), target=TARGET))
        home = several(lambda: browser.get("/"))
        rows.append(Row(f"home, {stored} jobs stored and {QUEUED} waiting", milliseconds(home), target=TARGET))
    lab.on_head(CLEAR)
    return rows


def page_21(browser: Browser, path: str) -> str:
    """The address of a list's page that is far behind, as one gets there."""
    address = path
    for _ in range(20):
        cursor = re.search(r'href="[^"]*[?&;]cursor=([^"&]+)"[^>]*>Next', browser.get(address).replace("\n", ""))
        if cursor is None:
            raise SystemExit(f"{path} has no further page")
        address = f"{path}?cursor={cursor[1]}"
    return address


def several(look: Any) -> list[float]:
    """Seconds of many looks, after one that is not counted."""
    look()
    return [seconds_of(look) for _ in range(LOOKS)]


def showing_changes(lab: Lab, token: str, rounds: int) -> list[Row]:
    """From a program's first (and last) moment on a node until an open page that listens has the row that says so."""
    browser = Browser(lab)
    started, ended = [], []
    for _ in range(rounds):
        body = {
            "executable": "/bin/sh",
            "options": "-c 'date +%s.%N; sleep 3; date +%s.%N'",
            "name": f"shown-{uuid.uuid4().hex[:8]}",
            "cluster": lab.cluster,
        }
        since = re.search(r'sse-connect="([^"]+)"', browser.get("/jobs/"))
        if since is None:
            raise SystemExit("the list does not listen")
        messages = browser.messages(since[1])
        with Requests(lab, token) as portal:
            job = str(portal("POST", "/jobs", body)["id"])
            seen: dict[str, float] = {}
            for message in messages:
                if job not in message.get("jobs", []):
                    continue
                row = browser.get(f"/jobs/rows?id={job}")
                for word in ("Running", "Completed"):
                    if word in row:
                        seen.setdefault(word, time.time())
                if "Completed" in row:
                    break
            spooler = portal("GET", f"/jobs/{job}")["spooler"]
        command = ["--user", lab.person, f"head-{lab.cluster}", "--", "cat", f"{spooler}/output.txt"]
        begin, end = map(float, lab.tandem("shell", *command).split())
        started.append(seen.get("Running", seen["Completed"]) - begin)
        ended.append(seen["Completed"] - end)
    return [
        Row(
            "a job starts: an open page shows it after",
            f"{median(started):.1f} s (worst {max(started):.1f})",
            target="< 3 s",
        ),
        Row(
            "a job ends: an open page shows it after", f"{median(ended):.1f} s (worst {max(ended):.1f})", target="< 3 s"
        ),
    ]
