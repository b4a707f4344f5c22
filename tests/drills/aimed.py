"""Storms of one fault each, aimed at the hole that a safeguard closes: without it they hit, with it nothing happens.

Where a storm by chance would have to wait for long until a fault strikes in the right millisecond, these wait for the
moment itself: an sbatch that waits for Slurm, a worker between judging and writing down, a job that started elsewhere.
"""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import IO

from tandem.drills.faults import FAULTS, Fault, WorkerHang
from tandem.drills.load import Wanted
from tandem.drills.portal import Portal
from tandem.drills.strike import Say, strike, watching
from tandem.drills.trial import Outcome, Trial
from tandem.environment import Environment
from tandem.local.drill_database import SOCKET
from tandem.local.enter import command_on, find_host
from tandem.local.layout import Layout

READY_WITHIN = 90.0
SETTLED_WITHIN = 180.0

Look = Callable[[Trial], bool]


@dataclass(frozen=True)
class Aim:
    """Jobs; when they are `ready`, a fault in the first zone, which is held `until` then or for `hold` seconds at most.

    `meanwhile`: jobs that are submitted as the fault begins. `together`: none starts for so many seconds, then all do.
    What is to be cancelled at all is, when the fault is over.
    """

    fault: type[Fault]
    jobs: tuple[Wanted, ...] = ()
    meanwhile: tuple[Wanted, ...] = ()
    ready: Look = lambda _trial: True
    together: int = 0
    hold: float = 0.0
    until: Look = lambda _trial: False


def run_aimed(aim: Aim, environment: Environment, say: Say) -> Outcome:
    """Submit, wait until the moment has come, strike, wait for all jobs, judge."""
    fault = aim.fault(environment, Layout(environment).zones[0])
    with Portal(environment) as portal, watching(portal, say) as watch:
        begin = f"{datetime.now() + timedelta(seconds=aim.together):%Y-%m-%dT%H:%M:%S}" if aim.together else ""
        jobs = [replace(one, begin=begin) for one in (*aim.jobs, *aim.meanwhile)]
        trial = Trial(environment, portal, jobs, say)
        watch.look = trial.look
        trial.load.burst(len(aim.jobs))
        end = time.monotonic() + READY_WITHIN
        while not aim.ready(trial) and time.monotonic() < end:
            time.sleep(0.05)
        burst = threading.Thread(target=trial.load.burst, args=(len(aim.meanwhile),))
        burst.start()
        struck = strike(
            fault, aim.hold, watch, say, stopping=lambda: False, until=lambda: not burst.is_alive() and aim.until(trial)
        )
        burst.join()
        trial.load.cancel_all()
        trial.wait(SETTLED_WITHIN)
        return trial.judge([struck])


def all_wait(trial: Trial) -> bool:
    """Slurm has all of them, and none runs."""
    states = [row["state"] for row in trial.portal.jobs(trial.mark)]
    return len(states) == len(trial.load.submitted) and set(states) == {"PENDING"}


def all_run(trial: Trial) -> bool:
    """Every payload has started."""
    return trial.evidence.runs().keys() >= {(job, 0) for job in trial.load.submitted}


def all_ended(trial: Trial) -> bool:
    """Every payload has ended somewhere."""
    runs = trial.evidence.runs()
    return all(any(run.ended for run in runs.get((job, 0), [])) for job in trial.load.submitted)


def some_started_again(trial: Trial) -> bool:
    """A successor has been running for some seconds."""
    now = time.time()
    return any(now - found[1].first > 4.0 for found in trial.evidence.runs().values() if len(found) > 1)


def all_over(trial: Trial) -> bool:
    """The portal calls all of them over."""
    return trial.portal.open_jobs(trial.mark) == set()


