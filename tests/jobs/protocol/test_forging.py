"""What an owner puts into the control directory of a job harms that job at most: others', and the worker, go on."""

import os
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from tests.jobs.protocol.world import TIMES, World, state, wait_out

from tandem.accounts.models import Person
from tandem.clusters.channel import Answer
from tandem.clusters.errors import AnswerLost
from tandem.jobs import actions, control, patience, reading
from tandem.jobs.models import Job, Placement, PlacementState, Task, new_placement_id

pytestmark = pytest.mark.django_db
Forge = Callable[[Path], object]


@pytest.fixture
def eve(person: Callable[..., Person]) -> Person:
    return person("eve")


def run(world: World, *jobs: Job) -> None:
    """Each has claimed, and is seen running."""
    world.dispatch()
    for job in jobs:
        world.start(job)
    world.poll()
    for job in jobs:
        assert state(job) == "RUNNING"


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**40)


FORGERIES: dict[str, Forge] = {
    "a pipe as result": lambda here: os.mkfifo(here / "result.0.0"),
    "a pipe as heartbeat": lambda here: ((here / "hb.0.0").unlink(), os.mkfifo(here / "hb.0.0")),
    "a pipe as the next claim": lambda here: os.mkfifo(here / "claim.0.1"),
    "a directory as result": lambda here: (here / "result.0.0").mkdir(),
    "a result without end": lambda here: huge(here / "result.0.0"),
    "a heartbeat without end": lambda here: huge(here / "hb.0.0"),
    "a result that leads elsewhere": lambda here: (here / "result.0.0").symlink_to("/dev/zero"),
    "a heartbeat that leads elsewhere": lambda here: (here / "hb.0.9").symlink_to("/dev/zero"),
    "a result that cannot be read": lambda here: (here / "result.0.0").touch(0o000),
    "a result in no words of ours": lambda here: (here / "result.0.0").write_bytes(b"\xff\xfe\0 1 2 3\n" * 50),
    "a result of nobody": lambda here: (here / "result.0.0").write_text(f"1 {'a' * 20} 1 2 0 -\t\n"),
    "a name of two lines": lambda here: (here / "result.0.0\nend").touch(),
    "a number without end": lambda here: (here / f"claim.0.{'9' * 200}").symlink_to("run:x"),
    "a task that is not there": lambda here: (here / "claim.777777.0").symlink_to(
        f"run:cluster1:{uuid.uuid4()}:1:{'a' * 20}"
    ),
    "a thousand claims": lambda here: [(here / f"claim.0.{n}").symlink_to("run:x") for n in range(1, 1000)],
}


@pytest.mark.parametrize("what", FORGERIES)
def test_a_forgery_harms_the_job_of_whom_it_is_at_most(
    what: str, world: World, eve: Person, ada: Person, caplog: pytest.LogCaptureFixture
) -> None:
    forged, of_ada = world.submit(eve), world.submit(ada)
    run(world, forged, of_ada)
    FORGERIES[what](world.real(forged.control_path))
    began = time.monotonic()
    for _ in range(3):
        world.poll()
    # Not a measure: a reader that waits for a pipe, or reads without end, is ended much later.
    assert time.monotonic() - began < control.DEADLINE
    world.start_of(of_ada).finish(0)
    world.poll_until(of_ada, "COMPLETED")
    assert not [record for record in caplog.records if record.exc_info]
    assert set(Placement.objects.values_list("job", flat=True)) == {forged.pk, of_ada.pk}


@pytest.mark.parametrize("kind", ["result", "hb"])
def test_what_is_no_result_does_not_keep_the_schedulers_word_from_counting(
    kind: str, world: World, eve: Person
) -> None:
    job = world.submit(eve)
    run(world, job)
    path = world.real(job.control_path) / f"{kind}.0.0"
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    world.start_of(job).end(0)
    wait_out(world, 31)
    assert state(job) == "COMPLETED"


def test_another_jobs_placement_in_a_claim_changes_nothing_of_that_job(world: World, eve: Person, ada: Person) -> None:
    forged, of_ada = world.submit(eve), world.submit(ada)
    run(world, of_ada)
    theirs = world.placement(of_ada)
    here = world.real(forged.control_path)
    here.mkdir(parents=True, exist_ok=True)
    (here / "claim.0.0").symlink_to(f"run:cluster1:{theirs.pk}:1:{'a' * 20}")
    world.dispatch()
    for _ in range(3):
        world.poll()
    theirs.refresh_from_db()
    assert theirs.job == of_ada
    assert state(of_ada) == "RUNNING"
    assert state(forged) == "FAILED"
    assert "closed by somebody else" in forged.reason


