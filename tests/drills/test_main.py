"""A storm that was no storm is no proof."""

from dataclasses import replace

from tandem.drills.__main__ import what_is_short
from tandem.drills.promises import Judgement
from tandem.drills.storm import Plan
from tandem.drills.strike import Struck
from tandem.drills.trial import Outcome

PLAN = Plan(1, jobs=2, strikes=3, spread=1.0, longest=1.0, windows=("between claim and start",))
STRUCK = Struck("worker-kill", "a", "between claim and start", 0.0, 1.0, True, 2.0, [])
WHOLE = Outcome(2, 2, {}, [STRUCK] * 3, Judgement(), 1.0, 0.0)


def test_what_a_storm_lacks_is_said() -> None:
    assert what_is_short(WHOLE, PLAN) == ""
    assert what_is_short(replace(WHOLE, jobs=1), PLAN) == "1 of 2 jobs"
    assert what_is_short(replace(WHOLE, strikes=[STRUCK] * 2), PLAN) == "2 of 3 faults"
    without_effect = [STRUCK, STRUCK, replace(STRUCK, took_effect=False)]
    assert what_is_short(replace(WHOLE, strikes=without_effect), PLAN) == "2 of 3 faults"
    never_well = [STRUCK, STRUCK, replace(STRUCK, recovered_after=None)]
    assert what_is_short(replace(WHOLE, strikes=never_well), PLAN) == "1 faults were not recovered from in time"
    unaimed = [replace(STRUCK, window="")] * 3
    assert what_is_short(replace(WHOLE, strikes=unaimed), PLAN) == "no fault between claim and start"
