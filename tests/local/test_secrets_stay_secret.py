"""No secret on a command line, in an environment that others can see, in a log, or on a page."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from tests.region import Region

from tandem.local.drill_database import DatabaseDrill
from tandem.local.processes import descendants, inits
from tandem.local.secrets import Secrets

pytestmark = pytest.mark.region

PAGES = ["/", "/sign-in", "/healthz", "/nowhere/at/all", "/api/v1/openapi.json", "/api/v1/jobs", "/streams/nowhere"]
SIGNED_IN = ["/", "/applications/", "/applications/job-submission/", "/jobs/", "/account/", "/nowhere/at/all"]


@dataclass
class Used:
    """Secrets that people have used, and every answer that this brought them but those that are to hold a secret."""

    token: str
    link: str
    answers: list[tuple[str, bytes]] = field(default_factory=list)

    def note(self, answer: httpx.Response, *, status: int | None = None) -> httpx.Response:
        """Keep an answer."""
        assert status in (None, answer.status_code), answer.text
        where = f"{answer.request.method} {answer.request.url.path} ({answer.status_code})"
        self.answers.append((where, answer.content + str(answer.headers).encode()))
        return answer


@pytest.fixture(scope="module")
def used(region: Region) -> Used:
    """An administrator with a fresh token and a session, and somebody who tries a fresh one-time link."""
    token = region.token()
    with region.client() as stranger, region.client(token) as program, region.client() as browser:
        link = program.post("/api/v1/people/carol/reset").raise_for_status().json()["link"]
        used = Used(token, link.partition("#")[2])
        for client in (stranger, program):
            for page in PAGES:
                used.note(client.get(page))
        wrong = {"username": region.administrator, "password": "Wrong-" + "password-1"}
        used.note(stranger.post("/api/v1/tokens", json=wrong), status=401)
        used.note(program.post("/api/v1/jobs", content=b"{"), status=400)
        _try(stranger, used.link)
        _look_around(region, browser, used, program.post("/api/v1/jobs", json={"executable": "true"}).json()["id"])
    return used


def _try(stranger: httpx.Client, secret: str) -> None:
    """Send a one-time link's secret with a password that is too weak: the form comes back, with the secret in it."""
    form = form_of(stranger, "/link")
    weak = {"secret": secret, "new_password": "weak", "repeated": "weak"}
    assert secret in stranger.post("/link/use", data=form | weak).text


def _look_around(region: Region, browser: httpx.Client, used: Used, job: str) -> None:
    """Sign in and open pages, also such that say what went wrong."""
    credentials = {"username": region.administrator, "password": region.password}
    form = form_of(browser, "/sign-in")
    database = DatabaseDrill(region.layout)
    database.lose_writer()
    try:
        used.note(browser.post("/sign-in", data=form | credentials), status=503)
    finally:
        database.heal()
    used.note(browser.post("/sign-in", data=form | credentials), status=302)
    for page in SIGNED_IN:
        used.note(browser.get(page), status=404 if "nowhere" in page else 200)
    for part in ("", "status", "files"):
        used.note(browser.get(f"/jobs/{job}/{part}"), status=200)
    used.note(browser.post("/sign-out"), status=403)
    used.note(browser.get("/jobs/", headers={"Host": "elsewhere.example"}), status=400)


def form_of(client: httpx.Client, page: str) -> dict[str, str]:
    """The hidden field that proves that a form is ours; from now on the client says that it is, as browsers do."""
    text = client.get(page).raise_for_status().text
    client.headers["Origin"] = str(client.base_url).rstrip("/")
    (token,) = set(re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', text))
    return {"csrfmiddlewaretoken": token}


def needles(region: Region, used: Used | None = None) -> dict[str, list[bytes]]:
    """What must not be found, by the secret's name: all of it, or each line of a key that is not common to all keys."""
    found = {"a token": [used.token.encode()], "a one-time link": [used.link.encode()]} if used else {}
    for name, secret in Secrets(region.state.secrets).all_texts().items():
        lines = [line for line in secret.splitlines() if len(line) >= 16 and not line.startswith(b"-----")]
        # All new OpenSSH keys begin alike; a certificate is public, its key is what follows.
        after = secret.partition(b"PRIVATE KEY-----")[2]
        found[name] = [line for line in lines if line in after][1:] if after else [secret]
    assert all(found.values())
    return found


def holding(region: Region, texts: Iterable[tuple[str, bytes]], used: Used | None = None) -> list[str]:
    wanted = needles(region, used)
    return [
        f"{name} in {where}" for where, text in texts for name, parts in wanted.items() if any(p in text for p in parts)
    ]


def processes(region: Region) -> Iterator[tuple[str, bytes]]:
    for init in inits(region.environment.name):
        for pid in descendants(init.pid):
            for file in ("cmdline", "environ"):
                try:
                    yield f"/proc/{pid}/{file}", Path("/proc", str(pid), file).read_bytes()
                except OSError:
                    continue


def logs(region: Region) -> Iterator[tuple[str, bytes]]:
    for path in region.state.root.rglob("*"):
        if path.is_file() and (path.suffix in (".log", ".out") or "log" in path.parent.name):
            yield str(path), path.read_bytes()


def test_no_secret_is_on_a_command_line_or_in_an_environment(region: Region, used: Used) -> None:
    assert holding(region, processes(region), used) == []


def test_no_secret_is_in_a_log(region: Region, used: Used) -> None:
    assert holding(region, logs(region), used) == []


def test_no_secret_is_on_a_page(region: Region, used: Used) -> None:
    assert holding(region, used.answers, used) == []


def test_commands_say_where_the_password_is_and_not_what_it_is(region: Region) -> None:
    said = [region.tandem(*words, check=False) for words in (["status"], ["status", "--json"], ["up", "--plan"])]
    texts = ((str(one.args), (one.stdout + one.stderr).encode()) for one in said)
    assert holding(region, texts) == []
    assert str(region.state.secrets / "administrator") in said[0].stdout + said[1].stdout


def test_every_copy_of_a_secret_is_for_its_reader_only(region: Region) -> None:
    wanted = [part for parts in needles(region).values() for part in parts]
    root = region.state.root
    skipped = (region.state.database, region.state.efs, region.state.releases)
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink() and not any(path.is_relative_to(one) for one in skipped):
            text = path.read_bytes()
            if any(part in text for part in wanted):
                assert path.stat().st_mode & 0o077 == 0, path
    assert re.fullmatch(r"0o40700", oct(region.state.secrets.stat().st_mode))