class Oversleep(WorkerHang):
    """The worker stops when it has judged jobs to be running, and written that down of some of them only.

    Not within a transaction: what is locked there would keep the other worker from going on.
    """

    loop = "watch"
    _left: int = 0

    def begin(self) -> None:
        self.stopped = self.drill.service(*self.service())
        with _asking(self.environment) as ask:
            end = time.monotonic() + READY_WITHIN
            while not self._left and time.monotonic() < end:
                # Looked at while it stands still, every few milliseconds: that moment cannot be missed.
                os.kill(self.stopped, signal.SIGSTOP)
                if _count(ask, WRITTEN) and _count(ask, JUDGED):
                    while _is_in_a_transaction(ask):
                        os.kill(self.stopped, signal.SIGCONT)
                        time.sleep(0.001)
                        os.kill(self.stopped, signal.SIGSTOP)
                    self._left = _count(ask, JUDGED)
                if not self._left:
                    os.kill(self.stopped, signal.SIGCONT)
                    time.sleep(0.003)

    def took_effect(self) -> bool:
        return self._left > 0 and super().took_effect()


Ask = Callable[[str], list[str]]


@contextmanager
def _asking(environment: Environment) -> Iterator[Ask]:
    """Ask the database again and again, within a millisecond each time."""
    layout = Layout(environment)
    client = ["mariadb", "--no-defaults", f"--socket={SOCKET}", "--batch", "--skip-column-names", "--unbuffered"]
    command = command_on(layout, find_host(layout, "core"), client)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def ask(statement: str) -> list[str]:
            _pipe(process.stdin).write(f"{statement}; SELECT 'end';\n")
            _pipe(process.stdin).flush()
            lines = iter(_pipe(process.stdout).readline, "end\n")
            return [line.rstrip("\n") for line in lines]

        yield ask
        _pipe(process.stdin).close()


def _pipe(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


# Jobs that are shown to run; and those of which the worker has seen it in the same pass and not written it down yet.
WRITTEN = "SELECT count(*) FROM tandem.jobs_job WHERE state = 'RUNNING'"
JUDGED = (
    "SELECT count(*) FROM tandem.jobs_job job JOIN tandem.jobs_placement placement ON placement.job_id = job.id"
    " WHERE job.state = 'PENDING' AND placement.phase = 'running'"
)


def _count(ask: Ask, statement: str) -> int:
    return int(ask(statement)[0])


def _is_in_a_transaction(ask: Ask) -> bool:
    """Whether some transaction does not go on. The server renews its list of them ten times a second."""
    statement = "SELECT trx_id FROM information_schema.innodb_trx WHERE trx_rows_locked > 0"
    time.sleep(0.11)
    before = set(ask(statement))
    time.sleep(0.11)
    return bool(before & set(ask(statement)))


NAMED = tuple(Wanted("single", "cluster1", delay=5, seconds=0.5) for _ in range(6))
AIMS = {
    # Both clusters have these jobs. The first has started them and cannot look who else has, as its storage hangs; when
    # it can, the other one has already run them.
    "claim": Aim(
        FAULTS["zone-cut"],
        tuple(Wanted("single", delay=12, seconds=0.5) for _ in range(16)),
        ready=all_wait,
        hold=90.0,
        until=all_ended,
    ),
    # Slurm has these jobs, and the worker was not told so.
    "look-up": Aim(FAULTS["connection-kill"], meanwhile=NAMED, hold=4.0),
    # What runs may not start again, so it may not be ended either.
    "no-requeue": Aim(
        FAULTS["requeue"], tuple(Wanted("single", "cluster1", seconds=9.0) for _ in range(8)), ready=all_run
    ),
    # These run on, unseen and without storage, until they are started again elsewhere.
    "self-fence": Aim(
        FAULTS["zone-cut"],
        tuple(Wanted("restartable", restartable=True, seconds=400.0, cancel_after=0.0) for _ in range(6)),
        ready=all_run,
        hold=200.0,
        until=some_started_again,
    ),
    # While a worker stands still that found them running, they end, and the other one says so.
    "compare-and-swap": Aim(
        Oversleep,
        tuple(Wanted("single", "cluster1", seconds=3.0) for _ in range(16)),
        together=30,
        ready=all_wait,
        hold=60.0,
        until=all_over,
    ),
}
