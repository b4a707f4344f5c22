"""No secret on a command line, in an environment that others can see, in a log, or on a page."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.region import Region

from tandem.local.processes import descendants, inits
from tandem.local.secrets import Secrets

pytestmark = pytest.mark.region

PAGES = ["/", "/sign-in", "/healthz", "/nowhere/at/all", "/api/v1/openapi.json", "/api/v1/jobs", "/streams/nowhere"]


def needles(region: Region) -> dict[str, list[bytes]]:
    """What must not be found, by the secret's name: all of it, or each line of a key that is not common to all keys."""
    found = {}
    for name, secret in Secrets(region.state.secrets).all_texts().items():
        lines = [line for line in secret.splitlines() if len(line) >= 16 and not line.startswith(b"-----")]
        # All new OpenSSH keys begin alike; a certificate is public, its key is what follows.
        after = secret.partition(b"PRIVATE KEY-----")[2]
        found[name] = [line for line in lines if line in after][1:] if after else [secret]
    assert all(found.values())
    return found


def holding(region: Region, texts: Iterator[tuple[str, bytes]]) -> list[str]:
    wanted = needles(region)
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


def pages(region: Region) -> Iterator[tuple[str, bytes]]:
    token = region.token()
    with region.client() as stranger, region.client(token) as administrator:
        for client in (stranger, administrator):
            for page in PAGES:
                answer = client.get(page)
                yield f"{page} ({answer.status_code})", answer.content + str(answer.headers).encode()
        wrong = {"username": region.administrator, "password": "Wrong-" + "password-1"}
        yield "a refused sign-in", stranger.post("/api/v1/tokens", json=wrong).content
        yield "a body that is not JSON", administrator.post("/api/v1/jobs", content=b"{").content


def test_no_secret_is_on_a_command_line_or_in_an_environment(region: Region) -> None:
    assert holding(region, processes(region)) == []


def test_no_secret_is_in_a_log(region: Region) -> None:
    assert holding(region, logs(region)) == []


def test_no_secret_is_on_a_page(region: Region) -> None:
    assert holding(region, pages(region)) == []


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
