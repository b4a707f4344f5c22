"""Pages of jobs: who sees which, what they say, what they let people do."""

import html
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tandem.accounts.models import Person
from tandem.clusters.models import Cluster
from tandem.jobs import outputs
from tandem.jobs.job_page import job_page
from tandem.jobs.models import Event, Job, JobState, OutsideJob, Placement, PlacementState, Task, new_placement_id
from tandem.jobs.outputs import OutputFile, OutputList

HX = {"HX-Request": "true"}


@pytest.fixture
def adas(ada: Person, signed_in: Callable[[Person], Client]) -> Client:
    return signed_in(ada)


def text_of(client: Client, name: str, job: Job | None = None, **headers: str) -> str:
    """The page's source."""
    response = client.get(reverse(name, args=[job.pk] if job else None), headers=headers)
    assert response.status_code == 200
    return response.content.decode()


def placed(job: Job, **fields: Any) -> Placement:
    """A placement of the job, whose run holds the claim."""
    given = {"cluster": "cluster1", "state": PlacementState.SUBMITTED, "state_since": timezone.now()}
    placement = Placement.objects.create(id=new_placement_id(job.id), job=job, **(given | fields))
    Task.objects.create(job=job, owner=placement, state=job.state)
    return placement


class TestTheList:
    def test_it_has_own_jobs_newest_first(self, ada: Person, bob: Person, adas: Client, make_job: Any) -> None:
        for name in ("the older", "the newer"):
            make_job(ada, name)
        make_job(bob, "not hers")
        page = text_of(adas, "jobs")
        assert page.index("the newer") < page.index("the older")
        assert "not hers" not in page

    def test_an_administrator_sees_everybodys_and_whose_they_are(
        self, ada: Person, chief: Person, signed_in: Callable[[Person], Client], make_job: Any
    ) -> None:
        make_job(ada, "hers")
        page = text_of(signed_in(chief), "jobs")
        assert "hers" in page
        assert ">ada<" in page

    def test_an_empty_one_offers_the_first_step(self, adas: Client) -> None:
        page = text_of(adas, "jobs")
        assert "No jobs yet" in page
        assert reverse("applications") in page

    def test_it_listens_from_the_moment_it_was_made(self, ada: Person, adas: Client, make_job: Any) -> None:
        make_job(ada)
        newest = Event.objects.order_by("-id").values_list("id", flat=True)[0]
        assert f'sse-connect="/streams/events?since={newest}"' in text_of(adas, "jobs")