def test_forged_claims_of_a_jobs_own_make_a_few_rows_at_a_time(world: World, eve: Person) -> None:
    job = world.submit(eve, array="0-199")
    here = world.real(job.control_path)
    here.mkdir(parents=True, exist_ok=True)
    for index in range(200):
        (here / f"claim.{index}.0").symlink_to(f"run:cluster1:{new_placement_id(job.pk)}:1:{'a' * 20}")
    world.dispatch()
    world.poll()
    assert job.placements.count() <= 60


def answers_to(world: World, act: Callable[[], object]) -> list[Answer]:
    """What the door carried home meanwhile."""
    answers = []
    asked = world.run

    def listening(*args: Any, **options: Any) -> Answer:
        answers.append(asked(*args, **options))
        return answers[-1]

    world.run = listening  # type: ignore[method-assign]
    act()
    world.run = asked  # type: ignore[method-assign]
    return answers


def test_a_job_with_a_thousand_attempts_is_followed_like_any_other(world: World, ada: Person) -> None:
    job = world.submit(ada, restartable=True)
    run(world, job)
    here, placement = world.real(job.control_path), world.placement(job)
    for number in range(1000):
        nonce = f"{number:08x}-0000"
        for kind in ("hb", "result"):
            (here / f"{kind}.0.{number}").write_text(f"1 {nonce} 1000 1060 1 -\t\n")
        (here / f"claim.0.{number}").unlink(missing_ok=True)
        (here / f"claim.0.{number}").symlink_to(f"run:cluster1:{placement.pk}:1:{nonce}")
    newest = world.start(job, attempt=1000)
    answers = answers_to(world, world.poll)
    assert max(len(answer.stdout) for answer in answers) < 1000
    assert state(job) == "RUNNING"
    assert Task.objects.get(job=job).attempt == 1000
    newest.finish(0)
    world.poll_until(job, "COMPLETED")
    assert world.claims(job)["claim.0.1001"].startswith("closed:ended:")


FLOODS: dict[str, Forge] = {
    "heartbeats": lambda here: [(here / f"hb.0.{number}").touch() for number in range(1, 6_100)],
    "tasks": lambda here: [(here / f"claim.{task}.0").symlink_to("run:x") for task in range(1, 50)],
}


@pytest.mark.parametrize("what", FLOODS)
def test_a_flooded_directory_is_told_in_words_and_keeps_no_other_job_of_its_owner_from_being_followed(
    what: str, world: World, eve: Person
) -> None:
    flooded, other = world.submit(eve), world.submit(eve)
    run(world, flooded, other)
    here = world.real(flooded.control_path)
    before = set(here.iterdir())
    FLOODS[what](here)
    world.start_of(other).finish(0)
    answers = answers_to(world, lambda: world.poll_until(other, "COMPLETED"))
    assert max(len(answer.stdout) for answer in answers) < 1000
    assert state(flooded) == "UNKNOWN"
    assert f"{flooded.control_path} holds far more files than its runs can have left there" in flooded.reason
    for path in set(here.iterdir()) - before:
        path.unlink()
    world.start_of(flooded).finish(0)
    world.poll_until(flooded, "COMPLETED")


def test_a_flooded_job_says_what_to_do_and_can_be_ended(
    world: World, eve: Person, signed_in: Callable[[Person], Any]
) -> None:
    job = world.submit(eve)
    run(world, job)
    here = world.real(job.control_path)
    before = set(here.iterdir())
    FLOODS["tasks"](here)
    actions.cancel_job(job, eve)
    world.poll()
    assert state(job) == "UNKNOWN"
    assert world.clusters["cluster1"].cancelled, "its run is ended all the same"
    page = signed_in(eve).get(f"/jobs/{job.pk}/").content.decode()
    assert "holds far more files than its runs can have left there" in page
    for path in set(here.iterdir()) - before:
        path.unlink()
    wait_out(world, 31)
    world.poll_until(job, "CANCELLED")


@pytest.mark.parametrize("is_cancelled", [True, False])
def test_a_claim_from_a_cluster_that_there_is_not_is_told_and_does_not_last(
    is_cancelled: bool, world: World, eve: Person
) -> None:
    """Nobody would ever hear from there. After a restored backup it may have been one, so the heartbeat decides."""
    job = world.submit(eve)
    world.dispatch()
    here = world.real(job.control_path)
    (here / "claim.0.0").symlink_to(f"run:nowhere:{new_placement_id(job.pk)}:1:{'a' * 20}")
    for _ in range(2):
        world.poll()
    assert state(job) == "UNKNOWN"
    assert "nowhere, which is no cluster of this environment" in job.reason
    if is_cancelled:
        actions.cancel_job(job, eve)
    for _ in range(3):
        world.poll()
        world.poll("cluster2")
    wait_out(world, TIMES.take_over + 1)
    world.poll_until(job, "FAILED")
    assert "interrupted" in job.reason


