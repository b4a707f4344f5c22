"""Deploying an environment: the CDK's command line does it, and CloudFormation goes on by itself once it was told."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tandem.aws.account import AWS_ERRORS, Account
from tandem.aws.names import STACKS, Names
from tandem.aws.stacks import Failure, Stack, Step, Watch, read_stack, read_stacks
from tandem.aws.toolchain import ROOT, cdk

# How often CloudFormation is asked how far it is, in seconds.
POLL = 2.0
# How long the CDK may take to end when it is interrupted.
PATIENCE = 15.0


class CdkError(Exception):
    """The CDK's command line failed. `log` has all that it said."""

    def __init__(self, what: str, log: Path, failure: Failure | None = None) -> None:
        super().__init__(what)
        self.log = log
        self.failure = failure


@dataclass(frozen=True)
class Progress:
    """How far one stack is. `total` is how many resources it has, or had."""

    stack: str
    step: Step
    total: int


Show = Callable[[Sequence[Progress]], None]


class Deployment:
    """One environment in one account, and the directory that keeps what the CDK writes about it."""

    def __init__(self, environment: str, region: str, file: Path, profile: str | None = None) -> None:
        self.account = Account(region, profile)
        self.names = Names(environment)
        self.file = file.resolve()
        self.directory = ROOT / "build" / "aws" / environment
        self.assembly = self.directory / "cdk.out"
        self.log = self.directory / "cdk.log"

    def _command(self, *words: str) -> list[str]:
        profile = ["--profile", self.account.profile] if self.account.profile else []
        return [str(cdk()), *words, *profile, "--no-notices"]

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "TANDEM_FILE": str(self.file),
            "AWS_REGION": self.account.region,
            "AWS_DEFAULT_REGION": self.account.region,
            "CDK_DISABLE_CLI_TELEMETRY": "true",
            "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "18,20",
        }

    def _start(self, *words: str, cwd: Path = ROOT) -> subprocess.Popen[bytes]:
        """In a session of its own: Ctrl-C is ours, and is passed on in an orderly way."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            log.write(f"\n== cdk {' '.join(words)}\n".encode())
            log.flush()
            return subprocess.Popen(
                self._command(*words),
                env=self._environment(),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def run(self, *words: str, cwd: Path = ROOT) -> None:
        """Run the CDK to its end. Raises CdkError."""
        process = self._start(*words, cwd=cwd)
        try:
            status = process.wait()
        except BaseException:
            stop(process)
            raise
        if status:
            raise CdkError(f"cdk {words[0]} failed", self.log)

    def bootstrap(self) -> None:
        """Prepare the account's region for the CDK. Raises CdkError."""
        self.directory.mkdir(parents=True, exist_ok=True)
        # Where there is no cdk.json: the app has nothing to do with it.
        self.run("bootstrap", f"aws://{self.account.number()}/{self.account.region}", cwd=self.directory)

    def synthesise(self) -> None:
        """Write the templates and assets. Raises CdkError."""
        self.directory.mkdir(parents=True, exist_ok=True)
        app = f"'{sys.executable}' -m tandem.aws.app"
        self.run("synth", "--quiet", "--app", app, "--output", str(self.assembly))

    def is_synthesised(self) -> bool:
        """Whether templates for this region were written before: to remove the stacks, any of them will do."""
        try:
            artifacts = json.loads((self.assembly / "manifest.json").read_text())["artifacts"]
            return all(artifacts[stack]["environment"].endswith(f"/{self.account.region}") for stack in STACKS)
        except (OSError, ValueError, KeyError):
            return False

    def differences(self) -> tuple[bool, str]:
        """Whether deploying would change anything, and what the CDK says about it. Raises CdkError."""
        words = self._command(
            "diff", *STACKS, "--app", str(self.assembly), "--fail", "--no-color", "--method", "template"
        )
        done = subprocess.run(
            words,
            env=self._environment(),
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        with self.log.open("a") as log:
            log.write(f"\n== cdk diff\n{done.stdout}{done.stderr}")
        if done.returncode not in (0, 1):
            raise CdkError("cdk diff failed", self.log)
        text = f"{done.stdout}{done.stderr}".strip()
        if done.returncode == 1 and "Number of stacks with differences" not in text:
            raise CdkError("cdk diff failed", self.log)
        return done.returncode == 1, text

    def template(self, stack: str) -> dict[str, Any]:
        """The template that was written for a stack."""
        loaded: dict[str, Any] = json.loads((self.assembly / f"{stack}.template.json").read_text())
        return loaded

    def stacks(self) -> list[Stack]:
        """The environment's stacks as they are."""
        return read_stacks(self.account, self.names)

    def deploy(self, show: Show, *, clusters_first: bool = False) -> None:
        """Create or update all stacks. Raises CdkError with what failed first.

        `clusters_first`: a cluster goes. What it takes from the other stacks cannot be taken from under it.
        """
        words = ["--app", str(self.assembly), "--require-approval", "never", "--progress", "events"]
        totals = {stack: len(self.template(stack).get("Resources", {})) for stack in STACKS}
        if clusters_first:
            self._watched(["deploy", "Clusters", "Portal", "--exclusively", *words], totals, show)
        self._watched(["deploy", *STACKS, *words, "--concurrency", "4"], totals, show)

    def destroy(self, show: Show) -> None:
        """Delete all stacks. Raises CdkError with what failed first."""
        totals = {stack.stack: self._resources(stack) for stack in self.stacks() if stack.there}
        self._watched(["destroy", *STACKS, "--force", "--app", str(self.assembly)], totals, show)

    def _resources(self, stack: Stack) -> int:
        pages = self.account.client("cloudformation").get_paginator("list_stack_resources")
        return sum(len(page["StackResourceSummaries"]) for page in pages.paginate(StackName=stack.name))

    def _watched(self, words: Sequence[str], totals: dict[str, int], show: Show) -> None:
        watch = Watch(self.account, self.names)
        known: dict[str, str] = {stack.stack: stack.id for stack in self.stacks() if stack.id}
        process = self._start(*words)
        try:
            while True:
                try:
                    status: int | None = process.wait(POLL)
                except subprocess.TimeoutExpired:
                    status = None
                self._look(watch, totals, known, show)
                if status is not None:
                    break
        except BaseException:
            stop(process)
            raise
        if status:
            raise CdkError(f"cdk {words[0]} failed", self.log, watch.first_failure(self._known(known)))

    def _known(self, known: dict[str, str]) -> list[Stack]:
        """The stacks by their ids: by its name, one that was deleted cannot be found."""
        for stack in self.stacks():
            if stack.id:
                known[stack.stack] = stack.id
        return [read_stack(self.account, stack, stack_id) for stack, stack_id in known.items()]

    def _look(self, watch: Watch, totals: dict[str, int], known: dict[str, str], show: Show) -> None:
        try:
            stacks = self._known(known)
            show([Progress(one.stack, watch.step(one), totals.get(one.stack, 0)) for one in stacks])
        except AWS_ERRORS:
            # Not heard this time: nothing depends on it.
            return

    def follow(self, show: Show, pause: Callable[[float], None]) -> None:
        """Wait until CloudFormation is done with what an earlier, interrupted command began."""
        watch = Watch(self.account, self.names)
        while any(stack.busy for stack in self.stacks()):
            show([Progress(one.stack, watch.step(one), 0) for one in self.stacks() if one.there])
            pause(POLL)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the CDK as Ctrl-C does; CloudFormation goes on with what it was told."""
    for number in (signal.SIGINT, signal.SIGKILL):
        if process.poll() is None:
            os.killpg(process.pid, number)
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                continue
