"""The first jobs: a failure is told in the job's own words, and a changed password is no failure of the environment."""

import io
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from tandem.environment import Environment
from tandem.local import firstjob
from tandem.local.firstjob import FirstJobs, PasswordChangedError
from tandem.local.plan import first_jobs_due
from tandem.local.progress import Progress, Step, StepError
from tandem.local.state import State
from tandem.local.up import Up


class Portal:
    """The portal's API, as far as the first jobs use it. Its jobs fail, and say why."""

    def __init__(self) -> None:
        self.password = "generated-1"
        self.files = {"output.txt": "rank 0 was here", "error.txt": "heat: no such input"}
        self.submitted = 0

    def answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v1")
        if path == "/tokens":
            if f'"{self.password}"' not in request.content.decode():
                return httpx.Response(401, json={})
            return httpx.Response(201, json={"secret": "token", "token": {"id": 1}})
        if path == "/jobs":
            self.submitted += 1
            return httpx.Response(201, json={"id": "5f3a"})
        if path == "/jobs/5f3a":
            return httpx.Response(200, json={"state": "FAILED", "reason": "exit code 1."})
        name = path.removeprefix("/jobs/5f3a/outputs/")
        return httpx.Response(200, text=self.files[name]) if name in self.files else httpx.Response(404)


@pytest.fixture
def portal(monkeypatch: pytest.MonkeyPatch) -> Portal:
    """Every client of the first jobs talks to it."""
    portal, client = Portal(), httpx.Client
    monkeypatch.setattr(firstjob.ssl, "create_default_context", lambda cafile: None)
    monkeypatch.setattr(
        firstjob.httpx,
        "Client",
        lambda *, base_url, **_: client(base_url=base_url, transport=httpx.MockTransport(portal.answer)),
    )
    monkeypatch.setattr(FirstJobs, "_build", lambda self, head: None)
    return portal


@pytest.fixture
def up(environment: Environment, tmp_path: Path, portal: Portal) -> Up:
    """A run that has got as far as the first jobs."""
    up = Up(environment, Progress(Console(file=io.StringIO(), width=500)))
    up.state = State(environment.name, tmp_path)
    up.state.secrets.mkdir(parents=True)
    (up.state.secrets / "administrator").write_text("generated-1")
    return up


def said(up: Up) -> str:
    file = up.progress.console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def test_a_first_job_that_fails_is_told_in_the_words_of_its_own_files(up: Up) -> None:
    with pytest.raises(StepError) as failed:
        FirstJobs(up.layout, up.state).run(Step("", lambda line: None))
    assert "exit code 1." in str(failed.value)
    assert "heat: no such input" in str(failed.value)
    assert "rank 0 was here" in str(failed.value)


def test_a_changed_password_leaves_the_first_jobs_out_with_a_warning(up: Up, portal: Portal) -> None:
    portal.password = "changed-2"
    up.run_first_jobs(asked_for=False)
    assert "No first jobs were run" in said(up)
    assert str(up.state.secrets / "administrator") in said(up)
    assert portal.submitted == 0
    assert not first_jobs_due(up.layout, up.state)


def test_first_jobs_that_are_asked_for_must_be_run(up: Up, portal: Portal) -> None:
    portal.password = "changed-2"
    with pytest.raises(PasswordChangedError):
        up.run_first_jobs(asked_for=True)
