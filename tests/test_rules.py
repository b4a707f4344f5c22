"""Rules that several parts go by are the same in all of them."""

from tandem import rules
from tandem.cli.jobs import ENDINGS
from tandem.drills.promises import WORST_FIRST
from tandem.jobs.models import FINAL_STATES


def test_every_state_in_which_a_job_is_over_is_known_wherever_somebody_waits_for_one() -> None:
    assert set(ENDINGS) == set(WORST_FIRST) == rules.FINAL_STATES == {state.value for state in FINAL_STATES}
