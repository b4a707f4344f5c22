"""The reaper removes what has expired and was told of, and never anything that somebody may still need or write."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from tandem.accounts.models import Person
from tandem.clusters.channel import Answer
from tandem.clusters.door import AnswerLost, ClusterRefused, ClusterUnreachable
from tandem.clusters.models import Cluster
from tandem.jobs.actions import ActionRefused
from tandem.jobs.models import Event, Job, JobState, Spooler
from tandem.jobs.spoolers import reaper as reaping
from tandem.jobs.spoolers.actions import delete_spooler, keep_spooler
from tandem.jobs.spoolers.reaper import Reaper
from tandem.jobs.spoolers.words import Fate, outlook

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("two_clusters")]

WEEK = timedelta(days=7)
DONE, MORE, NO_STORAGE = Answer(b"", b"", 0), Answer(b"", b"", 124), Answer(b"", b"", 3)


@pytest.fixture
def reaper(fake_door: Any) -> Reaper:
    fake_door.answers = [DONE]
    return Reaper(fake_door, WEEK)


def again(spooler: Spooler) -> Spooler:
    return Spooler.objects.select_related("owner").get(pk=spooler.pk)


def told(spooler: Spooler) -> list[str]:
    events = Event.objects.filter(job__spooler=spooler, kind__startswith="spooler.").order_by("id")
    return list(events.values_list("kind", flat=True))


class TestExpiry:
    def test_it_counts_from_the_end_of_the_last_job(
        self, reaper: Reaper, ada: Person, over: Callable[..., Spooler], make_job: Callable[..., Job]
    ) -> None:
        ended = timezone.now() - timedelta(hours=5)
        spooler, running = over(ada, ended_at=ended), make_job(ada, state=JobState.RUNNING).spooler
        reaper.set_expiries()
        assert again(spooler).expires_at == ended + WEEK
        assert again(running).expires_at is None

    def test_what_is_kept_or_has_one_is_left_alone(
        self, reaper: Reaper, ada: Person, over: Callable[..., Spooler]
    ) -> None:
        kept, until = over(ada, kept=True), timezone.now() + timedelta(days=99)
        extended = over(ada, expires_at=until)
        reaper.set_expiries()
        assert again(kept).expires_at is None
        assert again(extended).expires_at == until

    def test_one_that_ended_long_ago_gets_time_to_be_told(
        self, reaper: Reaper, ada: Person, over: Callable[..., Spooler]
    ) -> None:
        spooler = over(ada, ended_at=timezone.now() - timedelta(days=400))
        reaper.set_expiries()
        expires_at = again(spooler).expires_at
        assert expires_at is not None
        assert expires_at > timezone.now() + timedelta(hours=23)


class TestTelling:
    def test_an_owner_is_told_once_before(self, reaper: Reaper, ada: Person, over: Callable[..., Spooler]) -> None:
        until = timezone.now() + timedelta(hours=20)
        soon, later = over(ada, expires_at=until), over(ada, expires_at=timezone.now() + timedelta(days=3))
        reaper.tell_owners()
        reaper.tell_owners()
        assert (told(soon), told(later)) == (["spooler.expiring"], [])
        assert again(soon).expires_at == until

    def test_who_could_not_be_told_in_time_gets_the_time(
        self, reaper: Reaper, fake_door: Any, ada: Person, over: Callable[..., Spooler], past: datetime
    ) -> None:
        spooler = over(ada, expires_at=past)
        reaper.step()
        expires_at = again(spooler).expires_at
        assert expires_at is not None
        assert expires_at > timezone.now() + timedelta(hours=23)
        assert told(spooler) == ["spooler.expiring"]
        assert not fake_door.asked


class TestRemoval:
    def test_an_expired_spooler_is_removed_as_its_owner_and_its_record_stays(
        self, reaper: Reaper, fake_door: Any, ada: Person, due: Callable[..., Spooler]
    ) -> None:
        spooler = due(ada)
        assert reaper.step() == 0.0
        user, cluster, arguments = fake_door.asked[0]
        assert (user, cluster, arguments[0]) == ("ada", "cluster1", spooler.path)
        seen = again(spooler)
        assert seen.removed_at is not None
        assert outlook(seen).fate is Fate.REMOVED
        assert told(spooler) == ["spooler.removed"]
        assert Job.objects.filter(spooler=spooler).exists()
        assert reaper.step() > 0
        assert len(fake_door.asked) == 1

    def test_never_the_control_directory(
        self, reaper: Reaper, fake_door: Any, ada: Person, due: Callable[..., Spooler]
    ) -> None:
        spooler = due(ada)
        reaper.step()
        assert ".tandem" not in fake_door.asked[0][2][0]
        assert fake_door.asked[0][2][0].endswith(f"/{spooler.pk}")

    @pytest.mark.parametrize(
        "job",
        [
            {"state": JobState.RUNNING},
            {"state": JobState.UNKNOWN},
            {"sealed_at": None},
            {"state": JobState.FAILED, "correctable_until": timezone.now() + timedelta(hours=1)},
        ],
        ids=["running", "unknown", "not sealed", "correctable"],
    )
    def test_it_waits_while_something_may_still_write_there(
        self, job: dict[str, Any], reaper: Reaper, fake_door: Any, ada: Person, due: Callable[..., Spooler]
    ) -> None:
        spooler = due(ada)
        Job.objects.filter(spooler=spooler).update(**job)
        reaper.step()
        assert not fake_door.asked
        assert again(spooler).removed_at is None

    def test_a_job_that_can_no_longer_be_corrected_is_waited_for_no_longer(
        self, reaper: Reaper, ada: Person, due: Callable[..., Spooler], past: datetime
    ) -> None:
        spooler = due(ada)
        Job.objects.filter(spooler=spooler).update(state=JobState.FAILED, correctable_until=past)
        reaper.step()
        assert again(spooler).removed_at is not None

    @pytest.mark.parametrize(
        "fields",
        [{"kept": True}, {"removed_at": timezone.now()}, {"expires_at": timezone.now() + WEEK}, {"expires_at": None}],
        ids=["kept", "gone", "not yet", "never"],
    )
    def test_what_has_not_expired_stays(
        self, fields: dict[str, Any], reaper: Reaper, fake_door: Any, ada: Person, due: Callable[..., Spooler]
    ) -> None:
        due(ada, **fields)
        reaper.step()
        assert not fake_door.asked

    def test_a_wish_to_delete_is_carried_out_at_once(
        self, reaper: Reaper, ada: Person, over: Callable[..., Spooler]
    ) -> None:
        spooler = over(ada, expires_at=timezone.now() + WEEK)
        delete_spooler(spooler, ada)
        reaper.step()
        assert again(spooler).removed_at is not None
        assert Event.objects.get(kind="spooler.removed").data["by"] == "ada"

    def test_it_waits_for_a_cluster(
        self, reaper: Reaper, fake_door: Any, ada: Person, due: Callable[..., Spooler]
    ) -> None:
        spooler = due(ada)
        Cluster.objects.update(state="DOWN")
        assert reaper.step() > 0
        assert not fake_door.asked
        seen = again(spooler)
        assert (seen.remove_tries, seen.removing_until) == (0, None)

    def test_a_disabled_person_is_waited_for(
        self, reaper: Reaper, fake_door: Any, ada: Person, bob: Person, due: Callable[..., Spooler]
    ) -> None:
        waiting, other = due(ada), due(bob)
        ada.is_active = False
        ada.save()
        reaper.step()
        assert [user for user, _, _ in fake_door.asked] == ["bob"]
        assert again(other).removed_at is not None
        assert "disabled" in outlook(again(waiting)).detail


class TestFailing:
    @pytest.fixture
    def spooler(self, ada: Person, due: Callable[..., Spooler]) -> Spooler:
        return due(ada)

    def rested(self, spooler: Spooler, past: datetime) -> None:
        Spooler.objects.filter(pk=spooler.pk).update(remove_not_before=past)

    def test_it_is_tried_again_after_a_while_and_says_why(
        self, reaper: Reaper, fake_door: Any, spooler: Spooler, past: datetime
    ) -> None:
        fake_door.answers = [Answer(b"", b"rm: cannot remove './x': Operation not permitted\x1b[2J", 1)]
        reaper.step()
        seen = again(spooler)
        assert "Operation not permitted" in outlook(seen).detail
        assert "\x1b" not in seen.remove_problem
        assert (seen.remove_tries, seen.removing_until) == (1, None)
        first = seen.remove_not_before
        assert first is not None
        assert first > timezone.now()
        assert reaper.step() > 0
        assert len(fake_door.asked) == 1
        self.rested(spooler, past)
        reaper.step()
        second = again(spooler).remove_not_before
        assert second is not None
        assert second - timezone.now() > timedelta(seconds=90)
        self.rested(spooler, past)
        fake_door.answers = [DONE]
        reaper.step()
        assert again(spooler).removed_at is not None

    def test_a_failure_keeps_no_other_spooler_waiting(
        self, reaper: Reaper, fake_door: Any, spooler: Spooler, bob: Person, due: Callable[..., Spooler]
    ) -> None:
        other = due(bob)
        fake_door.answers = [ClusterRefused("no"), ClusterRefused("no"), DONE]
        reaper.step()
        reaper.step()
        assert [again(one).removed_at is not None for one in (spooler, other)] == [False, True]

    def test_another_cluster_is_asked_when_one_lets_nobody_in(
        self, reaper: Reaper, fake_door: Any, spooler: Spooler
    ) -> None:
        fake_door.answers = [ClusterUnreachable("silent"), DONE]
        reaper.step()
        assert [cluster for _, cluster, _ in fake_door.asked] == ["cluster1", "cluster2"]
        assert again(spooler).removed_at is not None

    def test_silence_is_nobodys_mistake(self, reaper: Reaper, fake_door: Any, spooler: Spooler) -> None:
        fake_door.answers = [ClusterUnreachable("cluster2: no route")]
        reaper.step()
        seen = again(spooler)
        assert (seen.remove_tries, seen.removing_until) == (0, None)
        assert "no route" in seen.remove_problem

    def test_storage_that_is_not_there_is_no_spooler_that_is_gone(
        self, reaper: Reaper, fake_door: Any, spooler: Spooler
    ) -> None:
        fake_door.answers = [NO_STORAGE]
        reaper.step()
        seen = again(spooler)
        assert seen.removed_at is None
        assert "storage" in seen.remove_problem

    def test_a_large_one_is_gone_on_with_after_the_others(
        self, reaper: Reaper, fake_door: Any, spooler: Spooler, ada: Person, bob: Person, due: Callable[..., Spooler]
    ) -> None:
        other = due(bob)
        fake_door.answers = [MORE, DONE, DONE]
        for _ in range(3):
            reaper.step()
        assert [user for user, _, _ in fake_door.asked] == ["ada", "bob", "ada"]
        assert again(spooler).removed_at is not None
        assert again(other).removed_at is not None

    def test_half_of_a_large_one_cannot_be_kept(
        self, reaper: Reaper, fake_door: Any, spooler: Spooler, ada: Person
    ) -> None:
        fake_door.answers = [MORE]
        reaper.step()
        with pytest.raises(ActionRefused):
            keep_spooler(again(spooler), ada)

    def test_after_a_lost_answer_nobody_is_told_that_he_kept_it(
        self, reaper: Reaper, fake_door: Any, spooler: Spooler, ada: Person, past: datetime
    ) -> None:
        fake_door.answers = [AnswerLost("cluster1 fell silent")]
        reaper.step()
        with pytest.raises(ActionRefused, match="being removed"):
            keep_spooler(again(spooler), ada)
        assert reaper.step() > 0
        Spooler.objects.filter(pk=spooler.pk).update(removing_until=past)
        fake_door.answers = [DONE]
        reaper.step()
        assert again(spooler).removed_at is not None


class TestRaces:
    def test_whoever_keeps_it_before_it_is_taken_wins(
        self,
        reaper: Reaper,
        fake_door: Any,
        ada: Person,
        due: Callable[..., Spooler],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        spooler = due(ada)

        def meanwhile(job: Job) -> list[str]:
            keep_spooler(again(spooler), ada)
            return ["cluster1"]

        monkeypatch.setattr(reaping, "answering_clusters", meanwhile)
        reaper.remove_next()
        assert not fake_door.asked
        seen = again(spooler)
        assert (seen.kept, seen.removed_at) == (True, None)

    def test_two_workers_do_not_take_the_same(
        self, reaper: Reaper, fake_door: Any, ada: Person, due: Callable[..., Spooler], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        spooler = due(ada)

        def meanwhile(job: Job) -> list[str]:
            Spooler.objects.filter(pk=spooler.pk).update(removing_until=timezone.now() + timedelta(minutes=1))
            return ["cluster1"]

        monkeypatch.setattr(reaping, "answering_clusters", meanwhile)
        reaper.remove_next()
        assert not fake_door.asked

    def test_a_job_that_starts_to_write_meanwhile_stops_it(
        self, reaper: Reaper, fake_door: Any, ada: Person, due: Callable[..., Spooler], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        spooler = due(ada)

        def meanwhile(job: Job) -> list[str]:
            Job.objects.filter(spooler=spooler).update(state=JobState.RUNNING, sealed_at=None)
            return ["cluster1"]

        monkeypatch.setattr(reaping, "answering_clusters", meanwhile)
        reaper.remove_next()
        assert not fake_door.asked
