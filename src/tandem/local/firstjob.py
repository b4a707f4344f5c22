"""A real MPI job on each cluster, through the portal's own API, as any person would submit it."""

import io
import ssl
import subprocess
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tandem.local.enter import command_on, find_host
from tandem.local.layout import HeadHost, Layout
from tandem.local.progress import Step, StepError
from tandem.local.secrets import Secrets
from tandem.local.state import State
from tandem.rules import FINAL_STATES

# A link to examples/heat, so that a package has it too.
EXAMPLE = Path(__file__).with_name("heat")
PREFIX = "/efs/apps/heat/1.0"
RANKS = 4
DEADLINE = 180.0
# Where somebody (a person following the tutorial, the other cluster's turn) has built it, it stays as it is.
_BUILD = f"""\
set -eu
test -x {PREFIX}/bin/heat && exit 0
umask 002
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
tar -x -C "$build"
make -s -C "$build" install PREFIX={PREFIX}
"""


@dataclass(frozen=True)
class Result:
    """What the program wrote on one cluster."""

    cluster: str
    job: str
    nodes: str
    ranks: int
    error: float
    expected: float
    seconds: float

    @property
    def line(self) -> str:
        """For people."""
        return (
            f"{self.cluster}: {self.ranks} ranks on {self.nodes}, error {self.error:.3e} "
            f"({self.expected:.3e} expected), {self.seconds:.1f} s from submission to result"
        )


class PasswordChangedError(StepError):
    """The password that was generated for the administrator signs nobody in any more."""


class FirstJobs:
    """The jobs of one environment."""

    def __init__(self, layout: Layout, state: State) -> None:
        self.layout = layout
        self.state = state

    def run(self, step: Step) -> list[Result]:
        """Build the example, submit one job to each cluster at once, wait for their results. Raises StepError."""
        context = ssl.create_default_context(cafile=str(self.state.authority))
        url = f"https://127.0.0.1:{self.layout.environment.portal.port}/api/v1"
        try:
            with httpx.Client(base_url=url, verify=context, timeout=30) as client:
                token = self._sign_in(client)
                try:
                    for head in self.layout.heads:
                        step.note(f"building heat on {head.cluster.name}")
                        self._build(head)
                    step.note("submitting")
                    started = time.monotonic()
                    jobs = {head.cluster.name: _submit(client, head.cluster.name) for head in self.layout.heads}
                    return [_result(client, name, job, started, step) for name, job in jobs.items()]
                finally:
                    client.delete(f"/tokens/{token}")
        except httpx.HTTPError as error:
            raise StepError(f"the portal's API does not answer: {error}", self._log("web")) from error

    def _build(self, head: HeadHost) -> None:
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            for name in ("Makefile", "heat.c", "heat.in"):
                tar.add(EXAMPLE / name, arcname=name)
        administrator = self.layout.environment.administrator.name
        command = command_on(self.layout, find_host(self.layout, head.name), ["sh", "-c", _BUILD], administrator)
        done = subprocess.run(command, input=archive.getvalue(), capture_output=True, check=False)
        if done.returncode:
            raise StepError(f"examples/heat does not build on {head.name}: {done.stderr.decode().strip()}")

    def _sign_in(self, client: httpx.Client) -> int:
        """Take a token for this run; returns its number."""
        answer = client.post(
            "/tokens",
            json={
                "username": self.layout.environment.administrator.name,
                "password": Secrets(self.state.secrets).text("administrator"),
                "name": "first jobs",
                "days": 1,
            },
        )
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            raise PasswordChangedError(
                f"the password in {self.state.secrets / 'administrator'} does not sign "
                f"{self.layout.environment.administrator.name} in any more"
            )
        body = _checked(answer)
        client.headers["Authorization"] = f"Bearer {body['secret']}"
        return int(body["token"]["id"])

    def _log(self, service: str) -> Path:
        return self.state.zone(self.layout.zones[0].name) / f"log/{service}.out"


def _submit(client: httpx.Client, cluster: str) -> str:
    submission = {
        "name": "heat",
        "project": "first-jobs",
        "executable": f"{PREFIX}/bin/heat",
        "input_file": f"{PREFIX}/share/heat.in",
        "processors": RANKS,
        "launcher": "srun",
        "cluster": cluster,
    }
    return str(_checked(client.post("/jobs", json=submission))["id"])


def _result(client: httpx.Client, cluster: str, job: str, started: float, step: Step) -> Result:
    shown: dict[str, Any] = {}
    while shown.get("state") not in FINAL_STATES:
        if time.monotonic() > started + DEADLINE:
            raise StepError(f"{cluster}: the job {job} is still {shown.get('state')} ({shown.get('reason')})")
        time.sleep(0.3)
        shown = _checked(client.get(f"/jobs/{job}"))
        step.note(f"{cluster}: {shown['state'].lower()}")
    if shown["state"] != "COMPLETED":
        raise StepError(f"{cluster}: the job {job} is {shown['state']}: {shown['reason']} {_output(client, job)}")
    text = _checked_text(client.get(f"/jobs/{job}/outputs/heat.result"))
    values = {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in text.splitlines())}
    if values.get("ranks") != str(RANKS) or values.get("as_expected") != "yes":
        raise StepError(f"{cluster}: {RANKS} ranks and the expected error were wanted, this came: {text}")
    return Result(
        cluster=cluster,
        job=job,
        nodes=values.get("hosts", ""),
        ranks=RANKS,
        error=float(values["error"]),
        expected=float(values["error_expected"]),
        seconds=time.monotonic() - started,
    )


def _output(client: httpx.Client, job: str) -> str:
    answers = [client.get(f"/jobs/{job}/outputs/{name}") for name in ("error.txt", "output.txt")]
    return " ".join(answer.text[-500:].strip() for answer in answers if answer.is_success)


def _checked(answer: httpx.Response) -> dict[str, Any]:
    if not answer.is_success:
        raise StepError(f"the portal's API answers {answer.status_code}: {answer.text[:500]}")
    body: dict[str, Any] = answer.json()
    return body


def _checked_text(answer: httpx.Response) -> str:
    if not answer.is_success:
        raise StepError(f"the portal's API answers {answer.status_code}: {answer.text[:500]}")
    return answer.text
