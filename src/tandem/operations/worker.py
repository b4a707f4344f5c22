"""The worker: `python -m tandem.operations.worker`, one on every portal node.

For each cluster a watch loop (ask the cluster, follow its jobs) and a dispatch loop, with one beside it that settles
what was refused; and one loop that removes expired spoolers. Each is under a lease, so that of all workers one does it
and another takes over within seconds. And one loop that publishes who may enter the clusters. It ends cleanly on
SIGTERM, and may be killed at any moment: all that matters is in the database.
"""

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import django
import structlog
from django.db import DatabaseError, InterfaceError, close_old_connections, connection

from tandem.environment import Environment

log = structlog.get_logger()

PEOPLE_EVERY = 2.0
FORGET_EVERY = 600.0
IDLE = 0.25
AFTER_FAILURE = 1.0
DRAIN = 8.0


class Loop(threading.Thread):
    """Does a turn again and again while its lease (if it has one) is ours, until it is to stop.

    `turn` answers how long to wait before the next one. Whatever goes wrong in one turn, the next is tried.
    """

    def __init__(
        self,
        name: str,
        turn: Callable[[], float],
        stopping: threading.Event,
        holds: Callable[[str], bool] | None = None,
        at_end: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._turn = turn
        self._stopping = stopping
        self._holds = holds
        self._at_end = at_end

    def run(self) -> None:
        structlog.contextvars.bind_contextvars(loop=self.name)
        while not self._stopping.is_set():
            if self._holds is not None and not self._holds(self.name):
                self._stopping.wait(IDLE)
                continue
            self._stopping.wait(self._one_turn())
        if self._at_end is not None:
            self._guarded(self._at_end)
        connection.close()

    def _one_turn(self) -> float:
        pause = AFTER_FAILURE

        def turn() -> None:
            nonlocal pause
            close_old_connections()
            pause = self._turn()

        self._guarded(turn)
        return pause

    def _guarded(self, act: Callable[[], None]) -> None:
        try:
            act()
        except (DatabaseError, InterfaceError) as problem:
            # Also a database that has become read-only under us (error 1290): after a failover its name leads to the
            # new writer, but only for a new connection.
            log.warning("the database did not do it", error=str(problem))
            connection.close()
        except Exception:  # the loop outlives its turns: without it the cluster would be unattended
            log.exception("a turn failed")
            connection.close()


def main() -> int:
    """Run until SIGTERM or SIGINT."""
    django.setup()
    from tandem.clusters import ask_signer
    from tandem.node import this_environment, this_node
    from tandem.operations.leases import LeaseKeeper, lease_names

    environment, node = this_environment(), this_node()
    if environment is None or node is None:
        log.error("a worker needs TANDEM_NODE: a development server has no clusters to work for")
        return 2
    stopping = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stopping.set())

    while not stopping.is_set():
        try:
            take_up(environment)
            break
        except (DatabaseError, InterfaceError) as problem:
            log.warning("waiting for the database", error=str(problem))
            connection.close()
            stopping.wait(AFTER_FAILURE)
    names = [cluster.name for cluster in environment.clusters]
    fit = partial(ask_signer.answers, node.signer_socket)
    keeper = LeaseKeeper(f"{node.node}:{socket.gethostname()}:{os.getpid()}", lease_names(names), fit)
    loops = [Loop("people", _publish, stopping), Loop("past", _forget, stopping)]
    for cluster in names:
        loops.append(_watch_loop(cluster, stopping, keeper.holds))
        loops += _dispatch_loops(cluster, stopping, keeper.holds)
    loops.append(_reaper_loop(stopping, keeper.holds))
    keeper.start()
    for loop in loops:
        loop.start()
    if ready := os.environ.get("TANDEM_READY"):
        Path(ready).touch()
    log.info("worker is ready", node=node.node, clusters=names)
    stopping.wait()
    log.info("worker is ending")
    until = time.monotonic() + DRAIN + 2
    for loop in loops:
        loop.join(timeout=max(until - time.monotonic(), 0))
    keeper.stop()
    return 0


def take_up(environment: Environment) -> None:
    """Have the database know the environment's clusters. What was seen on one that is none of them is seen no more."""
    from tandem.clusters.watch import sync_clusters
    from tandem.jobs import outside

    for gone in sync_clusters(environment):
        outside.show_silence(gone, "")


def _publish() -> float:
    from tandem.accounts.people_file import publish_people

    publish_people()
    return PEOPLE_EVERY


def _forget() -> float:
    from tandem.accounts.actions import forget_expired
    from tandem.jobs.outside import forget_outside_jobs

    forget_expired()
    forget_outside_jobs()
    return FORGET_EVERY


def _watch_loop(cluster: str, stopping: threading.Event, holds: Callable[[str], bool]) -> Loop:
    from tandem.clusters.door import get_door
    from tandem.clusters.scheduler import get_scheduler
    from tandem.clusters.watch import poll_once
    from tandem.jobs.follow import Follower
    from tandem.node import this_environment

    environment = this_environment()
    assert environment is not None  # noqa: S101
    follower = Follower(cluster, get_door(), get_scheduler, environment)

    def turn() -> float:
        began = time.monotonic()
        picture = poll_once(cluster, environment.failover, follower.ask_history_since)
        follower.step(picture)
        return max(environment.failover.poll_interval - (time.monotonic() - began), 0.0)

    return Loop(f"watch:{cluster}", turn, stopping, holds)


def _dispatch_loops(cluster: str, stopping: threading.Event, holds: Callable[[str], bool]) -> list[Loop]:
    from tandem.clusters.door import get_door
    from tandem.clusters.scheduler import get_scheduler
    from tandem.jobs.dispatch import Dispatcher
    from tandem.jobs.follow import Follower
    from tandem.jobs.refusals import Refusals
    from tandem.node import this_environment

    environment = this_environment()
    assert environment is not None  # noqa: S101
    refusals = Refusals(Follower(cluster, get_door(), get_scheduler, environment).follow_now)
    dispatcher = Dispatcher(cluster, get_scheduler(cluster), environment, refusals.put)

    def turn() -> float:
        return 0.0 if dispatcher.step(IDLE) else IDLE

    def settle() -> float:
        refusals.step(IDLE)
        return 0.0

    return [
        Loop(f"dispatch:{cluster}", turn, stopping, holds, at_end=lambda: dispatcher.drain(DRAIN)),
        Loop(f"refusals:{cluster}", settle, stopping),  # of what this worker sent: no lease
    ]


def _reaper_loop(stopping: threading.Event, holds: Callable[[str], bool]) -> Loop:
    from tandem.clusters.door import get_door
    from tandem.jobs.spoolers.reaper import Reaper, expire_after
    from tandem.node import this_environment
    from tandem.operations.leases import REAPER

    return Loop(REAPER, Reaper(get_door(), expire_after(this_environment())).step, stopping, holds)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tandem.site.settings")
    sys.exit(main())
