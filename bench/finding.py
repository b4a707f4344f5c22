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
    """The jobs page and the API with many jobs stored and many waiting, beside Slurm's own lists of what it knows."""
    lab.on_head(CLEAR)
    stored = lab.on_portal(FILL, str(STORED), lab.person)
    lab.on_head(SBATCH_PARALLEL, str(QUEUED), "4")
    browser = Browser(lab)
    squeue = lab.on_head(COMMAND, str(LOOKS), "squeue", "-u", lab.person)
    sacct = lab.on_head(COMMAND, str(LOOKS), "sacct", "-X", "-u", lab.person)
    rows = []
    with Requests(lab, token) as portal:
        for words, query in VIEWS:
            asked = f"?{urlencode(query)}" if query else ""
            pages = several(lambda asked=asked: browser.get(f"/jobs/{asked}"))
            answers = several(lambda asked=asked: portal("GET", f"/jobs{asked}"))
            beside, name = (sacct, "sacct") if "state" in query or "search" in query else (squeue, "squeue")
            rows += [
                Row(
                    f"jobs page, {stored} stored and {QUEUED} waiting: {words}, beside `{name}` of the waiting ones",
                    milliseconds(pages),
                    milliseconds(beside),
                    median(pages) / median(beside),
                    TARGET,
                ),
                Row(f"`GET /api/v1/jobs`, {stored} stored: {words}", milliseconds(answers), target=TARGET),
            ]
        page = browser.get("/jobs/")
        for _ in range(20):
            cursor = re.search(r'href="[^"]*[?&;]cursor=([^"&]+)"[^>]*>Next', page.replace("\n", ""))
            if cursor is None:
                raise SystemExit("the list has no further page")
            page = browser.get(f"/jobs/?cursor={cursor[1]}")
        deep = several(lambda: browser.get(f"/jobs/?cursor={cursor[1]}"))
        rows.append(Row(f"jobs page, {stored} stored: page 21", milliseconds(deep), target=TARGET))
    lab.on_head(CLEAR)
    return rows


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