class TestTheJob:
    @pytest.mark.parametrize("name", ["job", "job-status", "job-files"])
    def test_somebody_elses_is_not_there(self, name: str, bob: Person, adas: Client, make_job: Any) -> None:
        assert adas.get(reverse(name, args=[make_job(bob).pk])).status_code == 404
        assert adas.get(reverse(name, args=[uuid.uuid4()])).status_code == 404

    def test_it_says_where_and_when_it_runs(
        self, ada: Person, adas: Client, two_clusters: list[Cluster], make_job: Any
    ) -> None:
        job = make_job(ada, state=JobState.RUNNING, cluster="cluster1", started_at=timezone.now())
        placed(job, scheduler_id="4217", nodes="node-[1-2]")
        page = text_of(adas, "job", job)
        for words in ("Running", "cluster1", "zone1", "4217", "node-[1-2]", job.spooler.path):
            assert words in page

    def test_the_run_that_holds_the_claim_is_shown_and_not_the_latest_placement(
        self, ada: Person, adas: Client, make_job: Any
    ) -> None:
        job = make_job(ada, state=JobState.RUNNING, cluster="cluster1")
        placed(job, scheduler_id="the winner")
        Placement.objects.create(
            id=new_placement_id(job.id),
            job=job,
            cluster="cluster2",
            state_since=timezone.now(),
            scheduler_id="the loser",
        )
        page = text_of(adas, "job", job)
        assert "the winner" in page
        assert "the loser" not in page

    def test_a_refusal_is_told_in_the_schedulers_own_words(self, ada: Person, adas: Client, make_job: Any) -> None:
        job = make_job(ada, state=JobState.FAILED, reason="No cluster took it.")
        placed(job, state=PlacementState.REFUSED, message="sbatch: error: invalid partition <specified>")
        page = text_of(adas, "job", job)
        assert "The job was refused." in page
        assert "invalid partition &lt;specified&gt;" in page

    def test_the_same_words_are_not_told_twice(self, ada: Person, adas: Client, make_job: Any) -> None:
        job = make_job(ada, state=JobState.FAILED, reason="cluster1: invalid partition")
        placed(job, state=PlacementState.REFUSED, message="invalid partition\n")
        assert text_of(adas, "job-status", job).count("invalid partition") == 1

    def test_an_exit_code_alone_is_put_into_words(self, ada: Person, adas: Client, make_job: Any) -> None:
        job = make_job(ada, state=JobState.FAILED, exit_code=3)
        assert "ended with exit code 3" in text_of(adas, "job", job)

    def test_while_its_cluster_is_silent_the_age_of_what_is_shown_stands_there(
        self, ada: Person, adas: Client, two_clusters: list[Cluster], make_job: Any
    ) -> None:
        last = timezone.now() - timedelta(minutes=4)
        Cluster.objects.filter(name="cluster2").update(state="DOWN", last_answer_at=last)
        job = make_job(ada, state=JobState.UNKNOWN, state_since=last, cluster="cluster2", started_at=last)
        placed(job, cluster="cluster2")
        page = text_of(adas, "job", job)
        assert "cluster2 does not answer" in page
        assert page.count("4 min ago") >= 2
        assert ">ran " not in page

    def test_why_a_job_is_unknown_although_its_cluster_answers_stands_there(
        self, ada: Person, chief: Person, signed_in: Any, two_clusters: list[Cluster], make_job: Any
    ) -> None:
        words = "cluster1 no longer has it, and its owner&#x27;s account is disabled"
        job = make_job(ada, state=JobState.UNKNOWN, cluster="cluster1", reason=html.unescape(words))
        placed(job, state=PlacementState.ENDED)
        assert words in text_of(signed_in(chief), "job", job)
        assert words in text_of(signed_in(chief), "job-status", job)

    def test_a_cancel_that_is_wished_is_cancelling_until_there_is_evidence(
        self, ada: Person, adas: Client, make_job: Any
    ) -> None:
        job = make_job(ada, state=JobState.RUNNING, cancel_wanted_at=timezone.now())
        page = text_of(adas, "job-status", job)
        assert "Cancelling" in page
        assert 'id="cancel-job"' not in page

    def test_what_was_submitted_is_shown_as_text(self, ada: Person, adas: Client, make_job: Any) -> None:
        submission = {"name": "", "executable": "/bin/<b>", "restartable": True, "launcher": "none", "nodes": None}
        page = text_of(adas, "job", make_job(ada, submission=submission, payload="echo '<script>'\n"))
        assert "/bin/&lt;b&gt;" in page
        assert "echo &#x27;&lt;script&gt;&#x27;" in page
        assert "Restartable" in page
        assert "Launcher" not in page

    def test_a_name_that_is_markup_stays_a_name(self, ada: Person, adas: Client, make_job: Any) -> None:
        page = text_of(adas, "job", make_job(ada, '"><script>alert(1)</script>'))
        assert "<script>alert" not in page

    def test_an_array_has_the_output_of_each_task(self, ada: Person, adas: Client, make_job: Any) -> None:
        page = text_of(adas, "job", make_job(ada, array="2-9:2"))
        assert 'data-file="output.2.txt" data-pattern="output.*.txt"' in page
        assert 'min="2" max="8"' in page

    def test_a_job_long_over_listens_to_nothing(self, ada: Person, adas: Client, make_job: Any) -> None:
        over = datetime(2026, 1, 1, tzinfo=UTC)
        page = text_of(adas, "job", make_job(ada, state=JobState.COMPLETED, ended_at=over))
        assert "sse-connect" not in page
        assert f'sse-connect="/streams/events?job={make_job(ada).pk}' not in page

    def test_every_changing_part_comes_again_with_its_place(self, ada: Person, adas: Client, make_job: Any) -> None:
        fragment = text_of(adas, "job-status", make_job(ada), **HX)
        for part in ("job-context", "job-actions", "job-notices", "job-facts", "job-placements", "job-timeline"):
            assert f'id="{part}"' in fragment
        assert fragment.count('hx-swap-oob="true"') == 7

    def test_a_page_that_shows_everything_already_is_left_alone(self, ada: Person, adas: Client, make_job: Any) -> None:
        job = make_job(ada)
        address = f"{reverse('job-status', args=[job.pk])}?seen={job_page(Job.objects.get()).mark}"
        assert adas.get(address).status_code == 204
        Job.objects.update(scheduler_reason="Resources")
        assert adas.get(address).status_code == 200
        Job.objects.update(scheduler_reason="")
        assert adas.get(address).status_code == 204
        placed(job)
        assert adas.get(address).status_code == 200

    def test_what_is_unknown_is_as_old_as_its_clusters_last_answer(
        self, ada: Person, adas: Client, two_clusters: list[Cluster], make_job: Any
    ) -> None:
        now = timezone.now()
        Cluster.objects.filter(name="cluster2").update(state="DOWN", last_answer_at=now - timedelta(minutes=7))
        make_job(ada, state=JobState.UNKNOWN, state_since=now - timedelta(minutes=5), cluster="cluster2")
        page = text_of(adas, "jobs")
        assert "7 min ago" in page
        assert "5 min ago" not in page

    def test_placements_are_told_where_there_was_more_than_one(self, ada: Person, adas: Client, make_job: Any) -> None:
        job = make_job(ada, state=JobState.RUNNING, started_at=timezone.now())
        lost = placed(job, cluster="cluster1", state=PlacementState.LOST)
        Task.objects.all().delete()
        placed(job, cluster="cluster2", phase="running")
        told = job_page(job).handings
        assert [(one.placement.cluster, one.became) for one in told] == [
            ("cluster1", "no longer known there"),
            ("cluster2", "runs"),
        ]
        assert "no longer known there" in text_of(adas, "job", job)
        lost.delete()
        assert not job_page(job).handings

    def test_the_timeline_says_who_did_what(self, ada: Person, adas: Client, make_job: Any) -> None:
        job = make_job(ada)
        for kind, data in (
            ("job.state", {"state": "RUNNING", "cluster": "cluster1"}),
            ("job.cancel", {"by": "chief"}),
            ("job.update", {"reason": "the node is booting", "state": "PENDING"}),
            ("job.cancel", {"by": "", "where": "cluster1"}),
        ):
            Event.objects.create(owner=ada, job=job, kind=kind, data=data)
        page = text_of(adas, "job-status", job)
        for words in ("on cluster1", "by chief", "the node is booting", "on cluster1 itself"):
            assert words in page


