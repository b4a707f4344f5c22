"""What people may do to their spoolers, and what they may not."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from tandem.accounts.models import Person
from tandem.jobs.actions import ActionRefused
from tandem.jobs.models import Event, Job, JobState, Spooler
from tandem.jobs.spoolers.actions import (
    SpoolerNameInvalid,
    delete_spooler,
    extend_spooler,
    keep_spooler,
    rename_spooler,
)

pytestmark = pytest.mark.django_db


def in_days(number: float) -> datetime:
    return timezone.now() + timedelta(days=number)


def kinds(spooler: Spooler) -> list[str]:
    events = Event.objects.filter(job__spooler=spooler, kind__startswith="spooler.").order_by("id")
    return list(events.values_list("kind", flat=True))


def test_a_new_name_changes_nothing_but_the_record(ada: Person, over: Callable[..., Spooler]) -> None:
    spooler = over(ada)
    path = spooler.path
    rename_spooler(spooler, ada, "  mesh study, finer ")
    assert (spooler.name, spooler.path) == ("mesh study, finer", path)
    assert spooler.jobs.get().name == "a job"
    rename_spooler(spooler, ada, "mesh study, finer")
    assert kinds(spooler) == ["spooler.rename"]


@pytest.mark.parametrize("name", ["", "   ", "x" * 201, "a\nb", "safe\u202etxt.exe", "\x1b[2J", "\udce9"])
def test_a_name_that_deceives_is_refused(name: str, ada: Person, over: Callable[..., Spooler]) -> None:
    spooler = over(ada)
    with pytest.raises(SpoolerNameInvalid):
        rename_spooler(spooler, ada, name)
    assert Spooler.objects.get().name == "a job"


def test_what_is_kept_does_not_expire_until_it_is_given_a_time(ada: Person, over: Callable[..., Spooler]) -> None:
    spooler = over(ada, expires_at=in_days(7), expiry_told_at=timezone.now())
    keep_spooler(spooler, ada)
    keep_spooler(spooler, ada)
    assert (spooler.kept, spooler.expires_at, spooler.expiry_told_at) == (True, None, None)
    until = in_days(3)
    extend_spooler(spooler, ada, until)
    assert (spooler.kept, spooler.expires_at) == (False, until)
    assert kinds(spooler) == ["spooler.keep", "spooler.extend"]


def test_extending_never_shortens(ada: Person, over: Callable[..., Spooler]) -> None:
    until = in_days(30)
    spooler = over(ada, expires_at=until)
    with pytest.raises(ActionRefused, match="later than that already"):
        extend_spooler(spooler, ada, in_days(7))
    extend_spooler(spooler, ada, until)
    assert spooler.expires_at == until
    assert not kinds(spooler)


@pytest.mark.parametrize("days", [-1, 3651])
def test_an_expiry_lies_ahead_and_not_too_far(days: int, ada: Person, over: Callable[..., Spooler]) -> None:
    with pytest.raises(ActionRefused):
        extend_spooler(over(ada), ada, in_days(days))


def test_no_expiry_is_set_while_a_job_goes_on(ada: Person, make_job: Callable[..., Job]) -> None:
    with pytest.raises(ActionRefused, match="not over"):
        extend_spooler(make_job(ada, state=JobState.RUNNING).spooler, ada, in_days(9))


@pytest.mark.parametrize(
    ("state", "sealed"), [("ACCEPTED", False), ("RUNNING", False), ("UNKNOWN", False), ("CANCELLED", False)]
)
def test_nothing_is_deleted_before_its_job_is_final_and_sealed(
    state: str, sealed: bool, ada: Person, make_job: Callable[..., Job]
) -> None:
    job = make_job(ada, state=state, sealed_at=timezone.now() if sealed else None)
    with pytest.raises(ActionRefused, match="not over"):
        delete_spooler(job.spooler, ada)
    assert Spooler.objects.get().delete_wanted_at is None
    assert not kinds(job.spooler)


def test_a_deletion_is_a_wish_that_can_be_taken_back(ada: Person, over: Callable[..., Spooler]) -> None:
    spooler = over(ada, expires_at=in_days(7), remove_tries=3, remove_problem="old", remove_not_before=in_days(1))
    delete_spooler(spooler, ada)
    delete_spooler(spooler, ada)
    assert spooler.delete_wanted_at is not None
    assert spooler.expires_at is not None
    assert spooler.expires_at <= timezone.now()
    assert (spooler.remove_tries, spooler.remove_problem, spooler.remove_not_before) == (0, "", None)
    extend_spooler(spooler, ada, in_days(1))
    assert spooler.delete_wanted_at is None
    assert kinds(spooler) == ["spooler.delete", "spooler.extend"]


def test_only_its_owner_deletes_a_spooler(ada: Person, chief: Person, over: Callable[..., Spooler]) -> None:
    spooler = over(ada)
    with pytest.raises(ActionRefused, match="only its owner"):
        delete_spooler(spooler, chief)
    assert Spooler.objects.get().delete_wanted_at is None


def test_what_is_being_removed_cannot_be_kept(ada: Person, over: Callable[..., Spooler]) -> None:
    spooler = over(ada, expires_at=timezone.now(), removing_until=in_days(1))
    with pytest.raises(ActionRefused, match="being removed"):
        keep_spooler(spooler, ada)
    with pytest.raises(ActionRefused, match="being removed"):
        extend_spooler(spooler, ada, in_days(9))
    delete_spooler(spooler, ada)
    assert not kinds(spooler)


def test_what_is_gone_cannot_be_kept(ada: Person, over: Callable[..., Spooler]) -> None:
    spooler = over(ada, removed_at=timezone.now())
    with pytest.raises(ActionRefused, match="are gone"):
        keep_spooler(spooler, ada)
    delete_spooler(spooler, ada)
    assert not kinds(spooler)


def test_nobody_else_lets_expire_what_its_owner_keeps(ada: Person, chief: Person, over: Callable[..., Spooler]) -> None:
    spooler = over(ada, kept=True)
    with pytest.raises(ActionRefused, match="its owner keeps it"):
        extend_spooler(spooler, chief, in_days(9))
    assert Spooler.objects.get().kept
