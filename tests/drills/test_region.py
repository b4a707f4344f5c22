"""A short storm over real clusters: a fixed seed, and one that is new each time and printed."""

import random

import pytest
from tests.region import Region

from tandem.drills.promises import PROMISES
from tandem.drills.report import summary
from tandem.drills.storm import Plan, Storm
from tandem.drills.trial import Outcome

pytestmark = pytest.mark.region

# Of five strikes that are wanted: the machine's processors may be wanted by others, and fewer fit into the time.
FEWEST = 3


def storm(region: Region, plan: Plan) -> Outcome:
    outcome = Storm(region.environment, plan, print).run()
    print(summary(outcome))
    assert outcome.jobs >= plan.jobs
    assert not outcome.judgement.broken, f"seed {plan.seed}: {outcome.judgement.broken}"
    assert {promise: outcome.judgement.count(promise) for promise in PROMISES} == dict.fromkeys(PROMISES, 0)
    return outcome


@pytest.mark.parametrize("seed", [1, random.SystemRandom().randrange(10**6)], ids=["fixed", "random"])
def test_no_work_is_lost_in_a_short_storm(region: Region, seed: int) -> None:
    print(f"seed {seed}")
    outcome = storm(region, Plan(seed, jobs=40, strikes=5, spread=30.0, longest=75.0, drain=240.0))
    assert len(outcome.effective) >= FEWEST, [(one.fault, one.trouble) for one in outcome.strikes]


def test_without_a_fault_nothing_is_restarted_interrupted_or_corrected(region: Region) -> None:
    """So that what a storm shows is the faults' doing, and each excuse in it has one of them as its reason."""
    outcome = storm(region, Plan(1, jobs=16, strikes=0, spread=4.0, longest=0.0))
    assert outcome.strikes == []
    judged = outcome.judgement
    assert (judged.restarted, judged.interrupted, judged.corrected, judged.thawed) == (0, 0, 0, [])