def test_a_claim_of_what_was_never_sent_keeps_nobody_from_being_placed(world: World, eve: Person, ada: Person) -> None:
    """The id was on its way through its owner's shell."""
    job = world.submit(eve, restartable=True)
    world.clusters["cluster1"].unreachable = 1
    world.dispatch()
    never_sent = world.placement(job)
    assert never_sent.state == PlacementState.NOT_SENT
    here = world.real(job.control_path)
    here.mkdir(parents=True)
    (here / "claim.0.0").symlink_to(f"run:cluster1:{never_sent.pk}:1:{'a' * 20}")
    world.poll()
    wait_out(world, TIMES.take_over + 1)
    job.refresh_from_db()
    assert job.place_wanted == 1
    others = world.submit(ada)
    world.dispatch()
    assert world.placement(others).state == PlacementState.SUBMITTED


def test_claims_closed_by_the_owner_end_the_job_with_the_reason(world: World, eve: Person) -> None:
    job = world.submit(eve)
    run(world, job)
    for number in range(1, 1000):
        (world.real(job.control_path) / f"claim.0.{number}").symlink_to(f"closed:x:{'a' * 20}")
    answers = answers_to(world, world.poll)
    assert max(len(answer.stdout) for answer in answers) < 1000
    assert state(job) == "FAILED"
    assert "its control directory was closed by somebody else (x)" in job.reason


def test_last_words_have_nothing_that_a_terminal_would_do(world: World, eve: Person) -> None:
    job = world.submit(eve)
    run(world, job)
    world.start_of(job).finish(1, words="\x1b]0;owned\x07\u202egood\x9b31m\x1fsecond")
    world.poll_until(job, "FAILED")
    assert job.reason == "exit code 1: ]0;ownedgood31m\nsecond"


def test_who_is_slow_to_read_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, ada: Person, eve: Person) -> None:
    """As with a login shell that sleeps: the others' jobs are read all the same, and his in a later pass."""
    monkeypatch.setattr(reading, "PATIENCE", 0.2)
    gate, asked = threading.Event(), []

    def look(wanted: reading.Wanted) -> dict[uuid.UUID, control.Reading]:
        owner = wanted[0][0].owner.username
        asked.append(owner)
        if owner == "eve":
            gate.wait(30)
        return {job.pk: {} for job, _ in wanted}

    cases = [_Case(Job(owner=owner)) for owner in (ada, eve)]
    of_ada, of_eve = (case.job.pk for case in cases)
    reader, first, second = reading.ControlReader(look, "cluster1"), timezone.now(), timezone.now()
    assert set(reader.read(cases, first)) == {of_ada}  # type: ignore[arg-type]
    assert set(reader.read(cases, first)) == {of_ada}  # type: ignore[arg-type]
    assert asked.count("eve") == 1, "one look at a time"
    gate.set()
    reader._looks[eve.pk].answer.result(30)
    found = reader.read(cases, second)  # type: ignore[arg-type]
    assert found[of_eve].looked_at == first, "it is as old as its beginning"


class _Case:
    def __init__(self, job: Job) -> None:
        self.job = job
        self.tasks: dict[int, object] = {}


def test_whose_shell_hangs_takes_little_of_a_pass(
    monkeypatch: pytest.MonkeyPatch, world: World, ada: Person, eve: Person
) -> None:
    """Everything done as eve lasts until its deadline: her ten cancels may not, one after the other, hold up ada."""
    jobs, of_ada = [world.submit(eve) for _ in range(10)], world.submit(ada)
    run(world, *jobs, of_ada)
    clock = [0.0]
    monkeypatch.setattr(patience.time, "monotonic", lambda: clock[0])
    asked = world.clusters["cluster1"].cancel

    def hang(user: str, placement: uuid.UUID, owner: str | None = None) -> None:
        clock[0] += 10
        raise AnswerLost("cluster1 did not answer")

    world.clusters["cluster1"].cancel = hang  # type: ignore[method-assign]
    for job in jobs:
        actions.cancel_job(job, eve)
    world.start_of(of_ada).finish(0)
    world.poll()
    assert clock[0] <= 10
    assert state(of_ada) == "COMPLETED"
    world.clusters["cluster1"].cancel = asked  # type: ignore[method-assign]
    for _ in range(2):
        world.poll()
    assert {user for user, _ in world.clusters["cluster1"].cancelled} == {"eve"}
    assert len(set(world.clusters["cluster1"].cancelled)) == 10
