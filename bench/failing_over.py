"""What a person notices of losing a zone, and what many who look cost Slurm."""

import http.client
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from bench.lab import Lab, Requests
from bench.measure import Row, median
from bench.submitting import submission
from tandem.local.drill import Drill

JOBS = 20
LOOKERS = 20
LOOK_FOR = 30.0  # seconds
PATIENCE = 300.0
RETRY = 0.1


class Asking:
    """A client that wants an answer of the portal again and again, and notes the longest time without one."""

    def __init__(self, lab: Lab, token: str, path: str) -> None:
        self._lab, self._token, self._path = lab, token, path
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.longest = 0.0
        self.answers = 0

    def __enter__(self) -> "Asking":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        last = time.monotonic()
        while not self._stop.is_set():
            try:
                with Requests(self._lab, self._token, seconds=2) as portal:
                    portal("GET", self._path)
            except (OSError, http.client.HTTPException, SystemExit):
                pass
            else:
                now = time.monotonic()
                self.longest, last = max(self.longest, now - last), now
                self.answers += 1
            self._stop.wait(RETRY)


def until(what: str, ready: Callable[[], bool]) -> None:
    """Wait for something; a portal that does not answer meanwhile is asked again."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            if ready():
                return
        except (OSError, http.client.HTTPException, SystemExit):
            pass
        if time.monotonic() > end:
            raise SystemExit(f"not within {PATIENCE:.0f} s: {what}")
        time.sleep(RETRY)


def losing_a_zone(lab: Lab, token: str, rounds: int) -> list[Row]:
    """Power failure in each zone in turn: until its waiting jobs are on the other cluster; and without an answer."""
    drill = Drill(lab.environment)
    replaced, silent = [], []
    for number in range(rounds):
        zone = drill.layout.zones[number % len(drill.layout.zones)]
        there = {cluster.name for cluster in lab.environment.zone_clusters(zone.name)}
        jobs = submit_some(lab, token)
        until("the jobs wait", lambda jobs=jobs: all(job["state"] == "PENDING" for job in read(lab, token, jobs)))
        theirs = [str(job["id"]) for job in read(lab, token, jobs) if job["cluster"] in there]

        def moved(theirs: list[str] = theirs, there: set[str] = there) -> bool:
            rows = read(lab, token, theirs)
            return all(row["state"] == "PENDING" and row["cluster"] not in there for row in rows)

        with Asking(lab, token, "/clusters") as client:
            began = time.monotonic()
            drill.kill(zone)
            until("waiting jobs are placed on the other cluster", moved)
            replaced.append(time.monotonic() - began)
        silent.append(client.longest)
        drill.start(zone)
        until("all clusters are up", lambda: all(row["state"] == "UP" for row in clusters(lab, token)))
    down = lab.environment.failover.down_after
    return [
        Row(
            f"zone lost: its share of {JOBS} waiting jobs is on the other cluster, beside `down_after`",
            f"{median(replaced):.1f} s (worst {max(replaced):.1f})",
            f"{down} s",
            median(replaced) / down,
            f"< {down + 10} s",
        ),
        Row(
            "zone lost: longest time without an answer for a client that tries again",
            f"{median(silent):.1f} s (worst {max(silent):.1f})",
            target="≤ 5 s",
        ),
    ]


def no_capacity(lab: Lab, token: str, rounds: int) -> list[Row]:
    """From when the portal shows the reason until the jobs run in the other zone."""
    drill = Drill(lab.environment)
    took = []
    for number in range(rounds):
        zone = drill.layout.zones[number % len(drill.layout.zones)]
        there = {cluster.name for cluster in lab.environment.zone_clusters(zone.name)}
        until("no elastic node runs", lambda: not elastic_nodes(lab, token))
        drill.refuse_nodes(zone, refuse=True)
        body = {"executable": "/bin/sleep", "options": "600", "name": f"starved-{uuid.uuid4().hex[:8]}"}
        with Requests(lab, token) as portal:
            # As many as there are clusters: one has its turn where nodes are lacking.
            jobs = [str(portal("POST", "/jobs", body)["id"]) for _ in lab.environment.clusters]

        def lacks(there: set[str] = there) -> bool:
            return any(row["name"] in there and row["shortages"] for row in clusters(lab, token))

        def run_elsewhere(jobs: list[str] = jobs, there: set[str] = there) -> bool:
            rows = read(lab, token, jobs)
            return all(row["state"] == "RUNNING" and row["cluster"] not in there for row in rows)

        until("the reason is seen", lacks)
        began = time.monotonic()
        until("the jobs run in the other zone", run_elsewhere)
        took.append(time.monotonic() - began)
        drill.refuse_nodes(zone, refuse=False)
        with Requests(lab, token) as portal:
            for job in jobs:
                portal("POST", f"/jobs/{job}/cancel")
        until("the shortage is over", lambda lacks=lacks: not lacks())
    return [
        Row(
            "no capacity in one zone: the job runs in the other, from the reason's appearance",
            f"{median(took):.1f} s (worst {max(took):.1f})",
            target="< 30 s",
        )
    ]


def looking(lab: Lab, token: str, rounds: int) -> list[Row]:
    """Requests that slurmctld serves while nobody looks at jobs and clusters, and while many do (`sdiag`)."""
    by_itself, looked_at, answers = [], [], 0
    for _ in range(rounds):
        by_itself.append(requests_served(lab))
        with several([Asking(lab, token, path) for path in ["/jobs", "/clusters"] * (LOOKERS // 2)]) as clients:
            looked_at.append(requests_served(lab))
        answers += sum(client.answers for client in clients)
    alone, together = median(by_itself), median(looked_at)
    return [
        Row(
            f"slurmctld's requests in {LOOK_FOR:.0f} s while {LOOKERS} clients ask ({answers} answers), beside nobody",
            f"{together:.0f} (worst {max(looked_at):.0f})",
            f"{alone:.0f} (worst {max(by_itself):.0f})",
            together / alone,
            "1",
        )
    ]


@contextmanager
def several(clients: list[Asking]) -> Iterator[list[Asking]]:
    """All of them at once."""
    for client in clients:
        client.__enter__()
    try:
        yield clients
    finally:
        for client in clients:
            client.__exit__()


def requests_served(lab: Lab) -> float:
    """By the first cluster's slurmctld in `LOOK_FOR` seconds, by its own clock: asking takes longer when many look."""

    def count() -> tuple[int, int]:
        said = lab.tandem("shell", f"head-{lab.cluster}", "--", "sdiag")
        types = said.partition("Remote Procedure Call statistics by message type")[2].partition("by user")[0]
        when = re.search(r"sdiag output at .*\((\d+)\)", said)
        assert when, said
        return sum(int(number) for number in re.findall(r"count:(\d+)", types)), int(when[1])

    before, began = count()
    time.sleep(LOOK_FOR)
    after, ended = count()
    return (after - before) / (ended - began) * LOOK_FOR


def submit_some(lab: Lab, token: str) -> list[str]:
    """Jobs for any cluster that wait; their ids."""
    body = submission(lab, f"lost-{uuid.uuid4().hex[:8]}") | {"cluster": "any"}
    with Requests(lab, token) as portal:
        return [str(portal("POST", "/jobs", body)["id"]) for _ in range(JOBS)]


def read(lab: Lab, token: str, ids: list[str]) -> list[dict[str, Any]]:
    """Jobs as the portal shows them."""
    with Requests(lab, token, seconds=5) as portal:
        return [portal("GET", f"/jobs/{job}") for job in ids]


def clusters(lab: Lab, token: str) -> list[dict[str, Any]]:
    """Clusters as the portal shows them."""
    with Requests(lab, token, seconds=5) as portal:
        return list(portal("GET", "/clusters"))


def elastic_nodes(lab: Lab, token: str) -> list[str]:
    """Those that run, start or stop."""
    nodes = [node for cluster in clusters(lab, token) for node in cluster["nodes"] if node["elastic"]]
    return [node["name"] for node in nodes if "POWERED_DOWN" not in node["state"].split("+")]