class TestTasks:
    @pytest.fixture
    def array(self, ada: Person, make_job: Any) -> Job:
        job = make_job(ada, array="0-59", task_count=60, state=JobState.RUNNING, cluster="cluster1")
        first = placed(job, cluster="cluster1")
        Task.objects.all().delete()
        second = Placement.objects.create(
            id=new_placement_id(job.id), job=job, cluster="cluster2", state_since=timezone.now(), state="SUBMITTED"
        )
        Task.objects.create(job=job, index=0, state=JobState.COMPLETED, owner=first, exit_code=0)
        Task.objects.create(job=job, index=1, state=JobState.FAILED, owner=second, exit_code=7, reason="exit code 7")
        made: Job = job
        return made

    def test_all_of_them_are_one_list_wherever_they_ran(self, array: Job, adas: Client) -> None:
        page = text_of(adas, "job", array)
        for words in ("All 60", "Completed</span> 1", "Failed</span> 1", "Pending</span> 58", "exit code 7"):
            assert words in page
        assert page.index(">cluster1</td>") < page.index(">cluster2</td>")

    def test_pages_go_on_where_the_last_one_ended(self, array: Job, adas: Client) -> None:
        address, seen = reverse("job-tasks", args=[array.pk]), []
        after: int | None = None
        while True:
            context = adas.get(address, {} if after is None else {"after": after}).context
            seen += [line.index for line in context["tasks"].lines]
            after = context["tasks"].next
            if after is None:
                break
        assert seen == list(range(60))

    def test_those_of_one_state_are_picked_out_also_where_they_have_no_row(self, array: Job, adas: Client) -> None:
        address = reverse("job-tasks", args=[array.pk])
        assert [line.index for line in adas.get(address, {"state": "FAILED"}).context["tasks"].lines] == [1]
        assert adas.get(address, {"state": "PENDING", "after": 57}).context["tasks"].lines[0].index == 58
        assert "No task is in this state now." in adas.get(address, {"state": "TIMEOUT"}).content.decode()

    @pytest.mark.parametrize("query", [{"state": "<b>"}, {"after": "x"}, {"after": "9" * 30}, {"after": "-1"}])
    def test_what_is_no_choice_is_refused(self, query: dict[str, str], array: Job, adas: Client) -> None:
        assert adas.get(reverse("job-tasks", args=[array.pk]), query).status_code == 400

    def test_somebody_elses_are_not_there(self, bob: Person, adas: Client, make_job: Any) -> None:
        assert adas.get(reverse("job-tasks", args=[make_job(bob, array="0-1").pk])).status_code == 404


