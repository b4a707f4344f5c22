"""The wrapper's twin: payload/wrapper.sh in Python, taken apart into the steps between which anything may happen.

`test_twin.py` holds the two to each other. A step that needs the shared file system does nothing while that hangs, as
the process that waits for it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.jobs.protocol.model.files import SharedFiles

SUPERSEDED, NOCLAIM, FENCED, KILLED, TERMINATED = 113, 114, 115, 137, 143
GRACE = 2.0  # the wrapper's, for a payload that is told to end
KILL_WAIT = 30.0  # the scheduler's, between its SIGTERM and its SIGKILL
KILL_TIME = 10.0  # the longest that killing a payload takes


class Zone(Protocol):
    """As much of where a run is as it notices."""

    name: str
    files: SharedFiles
    storage_hangs: bool
    slow_kill: bool

    def now(self) -> float: ...
    def payload_starts(self, run: "Run") -> None: ...
    def run_ended(self, run: "Run") -> None: ...


@dataclass(frozen=True, slots=True)
class Values:
    """What stands at the head of the batch script."""

    job: str
    placement: str
    cluster: str
    control: str
    is_restartable: bool
    heartbeat: int
    fence: int
    take_over: int


@dataclass(eq=False)
class Run:
    """One start of the batch script. `alive`: its wrapper is; `active`: the payload may do something now."""

    zone: Zone
    values: Values
    scheduler_id: str
    task: int
    nonce: str
    code: int | None = None
    alive: bool = True
    active: bool = False
    started_at: float | None = None
    payload_code: int | None = None
    wrote_result: bool = False
    attempt: int = 0
    got: str = "-"
    is_suspended: bool = False
    killed_at: float | None = None  # gone by then,
    killed_with: int | None = None  # and with which exit code
    told_until: float | None = None  # by a closed claim, to end; killed by then
    is_ending_itself: bool = False
    ignores_term: bool = False
    is_linking: bool = False
    is_watching: bool = False
    last_beat: float = 0.0  # when the writing of the last good one began
    last_written: float = 0.0  # when it lay there: for the checks, the wrapper does not know
    why: str = ""
    next_beat: float | None = None
    writing_since: float | None = None
    count: int = 0
    steps: Iterator[None] = field(init=False)

    def __post_init__(self) -> None:
        self.steps = self._steps()

    @property
    def own(self) -> str:
        values = self.values
        return f"run:{values.cluster}:{values.placement}:{self.scheduler_id}:{self.nonce}"

    @property
    def key(self) -> tuple[str, int]:
        return self.values.job, self.task

    def step(self) -> None:
        """The next thing that it does; nothing while it hangs or has ended."""
        stands_still = self.is_ending_itself or self.is_suspended or self.zone.storage_hangs
        if self.alive and not stands_still:
            next(self.steps, None)

    # 2. to 5. of wrapper.sh

    def _steps(self) -> Iterator[None]:
        files, zone, control = self.zone.files, self.zone.name, self.values.control
        begun = self.zone.now()
        while True:
            held = files.read(zone, control, self._claim())
            if not held:
                begun = self.zone.now()
                self.is_linking = True
                yield
                self.is_linking = False
                if files.link(zone, control, self._claim(), self.own):
                    held = self.own
                    yield
                else:
                    yield
                    held = files.read_after_conflict(zone, control, self._claim())
                    if not held:
                        self.leave(NOCLAIM)
                        return
            if held == self.own:
                break
            if held.startswith("closed:") or not self.values.is_restartable:
                self.leave(SUPERSEDED)
                return
            if not files.read(zone, control, self._claim(1)):
                yield from self._watch(held)
                if not self.alive:
                    return
                if files.read(zone, control, f"result.{self.task}.{self.attempt}"):
                    self.leave(SUPERSEDED)
                    return
            self.attempt += 1
            yield
        if self.values.is_restartable:
            if self.zone.now() - begun >= self.values.fence:
                self.leave(FENCED)
                return
            yield
            began = self.zone.now()
            if not self._write_beat(began):
                self.leave(FENCED)
                return
            yield
            if self.zone.now() - begun >= self.values.fence:
                self.leave(FENCED)
                return
        yield
        self._start_payload()

    def _claim(self, further: int = 0) -> str:
        return f"claim.{self.task}.{self.attempt + further}"

    def _watch(self, held: str) -> Iterator[None]:
        """Between any two lines of it the machine may stand still: what is seen is dated before it is looked at."""
        files, zone, control = self.zone.files, self.zone.name, self.values.control
        beat = f"hb.{self.task}.{self.attempt}"
        before = files.read(zone, control, beat)
        self.is_watching = True
        yield
        since = self.zone.now()
        while True:
            looked = self.zone.now()
            yield
            if files.read(zone, control, self._claim()) != held:
                self.leave(NOCLAIM)
                return
            if files.read(zone, control, beat) != before:
                self.leave(SUPERSEDED)
                return
            if files.read(zone, control, self._claim(1)):
                break
            yield
            if looked - since > self.values.take_over:
                break
        self.is_watching = False

    def _start_payload(self) -> None:
        now = self.zone.now()
        if self.values.is_restartable and now - self.last_beat >= self.values.fence:
            self.leave(FENCED)
            return
        self.active, self.started_at = True, now
        self.next_beat = now + self.values.heartbeat if self.values.is_restartable else now
        self.zone.payload_starts(self)

    def _write_beat(self, began: float) -> bool:
        self.count += 1
        text = f"{self.nonce} {self.count:09}"
        if not self.zone.files.write(self.zone.name, self.values.control, f"hb.{self.task}.{self.attempt}", text):
            return False
        self.last_beat, self.last_written = began, self.zone.now()
        return True

    # What goes on beside it: to be called every few seconds

    def pass_time(self) -> None:
        now = self.zone.now()
        if not self.alive or self.is_suspended:
            return
        if self.killed_at is not None and now >= self.killed_at:
            self.die(self.killed_with)
            return
        if self.active and self.told_until is not None and now >= self.told_until:
            self.finish(KILLED)
            return
        for _ in range(3 if self.is_watching else 0):
            self.step()
        if not self.active:
            return
        self._heart(now)
        if self.active and self.values.is_restartable:
            self._dog(now)

    def _heart(self, now: float) -> None:
        if self.next_beat is None or self.is_ending_itself:
            return
        if self.writing_since is None and now >= self.next_beat:
            self.writing_since = now
        if self.writing_since is None or self.zone.storage_hangs:
            return
        self._write_beat(self.writing_since)
        self.next_beat, self.writing_since = now + self.values.heartbeat, None
        following = self.zone.files.read(self.zone.name, self.values.control, self._claim(1))
        if following.startswith("closed:"):
            # Told to end first; a payload that can does so.
            self.why, self.got = f"found {following}", "TERM"
            if self.ignores_term:
                self.told_until = self.told_until or now + GRACE + (KILL_TIME if self.zone.slow_kill else 0.0)
            else:
                self.finish(TERMINATED)
        elif following:
            self._end_it(f"found {following}")

    def _dog(self, now: float) -> None:
        if now - self.last_beat >= self.values.fence:
            self._end_it("fenced itself")

    def _end_it(self, why: str) -> None:
        """All of it is killed, which may take a while; no result."""
        if not self.is_ending_itself:
            self.why, self.is_ending_itself = why, True
            self.killed_at = self.zone.now() + (KILL_TIME if self.zone.slow_kill else 0.0)
            self.killed_with = FENCED
        if self.killed_at is not None and self.zone.now() >= self.killed_at:
            self.die(FENCED)

    # The payload's own end, and what others do to it

    def finish(self, code: int) -> None:
        """The payload ends; next come its result and the wrapper's exit."""
        assert self.active
        self.active, self.payload_code = False, code
        self.steps = self._result(code)

    def _result(self, code: int) -> Iterator[None]:
        yield
        following = self.zone.files.read(self.zone.name, self.values.control, self._claim(1))
        if not (self.values.is_restartable and self.got == "TERM") or following.startswith("closed:"):
            start, end = int(self.started_at or 0), int(self.zone.now())
            text = f"1 {self.nonce} {start} {end} {code} {self.got}\t"
            name = f"result.{self.task}.{self.attempt}"
            self.wrote_result = self.zone.files.write(self.zone.name, self.values.control, name, text)
            yield
        self.leave(code)

    def terminate(self, why: str) -> None:
        """SIGTERM from the scheduler, and SIGKILL some time later."""
        self.why = why
        self.is_suspended = False
        if not self.alive:
            return
        if self.active:
            self.got = "TERM"
            if not self.is_ending_itself:
                self.killed_at, self.killed_with = self.zone.now() + KILL_WAIT, None
            if not self.ignores_term:
                self.finish(TERMINATED)
        elif self.payload_code is None:
            self.die(TERMINATED)

    def die(self, code: int | None) -> None:
        """Gone at once: by SIGKILL, with its machine, or because it was ended for good."""
        if self.alive:
            self.active = False
            self.leave(code)

    def leave(self, code: int | None) -> None:
        self.alive, self.active, self.code = False, False, code
        self.zone.run_ended(self)


def values_of(script: str) -> Values:
    """Reads the head of a batch script."""
    found: dict[str, Any] = {}
    for line in script.splitlines():
        if line.startswith("tandem_payload()"):
            break
        name, equals, value = line.partition("=")
        if equals and name.startswith("tandem_"):
            found[name.removeprefix("tandem_")] = value
    return Values(
        found["job"],
        found["placement"],
        found["cluster"],
        found["control"],
        found["restartable"] == "1",
        int(found["heartbeat"]),
        int(found["fence"]),
        int(found["take_over"]),
    )
