"""Whatever happens in whatever order: no payload starts twice, no state is shown that is not true, nothing is lost."""

import os
import time

import pytest
from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from tests.jobs.protocol.model.machine import Model
from tests.jobs.protocol.model.world import World, in_its_own_time

pytestmark = pytest.mark.django_db

EXAMPLES = int(os.environ.get("TANDEM_MODEL_EXAMPLES", "25"))
# Made beside each other, each in a process of its own (`--numprocesses`).
SHARDS = int(os.environ.get("TANDEM_MODEL_SHARDS", "1"))
STEPS = int(os.environ.get("TANDEM_MODEL_STEPS", "30"))
SEED = os.environ.get("TANDEM_MODEL_SEED")
# Mutants are only to be caught: that takes no shortest schedule.
PHASES = [Phase.generate, Phase.shrink] if os.environ.get("TANDEM_MODEL_SHRINK", "1") == "1" else [Phase.generate]


@pytest.mark.parametrize("shard", range(SHARDS))
def test_every_schedule_keeps_the_promises(monkeypatch: pytest.MonkeyPatch, shard: int) -> None:
    wanted = settings(
        max_examples=EXAMPLES // SHARDS,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        phases=PHASES,
        report_multiple_bugs=False,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet if len(PHASES) == 1 else Verbosity.normal,
    )
    machine = seed(int(SEED))(Model) if SEED else Model
    Model.schedules, began = 0, time.process_time()
    with in_its_own_time(monkeypatch):
        World()  # its rows stay: each schedule begins with them
        try:
            run_state_machine_as_test(machine, settings=wanted)
        finally:
            print(f"{Model.schedules} schedules, {time.process_time() - began:.0f} s of processor time")
