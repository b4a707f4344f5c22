"""What a poll of a cluster costs, with few and with many jobs, beside the bare `squeue` that it holds."""

from bench.inside import CLEAR, POLL, SBATCH_PARALLEL, SQUEUE
from bench.lab import Lab
from bench.measure import Row, median, milliseconds

POLLS = 20


def polling(lab: Lab, sizes: tuple[int, ...]) -> list[Row]:
    """One line per number of waiting jobs."""
    lab.on_head(CLEAR)
    rows, jobs = [], 0
    for size in sizes:
        lab.on_head(SBATCH_PARALLEL, str(size - jobs), "4")
        jobs = size
        raw = lab.on_head(SQUEUE, str(POLLS))
        ours = lab.on_portal(POLL, lab.cluster, str(POLLS))
        rows.append(
            Row(
                f"poll of a cluster with {size} jobs, beside `squeue`",
                milliseconds(ours),
                milliseconds(raw),
                median(ours) / median(raw),
            )
        )
    lab.on_head(CLEAR)
    return rows
