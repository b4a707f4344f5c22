"""A storm is drawn from its seed: all kinds of faults and jobs are in it, and the same ones each time."""

import random
from pathlib import Path

from tandem.drills.faults import FAULTS
from tandem.drills.load import draw_jobs
from tandem.drills.storm import Plan, draw_strikes
from tandem.environment import load_environment

REFERENCE = Path(__file__).parents[2] / "tandem.yaml"
PLAN = Plan(seed=1, jobs=500, strikes=30, spread=1.0, longest=1.0)


def test_the_same_seed_draws_the_same() -> None:
    first, second = (draw_strikes(random.Random(7), PLAN, 30) for _ in range(2))
    assert first == second
    assert first != draw_strikes(random.Random(8), PLAN, 30)


def test_every_kind_of_fault_is_in_a_lane() -> None:
    assert {planned.fault for planned in draw_strikes(random.Random(1), PLAN, 30)} == set(FAULTS)


def test_some_strikes_are_aimed_at_each_window() -> None:
    windows = {planned.window for planned in draw_strikes(random.Random(1), PLAN, 30)}
    assert windows == {"", *PLAN.windows}


def test_every_kind_of_job_is_among_five_hundred() -> None:
    jobs = draw_jobs(random.Random(1), load_environment(REFERENCE), 500)
    assert {job.kind for job in jobs} == {"single", "array", "restartable", "elastic", "failing", "cancelled"}
    assert {job.cluster for job in jobs} == {"any", "cluster1", "cluster2"}
    assert all(job.array == f"0-{len(job.tasks) - 1}" for job in jobs if job.array)
