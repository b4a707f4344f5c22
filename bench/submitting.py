"""Submitting: one job until it is durable, and many until Slurm has them; beside `sbatch` itself, on the same machine.

The jobs wait for an hour, here as there, so that starting them is not measured too. Both sides take turns, so that
what else the machine does falls on both. What they leave waiting stays: both sides see it.
"""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor

from bench.inside import SBATCH_PARALLEL, SBATCH_WHEN_TOLD
from bench.lab import Lab, Requests
from bench.measure import Row, median, milliseconds, seconds_of, timed

AT_A_TIME = 4
PATIENCE = 300.0
# One submission now and then: long enough for what follows from it (handing it on to Slurm, or Slurm's own work).
PAUSE = 0.25
WARM_UP = 10


def submission(lab: Lab, project: str) -> dict[str, object]:
    """A job that waits."""
    return {
        "executable": "/bin/true",
        "project": project,
        "cluster": lab.cluster,
        "additional_options": "--begin=now+1hour",
    }


def until_durable(lab: Lab, token: str, rounds: int, count: int) -> list[Row]:
    """The API's answer to a submission, beside one `sbatch` process; one of each in turn."""
    body = submission(lab, "alone")
    ours, theirs, ratios = [], [], []
    with Requests(lab, token) as portal, lab.told_on_head(SBATCH_WHEN_TOLD) as sbatch:

        def submit() -> object:
            return portal("POST", "/jobs", body)

        for number in range(WARM_UP + rounds * count):
            api = seconds_of(submit)
            time.sleep(PAUSE)
            raw = sbatch()
            time.sleep(PAUSE)
            if number >= WARM_UP:
                ours.append(api)
                theirs.append(raw)
        for start in range(0, len(ours), count):
            ratios.append(median(ours[start : start + count]) / median(theirs[start : start + count]))
    settle(lab, token, "alone")
    what = "API: submission until durable, beside one `sbatch` process"
    return [Row(what, milliseconds(ours), milliseconds(theirs), median(ratios), "≤ 1.00")]


def sustained(lab: Lab, token: str, rounds: int, count: int) -> list[Row]:
    """Many jobs through the API until Slurm has all of them, beside as many `sbatch`, four at a time."""
    ours, theirs = [], []
    for _ in range(rounds):
        theirs.append(count / float(lab.on_head(SBATCH_PARALLEL, str(count), str(AT_A_TIME))))
        ours.append(count / into_slurm(lab, token, count))
    return [
        Row(
            f"{count} submissions into Slurm, {AT_A_TIME} at a time, beside raw `sbatch`",
            f"{median(ours):.0f}/s",
            f"{median(theirs):.0f}/s",
            median(ours) / median(theirs),
            "≥ 0.70",
        )
    ]


def into_slurm(lab: Lab, token: str, count: int) -> float:
    """Seconds from the first request until Slurm has acknowledged the last job."""
    project = f"many-{uuid.uuid4().hex[:8]}"
    body = submission(lab, project)

    def some(number: int) -> None:
        with Requests(lab, token) as portal:
            for _ in range(number):
                portal("POST", "/jobs", body)

    with timed() as watch, ThreadPoolExecutor(AT_A_TIME) as several:
        list(several.map(some, [count // AT_A_TIME] * AT_A_TIME))
        settle(lab, token, project)
    return watch.seconds


def settle(lab: Lab, token: str, project: str) -> None:
    """Wait until no job of the project waits for a cluster."""
    until = time.monotonic() + PATIENCE
    with Requests(lab, token) as portal:
        while portal("GET", f"/jobs?project={project}&state=ACCEPTED&page_size=1")["results"]:
            if time.monotonic() > until:
                raise SystemExit(f"jobs are still not on a cluster after {PATIENCE:.0f} s")
            time.sleep(0.05)
