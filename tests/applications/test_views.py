"""The Job Submission form: what works, what is told, and that one form makes one job."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from tandem.accounts.models import Person
from tandem.applications.catalogue import JOB_SUBMISSION
from tandem.clusters.models import Cluster
from tandem.jobs import actions
from tandem.jobs.models import InputUpload, Job
from tandem.jobs.submission import check_submission

FORM = reverse("submit", args=[JOB_SUBMISSION.slug])


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """Nobody dispatches here, so nobody would answer."""
    waited: list[Job] = []
    monkeypatch.setattr(actions, "wait_for_first_answer", waited.append)
    return waited


@pytest.fixture
def send(adas: Client) -> Callable[..., HttpResponse]:
    """Sends a fresh form with these fields filled in."""

    def send_form(**fields: Any) -> HttpResponse:
        fresh = adas.get(FORM).context["form"]
        unfilled = {name: fresh[name].value() or "" for name in fresh.fields if name != "restartable"}
        return adas.post(FORM, {**unfilled, **fields})  # type: ignore[return-value]

    return send_form


def errors_of(response: Any) -> dict[str, list[str]]:
    """What is wrong, by field."""
    assert response.status_code == 200
    return {field: list(words) for field, words in response.context["form"].errors.items()}


class TestTheList:
    def test_every_application_is_announced(self, adas: Client) -> None:
        page = adas.get(reverse("applications")).content.decode()
        assert "Job Submission" in page
        assert FORM in page

    def test_an_application_that_is_none_is_not_there(self, adas: Client) -> None:
        assert adas.get(reverse("submit", args=["nonesuch"])).status_code == 404


class TestAFreshForm:
    def test_it_has_every_field_by_its_name(self, adas: Client, two_clusters: list[Cluster]) -> None:
        page = adas.get(FORM).content.decode()
        for label in (
            "Job Name",
            "Project Name",
            "Application Executable",
            "Application Options",
            "Input File",
            "Execution Directory",
            "Number of Processors",
            "Cluster",
            "Computing Queue",
            "List of Hosts",
            "Additional Job Options",
            "Number of Nodes",
            "Memory per Node",
            "Time Limit",
            "Array",
            "Launcher",
            "Restartable",
        ):
            assert label in page

    def test_nothing_is_wrong_with_it(self, adas: Client) -> None:
        page = adas.get(FORM).content.decode()
        assert "aria-invalid" not in page
        assert "field-error" not in page

    def test_no_two_have_the_same_key(self, adas: Client) -> None:
        keys = {adas.get(FORM).context["form"]["idempotency_key"].value() for _ in range(3)}
        assert len(keys) == 3

    def test_nothing_keeps_it(self, adas: Client) -> None:
        assert "no-store" in adas.get(FORM)["Cache-Control"]

    def test_it_asks_no_cluster(self, adas: Client, two_clusters: list[Cluster]) -> None:
        Cluster.objects.update(state="DOWN")
        assert adas.get(FORM).status_code == 200


class TestASubmission:
    def test_an_executable_is_all_it_needs(self, send: Any, ada: Person, no_waiting: list[Job]) -> None:
        response = send(executable="/bin/hostname")
        job = Job.objects.get()
        assert response["Location"] == reverse("job", args=[job.pk])
        assert (job.owner, job.name, job.application) == (ada, "hostname", "job-submission")
        assert job.submission["processors"] == 1
        assert no_waiting == [job]

    def test_every_field_arrives(self, send: Any) -> None:
        given = {
            "name": "a name",
            "project": "heat",
            "executable": "heat",
            "options": "-n {input}",
            "input_file": "/efs/in",
            "execution_directory": "~/run",
            "processors": 4,
            "cluster": "cluster1",
            "queue": "compute",
            "hosts": "n1,n2",
            "additional_options": "--exclusive",
            "nodes": 2,
            "array": "0-3",
            "launcher": "srun",
        }
        send(**given, memory="4G", time_limit="90")
        kept = Job.objects.get().submission
        assert {field: kept[field] for field in given} == given
        assert (kept["memory"], kept["time_limit"]) == ("4096M", "0-01:30:00")
        assert kept["restartable"] is False

    def test_restartable_arrives(self, send: Any) -> None:
        send(executable="x", restartable="on")
        assert Job.objects.get().restartable

    def test_an_uploaded_input_file_comes_along(self, send: Any) -> None:
        send(executable="cat", options="{input}", input_upload=SimpleUploadedFile("in put.txt", b"content"))
        upload, job = InputUpload.objects.get(), Job.objects.get()
        assert (upload.name, bytes(upload.content)) == ("in put.txt", b"content")
        assert job.submission["input_file"] == f"{job.spooler.path}/in put.txt"

    def test_an_empty_upload_is_a_file_too(self, send: Any) -> None:
        send(executable="cat", input_upload=SimpleUploadedFile("empty", b""))
        assert InputUpload.objects.get().name == "empty"


class TestWhatIsWrong:
    def test_it_stands_beside_the_field_and_what_was_typed_stays(self, send: Any) -> None:
        response = send(name="my <job>", processors="many", additional_options="--exclusive")
        assert errors_of(response) == {"processors": ["Number of Processors must be a whole number."]}
        page = response.content.decode()
        assert 'value="my &lt;job&gt;"' in page
        assert 'value="many"' in page
        assert 'value="--exclusive"' in page
        assert not Job.objects.exists()

    def test_the_first_error_of_the_page_has_the_focus(self, send: Any) -> None:
        page = send(processors="0", memory="lots", name="\x07").content.decode()
        assert page.count("autofocus") == 1
        focused = page[: page.index("autofocus")].rsplit("<input", 1)[1]
        assert 'name="name"' in focused

    def test_it_is_told_to_screen_readers(self, send: Any) -> None:
        page = send(executable="x", processors="0").content.decode()
        field = page[page.index('name="processors"') :].split(">", 1)[0]
        assert 'aria-invalid="true"' in field
        assert 'aria-describedby="id_processors_error' in field

    def test_a_missing_executable_is_needed(self, send: Any) -> None:
        assert errors_of(send()) == {"executable": ["Application Executable is needed."]}

    def test_an_option_is_refused_by_name(self, send: Any) -> None:
        (words,) = errors_of(send(executable="x", additional_options="--wrap=ls"))["additional_options"]
        assert "--wrap" in words

    def test_what_is_wrong_behind_more_is_not_hidden(self, send: Any) -> None:
        page = send(executable="x", memory="lots").content.decode()
        assert '<details class="panel more" id="more" open>' in page

    def test_more_stays_closed_while_nothing_is_there(self, send: Any) -> None:
        assert '<details class="panel more" id="more">' in send(processors="0").content.decode()

    def test_a_file_must_be_chosen_again_and_that_is_said(self, send: Any) -> None:
        page = send(executable="", input_upload=SimpleUploadedFile("in.txt", b"x")).content.decode()
        assert "Choose the file again" in page

    def test_a_path_and_an_upload_are_one_too_many(self, send: Any) -> None:
        file = SimpleUploadedFile("in.txt", b"x")
        assert errors_of(send(executable="x", input_file="/efs/in", input_upload=file)) == {
            "input_file": ["Give a path on the cluster or a file from here, not both."]
        }

    def test_an_upload_that_is_too_large_is_told_where_to_go(self, send: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tandem.applications.forms.LARGEST_UPLOAD", 1024 * 1024)
        file = SimpleUploadedFile("in.txt", b"x" * (1024 * 1024 + 1))
        (words,) = errors_of(send(executable="x", input_upload=file))["input_file"]
        assert "at most 1 MiB" in words

    def test_a_file_name_that_cannot_be_used_is_told(self, send: Any) -> None:
        file = SimpleUploadedFile("é" * 200, b"x")
        assert "input_file" in errors_of(send(executable="x", input_upload=file))

    def test_a_choice_that_was_never_offered_stays_visible(self, send: Any, two_clusters: list[Cluster]) -> None:
        page = send(processors="0", queue="forged").content.decode()
        assert '<option value="forged" selected>forged</option>' in page


class TestOneFormOneJob:
    def test_sent_twice_it_makes_one_job(self, adas: Client) -> None:
        key = adas.get(FORM).context["form"]["idempotency_key"].value()
        form = {"executable": "x", "idempotency_key": key}
        first, second = adas.post(FORM, form), adas.post(FORM, form)
        assert first["Location"] == second["Location"]
        assert Job.objects.count() == 1

    def test_going_back_and_changing_a_field_makes_another(self, adas: Client) -> None:
        key = adas.get(FORM).context["form"]["idempotency_key"].value()
        adas.post(FORM, {"executable": "x", "processors": "1", "idempotency_key": key})
        adas.post(FORM, {"executable": "x", "processors": "2", "idempotency_key": key})
        assert Job.objects.count() == 2

    def test_another_file_under_the_same_name_makes_another(self, adas: Client) -> None:
        for content in (b"one", b"two"):
            file = SimpleUploadedFile("in.txt", content)
            adas.post(FORM, {"executable": "x", "idempotency_key": "k", "input_upload": file})
        assert Job.objects.count() == 2

    def test_two_forms_with_the_same_content_are_two_jobs(self, send: Any) -> None:
        send(executable="x")
        send(executable="x")
        assert Job.objects.count() == 2

    def test_a_form_that_comes_back_with_errors_keeps_its_key(self, send: Any) -> None:
        response = send(idempotency_key="the-key")
        assert response.context["form"]["idempotency_key"].value() == "the-key"

    def test_another_sites_form_submits_nothing(self, ada: Person) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(ada)
        assert client.post(FORM, {"executable": "x"}).status_code == 403
        assert not Job.objects.exists()


@pytest.mark.usefixtures("two_clusters")
class TestWhilePeopleFillItIn:
    def place(self, adas: Client, **chosen: str) -> str:
        return adas.get(reverse("submit-place", args=[JOB_SUBMISSION.slug]), chosen).content.decode()

    def test_queues_follow_the_cluster(self, adas: Client) -> None:
        assert ">gpu<" in self.place(adas, cluster="cluster2")
        assert ">gpu<" not in self.place(adas, cluster="cluster1")

    def test_a_queue_that_the_new_cluster_has_too_stays_chosen(self, adas: Client) -> None:
        assert '<option value="compute" selected>' in self.place(adas, cluster="cluster2", queue="compute")

    def test_a_queue_that_it_has_not_is_forgotten(self, adas: Client) -> None:
        assert "always-on" not in self.place(adas, cluster="cluster2", queue="always-on")

    def test_hosts_follow_the_queue(self, adas: Client) -> None:
        fragment = self.place(adas, cluster="cluster1", queue="always-on")
        assert 'data-host="a1"' in fragment
        assert 'data-host="n2"' not in fragment

    def test_nothing_is_called_wrong_yet(self, adas: Client) -> None:
        assert "field-error" not in self.place(adas, cluster="cluster1")

    def test_the_script_can_be_seen(self, adas: Client) -> None:
        form = {"executable": "/efs/apps/<heat>", "options": "--n 'a b'", "processors": "4", "launcher": "srun"}
        page = adas.post(reverse("submit-script", args=[JOB_SUBMISSION.slug]), form).content.decode()
        assert "/efs/apps/&lt;heat&gt;" in page
        assert "#!/bin/sh" in page
        assert not Job.objects.exists()

    @pytest.mark.parametrize("options", ["", "--in {input}"])
    def test_the_script_knows_the_name_of_a_file_that_is_not_uploaded_yet(self, adas: Client, options: str) -> None:
        form = {"executable": "cat", "options": options, "input_upload_name": "in put.txt"}
        page = adas.post(reverse("submit-script", args=[JOB_SUBMISSION.slug]), form).content.decode()
        assert "$INPUT_FILE" in page
        assert escape("tandem_input='/efs/spoolers/ada/<new>/in put.txt'") in page

    def test_a_name_alone_is_no_input_file_of_a_job(self, send: Any) -> None:
        assert "options" in errors_of(send(executable="cat", options="{input}", input_upload_name="in.txt"))
        assert not Job.objects.exists()

    def test_what_keeps_the_script_from_being_made_is_listed(self, adas: Client) -> None:
        page = adas.post(reverse("submit-script", args=[JOB_SUBMISSION.slug]), {}).content.decode()
        assert "Application Executable is needed." in page
        assert 'data-focus="id_executable"' in page


def test_the_form_needs_a_sign_in(db: None) -> None:
    assert Client().get(FORM)["Location"].startswith(reverse("sign-in"))


class TestAnEarlierJobsForm:
    def earlier(self, owner: Person, **fields: Any) -> Job:
        return actions.submit_job(owner, check_submission(fields, None))

    def test_it_is_filled_in_as_that_was_and_becomes_another_job(self, ada: Person, adas: Client) -> None:
        job = self.earlier(
            ada,
            name="first",
            executable="/bin/echo",
            options="'a b' \"$HOME\"",
            time_limit="90",
            restartable=True,
            cluster="cluster9",
            queue="long",
        )
        response = adas.get(reverse("submit-again", args=[job.pk]))
        form = response.context["form"]
        filled = {name: form[name].value() or "" for name in form.fields}
        assert (filled["options"], filled["time_limit"], filled["restartable"]) == ("'a b' \"$HOME\"", "01:30:00", True)
        assert (filled["cluster"], filled["queue"]) == ("cluster9", "long")
        assert form.more_is_open
        assert "Filled in as" in response.content.decode()
        adas.post(FORM, {**filled, "name": "second"})
        again = Job.objects.exclude(pk=job.pk).get()
        assert again.submission == {**job.submission, "name": "second", "application": "job-submission"}

    def test_a_script_can_be_changed(self, ada: Person, adas: Client) -> None:
        job = self.earlier(ada, script="#!/bin/sh\necho one\n", name="first")
        form = adas.get(reverse("submit-again", args=[job.pk])).context["form"]
        assert "executable" not in form.fields
        filled = {name: form[name].value() or "" for name in form.fields if name != "restartable"}
        assert filled["script"] == "#!/bin/sh\necho one"
        wrong = adas.post(FORM, {**filled, "processors": "many"})
        assert "echo one" in wrong.content.decode()
        adas.post(FORM, {**filled, "script": "#!/bin/sh\necho two\n"})
        assert Job.objects.exclude(pk=job.pk).get().payload == "#!/bin/sh\necho two\n"

    def test_only_who_may_see_the_job_may_submit_it_again(self, ada: Person, adas: Client) -> None:
        job = self.earlier(Person.objects.create(username="bob", uid=2001), executable="/bin/true")
        address = reverse("submit-again", args=[job.pk])
        assert adas.get(address).status_code == 404
        Person.objects.filter(pk=ada.pk).update(is_administrator=True)
        assert "which bob submitted" in adas.get(address).content.decode()
