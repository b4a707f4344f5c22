"""Where jobs that want a placement have one already: there they do not go again."""

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence

from tandem.jobs.models import LIVE_PLACEMENTS, Job, Placement, PlacementState, Task
from tandem.jobs.sightings import gone_tasks
from tandem.jobs.submission import array_indices

Numbers = Mapping[int, int]


def numbers_wanted(jobs: Sequence[Job]) -> Mapping[uuid.UUID, Numbers]:
    """By job and task, for which attempt it goes out: one more than that of its last run. Those without a run are
    missing: they go out for their first. One query at most.
    """
    found: dict[uuid.UUID, dict[int, int]] = defaultdict(dict)
    for job in jobs:
        if not job.array and job.place_wanted:
            found[job.pk][0] = job.place_wanted
    arrays = [job.pk for job in jobs if job.array and job.place_wanted]
    rows = Task.objects.filter(job__in=arrays).exclude(owner=None).values_list("job", "index", "attempt")
    for job_id, index, attempt in rows if arrays else ():
        found[job_id][index] = attempt + 1
    return found


def tasks_out(job: Job, placements: Sequence[Placement], numbers: Numbers) -> dict[str, frozenset[int]]:
    """By cluster, the tasks that want a placement and do not go there: it refused the job, or has them already, for
    the attempt for which they now go out or a later one.
    """
    wanted = wanted_tasks(job)
    found: dict[str, frozenset[int]] = defaultdict(frozenset)
    for placement in placements:
        if placement.state == PlacementState.REFUSED:
            found[placement.cluster] = wanted
        elif placement.state in LIVE_PLACEMENTS:
            there = wanted & set(array_indices(placement.array or job.array)) - gone_tasks(placement.seen_tasks)
            found[placement.cluster] |= {index for index in there if placement.attempt >= numbers.get(index, 0)}
    return found


def wanted_tasks(job: Job) -> frozenset[int]:
    """The tasks that want a placement: of an array maybe some."""
    return frozenset(array_indices(job.place_tasks or job.array))
