"""The model's wrapper does what the real one does: the same short stories, told to both, end the same way.

With a safeguard taken out of the one, the two differ, until the same is taken out of the other.
"""

import os
import signal
import subprocess
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from tests.jobs.protocol.model.files import SharedFiles
from tests.jobs.protocol.model.wrapper import Run, values_of

from tandem.environment import Failover
from tandem.jobs.control import parse_claim, parse_result
from tandem.jobs.script import Ticket, batch_script
from tandem.jobs.submission import Submission

TIMES = Failover.model_construct(heartbeat=1, self_fence=3, take_over=5)
OTHER = f"run:cluster2:{uuid.UUID(int=7)}:7:0000000a-0001"
CLOSED = "closed:cancel:0000000b"
RESULT = "1 0000000a-0001 1000 1060 0 -\t"
BEAT = "0000000a-0001 00000000"
UNTIL = 240.0


@dataclass(frozen=True)
class Story:
    """What lies there before, what the payload does (None: it goes on), what happens once the payload runs.

    `happens` is `beats` (all the time: the other run's heartbeat), `TERM`, `no storage`, or a claim's text.
    """

    before: dict[str, str] = field(default_factory=dict)
    is_restartable: bool = False
    payload: int | None = 0
    happens: str = ""
    has_directory: bool = True
    ignores_term: bool = False


@dataclass(frozen=True)
class Outcome:
    """How it ended: exit code, by claim whose it is, by result its code and signal, whether the payload started."""

    code: int | None
    claims: dict[str, str]
    results: dict[str, tuple[int, str]]
    started: bool


STORIES = {
    "a start": Story(),
    "a payload that fails": Story(payload=3),
    "a restartable start": Story(is_restartable=True),
    "no control directory": Story(has_directory=False),
    "claimed by another": Story({"claim.0.0": OTHER}),
    "claimed by another, who ended": Story({"claim.0.0": OTHER, "result.0.0": RESULT}),
    "closed": Story({"claim.0.0": CLOSED}),
    "closed, restartable": Story({"claim.0.0": CLOSED}, is_restartable=True),
    "claimed by another, who is silent": Story({"claim.0.0": OTHER, "hb.0.0": BEAT}, is_restartable=True),
    "claimed by another, who never beat": Story({"claim.0.0": OTHER}, is_restartable=True),
    "claimed by another, who lives": Story({"claim.0.0": OTHER, "hb.0.0": BEAT}, is_restartable=True, happens="beats"),
    "claimed by another, silent and ended": Story(
        {"claim.0.0": OTHER, "hb.0.0": BEAT, "result.0.0": RESULT}, is_restartable=True
    ),
    "an attempt ended, the next is closed": Story({"claim.0.0": OTHER, "claim.0.1": CLOSED}, is_restartable=True),
    "closed while it runs": Story(payload=None, happens=CLOSED),
    "closed while it runs, restartable": Story(payload=None, happens=CLOSED, is_restartable=True),
    "taken over while it runs": Story(payload=None, happens=OTHER, is_restartable=True),
    "told to end": Story(payload=None, happens="TERM"),
    "told to end, restartable": Story(payload=None, happens="TERM", is_restartable=True),
    "closed while it runs, deaf": Story(payload=None, happens=CLOSED, ignores_term=True),
    "closed while it runs, deaf, restartable": Story(
        payload=None, happens=CLOSED, ignores_term=True, is_restartable=True
    ),
    "loses its storage, restartable": Story(payload=None, happens="no storage", is_restartable=True),
}


def outcome(code: int | None, own: str, files: dict[str, str], *, started: bool) -> Outcome:
    claims, results = {}, {}
    for name, text in files.items():
        if name.startswith("claim."):
            claim = parse_claim(0, text)
            claims[name] = "closed" if claim.why else "its own" if own in text else "another's"
        elif result := parse_result(text):
            results[name] = (result.code, result.signal)
    return Outcome(code, claims, results, started)


# The real one