class TestFiles:
    def test_they_are_listed_with_the_way_to_download_them(
        self, ada: Person, adas: Client, make_job: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job, now = make_job(ada), timezone.now()
        found = [OutputFile("output.txt", 2048, now), OutputFile('a b/"é"\n.txt', 1, now)]
        monkeypatch.setattr(outputs, "list_outputs", lambda job, person: OutputList(found, 2))
        page = text_of(adas, "job-files", job)
        assert f"/streams/jobs/{job.pk}/files/output.txt" in page
        assert f"/streams/jobs/{job.pk}/files/a%20b/%22%C3%A9%22%0A.txt" in page
        assert "2.0 KiB" in page
        assert "The first" not in page

    def test_there_are_more_than_a_page_shows_and_it_says_how_many(
        self, ada: Person, adas: Client, make_job: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = make_job(ada)
        found = OutputList([OutputFile("a", 1, timezone.now())], 12345, 1)
        monkeypatch.setattr(outputs, "list_outputs", lambda job, person: found)
        page = text_of(adas, "job-files", job)
        assert "The first 1 of 12,345 files" in page
        assert f"tandem job output {job.pk} --list" in page

    def test_a_name_that_is_not_utf8_is_shown_and_has_an_address(
        self, ada: Person, adas: Client, make_job: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = make_job(ada)
        found = OutputList([OutputFile("caf\uefe9", 1, timezone.now())], 1)
        monkeypatch.setattr(outputs, "list_outputs", lambda job, person: found)
        page = text_of(adas, "job-files", job)
        assert ">caf\ufffd<" in page
        assert f"/streams/jobs/{job.pk}/files/caf%EE%BF%A9" in page

    def test_what_was_listed_stays_when_it_cannot_be_read(
        self, ada: Person, adas: Client, make_job: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(job: Job, person: Person) -> OutputList:
            raise outputs.OutputUnavailable("cluster1 does not answer.")

        monkeypatch.setattr(outputs, "list_outputs", refuse)
        response = adas.get(reverse("job-files", args=[make_job(ada).pk]))
        assert response["HX-Retarget"] == "#files-notice"
        assert "cluster1 does not answer." in response.content.decode()


class TestActs:
    def test_cancel_is_wished_and_shown_on_the_jobs_page(self, ada: Person, adas: Client, make_job: Any) -> None:
        job = make_job(ada)
        response = adas.post(reverse("job-cancel", args=[job.pk]))
        assert response["Location"] == reverse("job", args=[job.pk])
        job.refresh_from_db()
        assert job.cancel_wanted_at is not None

    def test_hold_and_release(self, ada: Person, adas: Client, make_job: Any) -> None:
        job = make_job(ada)
        assert 'id="hold-job"' in text_of(adas, "job", job)
        adas.post(reverse("job-hold", args=[job.pk]))
        assert 'id="release-job"' in text_of(adas, "job", job)
        adas.post(reverse("job-release", args=[job.pk]))
        job.refresh_from_db()
        assert not job.hold_wanted

    def test_start_again_is_offered_for_a_restartable_job_that_runs(
        self, ada: Person, adas: Client, make_job: Any
    ) -> None:
        running = make_job(ada, state=JobState.RUNNING)
        assert 'id="requeue-job"' not in text_of(adas, "job", running)
        restartable = make_job(ada, state=JobState.RUNNING, restartable=True)
        assert 'id="requeue-job"' in text_of(adas, "job", restartable)

    def test_too_late_is_told_and_changes_nothing(self, ada: Person, adas: Client, make_job: Any) -> None:
        job = make_job(ada, state=JobState.COMPLETED, ended_at=timezone.now())
        page = adas.post(reverse("job-cancel", args=[job.pk]), follow=True).content.decode()
        assert "Nothing was done" in page

    @pytest.mark.parametrize("name", ["job-cancel", "job-hold", "job-release", "job-requeue"])
    def test_nobody_acts_on_somebody_elses_job(self, name: str, bob: Person, adas: Client, make_job: Any) -> None:
        job = make_job(bob)
        assert adas.post(reverse(name, args=[job.pk])).status_code == 404
        job.refresh_from_db()
        assert job.cancel_wanted_at is None
        assert not job.hold_wanted

    @pytest.mark.parametrize("name", ["job-cancel", "job-hold", "job-release", "job-requeue"])
    def test_looking_at_an_address_acts_on_nothing(self, name: str, ada: Person, adas: Client, make_job: Any) -> None:
        assert adas.get(reverse(name, args=[make_job(ada).pk])).status_code == 405

    def test_another_sites_form_acts_on_nothing(self, ada: Person, make_job: Any) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(ada)
        job = make_job(ada)
        assert client.post(reverse("job-cancel", args=[job.pk])).status_code == 403
        job.refresh_from_db()
        assert job.cancel_wanted_at is None


@pytest.mark.parametrize("name", ["jobs"])
def test_who_is_not_signed_in_is_sent_to_sign_in(name: str, db: None) -> None:
    assert Client().get(reverse(name))["Location"].startswith(reverse("sign-in"))


class TestOutsideThePortal:
    @pytest.fixture
    def outside(self, ada: Person) -> OutsideJob:
        now = timezone.now()
        return OutsideJob.objects.create(
            owner=ada,
            name="<b>terminal</b>",
            cluster="cluster1",
            scheduler_id="4711",
            state="RUNNING",
            state_since=now,
            seen_at=now,
            created_at=now,
        )

    def test_its_page_says_what_the_scheduler_says_and_what_it_is(
        self, adas: Client, outside: OutsideJob, two_clusters: list[Cluster]
    ) -> None:
        page = text_of(adas, "outside-job", outside)  # type: ignore[arg-type]
        for words in ("4711", "cluster1", "outside the portal", "Cancel the job", "7 days", "&lt;b&gt;terminal"):
            assert words in page
        assert f"/streams/events?job={outside.pk}&amp;since=" in page

    def test_a_change_fetches_its_parts_alone(self, adas: Client, outside: OutsideJob) -> None:
        OutsideJob.objects.update(state="UNKNOWN", reason="cluster1 does not answer")
        page = text_of(adas, "outside-job", outside, **HX)  # type: ignore[arg-type]
        assert "<html" not in page
        assert "Cluster1 does not answer" in page
        assert page.count('hx-swap-oob="true"') == 4

    def test_its_owner_and_an_administrator_may_cancel_it_and_nobody_else(
        self, adas: Client, bob: Person, chief: Person, signed_in: Callable[[Person], Client], outside: OutsideJob
    ) -> None:
        address = reverse("outside-job-cancel", args=[outside.pk])
        assert signed_in(bob).post(address).status_code == 404
        assert signed_in(bob).get(reverse("outside-job", args=[outside.pk])).status_code == 404
        assert adas.get(address).status_code == 405
        outside.refresh_from_db()
        assert outside.cancel_wanted_at is None
        assert signed_in(chief).post(address).status_code == 302
        outside.refresh_from_db()
        assert outside.cancel_wanted_by == chief
        OutsideJob.objects.update(state="COMPLETED")
        assert "Nothing was done" in adas.post(address, follow=True).content.decode()


class TestSubmittingTheSameAgain:
    def test_it_is_there_as_a_command_and_as_a_script(self, ada: Person, adas: Client, make_job: Any) -> None:
        submission = {"executable": "/bin/echo", "options": "'a b'", "name": "it's", "queue": "long"}
        job = make_job(ada, submission=submission)
        page = html.unescape(text_of(adas, "job-copies", job))
        assert "tandem job submit '--name=it'\"'\"'s' --queue=long --executable /bin/echo 'a b'" in page
        assert '#SBATCH --job-name="it\'s"\n' in page
        assert "#SBATCH --partition=long\n" in page
        assert "\n/bin/echo 'a b'\n" in page

    def test_somebody_elses_is_not_there(self, bob: Person, adas: Client, make_job: Any) -> None:
        assert adas.get(reverse("job-copies", args=[make_job(bob).pk])).status_code == 404

    def test_one_that_todays_rules_refuse_says_so(self, ada: Person, adas: Client, make_job: Any) -> None:
        job = make_job(ada, submission={"executable": "x", "cluster": "any", "a field of old": 1})
        assert "other rules" in text_of(adas, "job-copies", job)
