"""A short storm over real clusters: a fixed seed, and one that is new each time and printed."""

import random

import pytest
from tests.region import Region

from tandem.drills.promises import PROMISES
from tandem.drills.report import summary
from tandem.drills.storm import Plan, Storm

pytestmark = pytest.mark.region


@pytest.mark.parametrize("seed", [1, random.SystemRandom().randrange(10**6)], ids=["fixed", "random"])
def test_no_work_is_lost_in_a_short_storm(region: Region, seed: int) -> None:
    print(f"seed {seed}")
    plan = Plan(seed, jobs=40, strikes=5, spread=30.0, longest=45.0, drain=240.0)
    outcome = Storm(region.environment, plan, print).run()
    print(summary(outcome))
    assert outcome.effective, "no fault took effect"
    assert not outcome.judgement.broken, f"seed {seed}: {outcome.judgement.broken}"
    assert {promise: outcome.judgement.count(promise) for promise in PROMISES} == dict.fromkeys(PROMISES, 0)