@dataclass
class Told:
    """A story, as it goes with the real wrapper."""

    story: Story
    root: Path
    placement: uuid.UUID = field(default_factory=uuid.uuid4)
    happened: bool = False
    beats: int = 0

    def __post_init__(self) -> None:
        (self.root / "spooler").mkdir(parents=True)
        (self.root / "tmp").mkdir()
        self.control = self.root / "control"
        if self.story.has_directory:
            self.control.mkdir()
        for name, text in self.story.before.items():
            self.put(name, text)
        code = "while :; do sleep 0.2; done" if self.story.payload is None else f"exit {self.story.payload}"
        deaf = "trap '' TERM; " if self.story.ignores_term else ""
        (self.root / "batch").write_text(
            script_of(self.story, self.placement, str(self.root), f"{deaf}started; {code}")
        )
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.root), "TMPDIR": str(self.root / "tmp")}
        self.process = subprocess.Popen(
            ["/bin/sh", self.root / "batch"], env=environment, stderr=subprocess.DEVNULL, start_new_session=True
        )

    def put(self, name: str, text: str) -> None:
        if name.startswith("claim."):
            (self.control / name).symlink_to(text)
        else:
            (self.control / name).write_text(text + "\n")

    @property
    def started(self) -> bool:
        return (self.root / "started").exists()

    def goes_on(self) -> bool:
        """Let happen what is due; False once it is over."""
        if self.process.poll() is not None:
            return False
        happens = self.story.happens
        if happens == "beats":
            self.beats += 1
            self.put("hb.0.0", f"{BEAT}{self.beats}")
        elif happens and self.started and not self.happened:
            self.happened = True
            if happens == "TERM":
                self.process.send_signal(signal.SIGTERM)
            elif happens == "no storage":
                self.control.rename(self.root / "gone")
            else:
                self.put("claim.0.1", happens)
        return True

    def outcome(self) -> Outcome:
        files = {}
        for path in self.control.glob("*") if self.control.is_dir() else ():
            files[path.name] = str(path.readlink()) if path.is_symlink() else path.read_text().rstrip("\n")
        return outcome(self.process.wait(), str(self.placement), files, started=self.started)


def script_of(story: Story, placement: uuid.UUID, root: str, payload: str) -> str:
    ticket = Ticket(uuid.UUID(int=1), placement, "cluster1", f"{root}/control", f"{root}/spooler")
    submission = Submission(script="#!/bin/sh\ntrue\n", restartable=story.is_restartable)
    commands = payload.replace("started", f": > {root}/started")
    return batch_script(ticket, submission, f"#!/bin/sh\n{commands}\n", TIMES)


def as_the_real_one_does(directory: Path) -> dict[str, Outcome]:
    told = {name: Told(story, directory / str(number)) for number, (name, story) in enumerate(STORIES.items())}
    end = time.monotonic() + UNTIL
    try:
        while going_on := [name for name, one in told.items() if one.goes_on()]:
            assert time.monotonic() < end, going_on
            time.sleep(0.05)
        return {name: one.outcome() for name, one in told.items()}
    finally:
        for one in told.values():
            if one.process.poll() is None:
                os.killpg(one.process.pid, signal.SIGKILL)


# Its twin


class Zone:
    """Where the twin runs: nothing ever goes wrong there."""

    name = "cluster1"
    storage_hangs = slow_kill = False

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.files = SharedFiles(self.now)
        self.started = False

    def now(self) -> float:
        return self.seconds

    def payload_starts(self, run: Run) -> None:
        self.started = True

    def run_ended(self, run: Run) -> None:
        pass


def as_its_twin_does(story: Story) -> Outcome:
    zone = Zone()
    values = values_of(script_of(story, uuid.UUID(int=9), "", "true"))
    if story.has_directory:
        zone.files.make_directory(values.control)
    for name, text in story.before.items():
        zone.files.write("cluster2", values.control, name, text)
    run = Run(zone, values, "9", 0, "00000009-0001", ignores_term=story.ignores_term)
    happens = story.happens
    while run.alive and zone.seconds < 1000 + UNTIL:
        for _ in range(8):
            run.step()
        zone.seconds += 1
        run.pass_time()
        if happens == "beats":
            zone.files.write("cluster2", values.control, "hb.0.0", f"{BEAT}{zone.seconds:.0f}")
        elif run.active and story.payload is not None:
            run.finish(story.payload)
        elif run.active and happens == "TERM":
            run.terminate("told to")
        elif run.active and happens == "no storage":
            zone.files.directories.pop(values.control, None)
        elif run.active and happens:
            zone.files.link("cluster2", values.control, "claim.0.1", happens)
    directory = zone.files.directories.get(values.control, {})
    files = {name: versions[-1].text for name, versions in directory.items()}
    return outcome(run.code, values.placement, files, started=zone.started)


def test_the_twin_does_what_the_wrapper_does(tmp_path: Path) -> None:
    assert {name: as_its_twin_does(story) for name, story in STORIES.items()} == as_the_real_one_does(tmp_path)
