"""`tandem job …` against a portal over HTTP."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from tandem.accounts.models import Person
from tandem.jobs.models import Job, JobState, OutsideJob, Task

pytestmark = pytest.mark.usefixtures("signed_in", "no_wait")


@pytest.fixture
def no_wait(monkeypatch):
    """No worker runs here: nobody would answer."""
    monkeypatch.setattr("tandem.jobs.actions.wait_for_first_answer", lambda job, seconds: job)


def submission() -> dict:
    """Of the newest job."""
    return Job.objects.latest("created_at").submission


def end(state: JobState, **fields: object) -> None:
    Job.objects.update(state=state, ended_at=timezone.now(), **fields)


def test_submit_prints_the_id_alone_on_stdout(tandem):
    outcome = tandem("job", "submit", "/bin/hostname")
    assert outcome.status == 0
    assert uuid.UUID(outcome.stdout.strip()) == Job.objects.get().pk
    assert "accepted" in outcome.stderr


def test_submit_hands_words_over_as_they_are(tandem):
    tandem(
        "job", "submit", "--cluster", "cluster1", "/efs/apps/heat", "--name", "two words", "-n", "4", "it's", "$HOME"
    )
    assert submission()["executable"] == "/efs/apps/heat"
    assert submission()["options"] == """--name 'two words' -n 4 'it'"'"'s' '$HOME'"""
    assert submission()["cluster"] == "cluster1"
    assert submission()["name"] == ""


def test_every_field_of_the_form_has_an_option(tandem):
    words = {
        "--name": "n",
        "--project": "p",
        "--input-file": "/efs/in",
        "--directory": "/efs/work",
        "--processors": "4",
        "--cluster": "cluster1",
        "--queue": "compute",
        "--hosts": "c1,c2",
        "--nodes": "2",
        "--memory": "4G",
        "--time": "1:30:00",
        "--array": "0-3",
        "--launcher": "srun",
    }
    outcome = tandem("job", "submit", *(word for pair in words.items() for word in pair), "/bin/true")
    assert outcome.status == 0, outcome.stderr
    given = submission()
    assert (given["processors"], given["nodes"], given["array"]) == (4, 2, "0-3")
    assert (given["queue"], given["hosts"], given["launcher"]) == ("compute", "c1,c2", "srun")
    assert (given["execution_directory"], given["input_file"]) == ("/efs/work", "/efs/in")
    assert tandem("job", "submit", "--restartable", "/bin/true").status == 0


def test_a_script_travels_with_its_directives(tandem, home):
    text = "#!/bin/sh\n#SBATCH --time=5\necho hello\n"
    (home / "run.sh").write_text(text)
    assert tandem("job", "submit", "run.sh").status == 0
    assert submission()["script"] == text.strip()
    assert submission()["executable"] == ""
    assert submission()["name"] == "run.sh"


def test_a_scripts_own_name_and_queue_count_unless_told_otherwise(tandem, home):
    (home / "run.sh").write_text("#!/bin/sh\n#SBATCH --job-name=own\n#SBATCH -p compute\ntrue\n")
    assert tandem("job", "submit", "run.sh").status == 0
    assert (submission()["name"], submission()["queue"]) == ("own", "compute")
    assert tandem("job", "submit", "--name", "mine", "--queue", "always-on", "run.sh").status == 0
    assert (submission()["name"], submission()["queue"]) == ("mine", "always-on")


def test_a_name_behind_the_first_command_is_no_name_as_with_sbatch(tandem, home):
    (home / "run.sh").write_text("#!/bin/sh\ntrue\n#SBATCH -J late\n#SBATCH -p always-on\n")
    assert tandem("job", "submit", "run.sh").status == 0
    assert (submission()["name"], submission()["queue"]) == ("run.sh", "")


def test_a_script_comes_from_standard_input_too(tandem):
    assert tandem("job", "submit", "-", typed="#!/bin/sh\ntrue\n").status == 0
    assert submission()["script"] == "#!/bin/sh\ntrue"


def test_a_directive_outside_the_allow_list_is_refused_by_name(tandem, home):
    (home / "run.sh").write_text("#!/bin/sh\n#SBATCH --uid=root\ntrue\n")
    outcome = tandem("job", "submit", "run.sh")
    assert outcome.status == 65
    assert "--uid" in outcome.stderr
    assert not Job.objects.exists()


def test_what_is_no_script_here_is_an_executable_there(tandem, home):
    (home / "data").write_text("no script")
    (home / "script").write_text("#!/bin/sh\n")
    assert tandem("job", "submit", "/bin/true").status == 0
    assert submission()["executable"] == "/bin/true"
    assert tandem("job", "submit", "data").status == 0
    assert submission()["executable"] == "data"
    assert tandem("job", "submit", "--executable", "script").status == 0
    assert submission()["executable"] == "script"


def test_a_refusal_names_the_field(tandem):
    outcome = tandem("job", "submit", "--memory", "lots", "/bin/true")
    assert outcome.status == 65
    assert "memory" in outcome.stderr
    assert outcome.stdout == ""


def test_the_same_key_makes_one_job(tandem):
    first = tandem("job", "submit", "--idempotency-key", "k", "/bin/true").stdout
    assert tandem("job", "submit", "--idempotency-key", "k", "/bin/true").stdout == first
    assert tandem("job", "submit", "--idempotency-key", "k", "/bin/false").status == 65
    assert tandem("job", "submit", "/bin/true").stdout != first


def test_a_job_that_was_refused_at_once_says_why_and_fails(tandem, monkeypatch):
    def refuse(job, seconds):
        end(JobState.FAILED, reason="invalid partition specified: nope")
        job.refresh_from_db()
        return job

    monkeypatch.setattr("tandem.jobs.actions.wait_for_first_answer", refuse)
    outcome = tandem("job", "submit", "--queue", "nope", "/bin/true")
    assert outcome.status == 1
    assert "invalid partition specified: nope" in outcome.stderr
    assert outcome.stdout.strip()


def test_list_show_and_every_verb_print_json(tandem):
    job = tandem("job", "submit", "--json", "/bin/true").json
    assert job["state"] == "ACCEPTED"
    assert [row["id"] for row in tandem("job", "list", "--json").json] == [job["id"]]
    assert tandem("job", "show", "--json", job["id"]).json["submission"]["executable"] == "/bin/true"
    assert tandem("job", "hold", "--json", job["id"]).json["held"] is True
    assert tandem("job", "release", "--json", job["id"]).json["held"] is False
    assert tandem("job", "cancel", "--json", job["id"]).json["cancelling"] is True


def test_list_shows_people_what_they_need(tandem):
    assert "No jobs" in tandem("job", "list").stderr
    tandem("job", "submit", "--name", "[red]alert", "/bin/true")
    shown = tandem("job", "list").stdout
    for word in ("[red]alert", "accepted", str(Job.objects.get().pk)[:8], "any", "ago"):
        assert word in shown


def test_list_goes_from_page_to_page(tandem):
    for _ in range(3):
        tandem("job", "submit", "/bin/true")
    assert len(tandem("job", "list", "--limit", "2", "--json").json) == 2
    assert len(tandem("job", "list", "--json").json) == 3
    assert tandem("job", "list", "--state", "running", "--json").json == []


def test_list_takes_the_filters_of_the_page(tandem):
    tandem("job", "submit", "--name", "wing", "--project", "flutter", "/bin/true")
    tandem("job", "submit", "--name", "tail", "--queue", "long", "/bin/true")

    def names(*words):
        return [job["name"] for job in tandem("job", "list", "--json", *words).json]

    assert names() == ["tail", "wing"]
    assert names("WIN") == ["wing"]
    assert names(str(Job.objects.get(name="tail").pk)[:8]) == ["tail"]
    assert names("--project", "flutter") == ["wing"]
    assert names("--queue", "long") == ["tail"]
    assert names("--state", "active", "--state", "ended") == ["tail", "wing"]
    assert names("--since", "2026-01-01", "--until", "2026-01-02") == []
    assert "No such jobs" in tandem("job", "list", "--state", "ended").stderr
    assert tandem("job", "list", "--state", "nonesuch").status != 0


def test_jobs_outside_the_portal_are_listed_and_cancelled_by_the_schedulers_id(tandem):
    now = timezone.now()
    mia = Person.objects.get(username="mia")
    given = {"owner": mia, "name": "terminal", "cluster": "cluster1", "scheduler_id": "4711", "state_since": now}
    old = now - timedelta(days=1)
    OutsideJob.objects.create(**given, state="COMPLETED", created_at=old, seen_at=old)
    job = OutsideJob.objects.create(**given, state="RUNNING", created_at=now, seen_at=now)
    assert "cluster1/4711" in tandem("job", "list", "--outside").stdout
    assert len(tandem("job", "list", "--outside", "--state", "active", "--json").json) == 1
    assert "cancelling" in tandem("job", "cancel", "cluster1/4711").stderr
    job.refresh_from_db()
    assert job.cancel_wanted_by == mia
    assert tandem("job", "cancel", "cluster1/471").status == 66
    assert tandem("job", "cancel", "cluster2/4711").status == 66


def test_tasks_are_listed_from_page_to_page(tandem):
    job = tandem("job", "submit", "--array", "0-299", "/bin/true").stdout.strip()
    Task.objects.create(job_id=job, index=1, state="FAILED", exit_code=7, reason="exit code 7")
    shown = tandem("job", "tasks", job).stdout
    assert "failed" in shown
    assert "exit code 7" in shown
    assert [row["index"] for row in tandem("job", "tasks", "--limit", "250", "--json", job).json] == list(range(250))
    assert [row["index"] for row in tandem("job", "tasks", "--state", "failed", "--json", job).json] == [1]
    assert "299 accepted, 1 failed" in tandem("job", "show", job).stdout


def test_what_is_wished_and_not_done_yet_is_said(tandem):
    job = tandem("job", "submit", "/bin/true").stdout.strip()
    assert "Cancelling: it counts as cancelled once" in tandem("job", "cancel", job).stderr
    assert "Cancelling: it counts as cancelled once" in " ".join(tandem("job", "show", job).stdout.split())


def test_a_job_is_named_by_the_beginning_of_its_id(tandem):
    job = tandem("job", "submit", "/bin/true").stdout.strip()
    assert job in tandem("job", "show", job[:6]).stdout
    unknown = tandem("job", "show", "ffffffff" if not job.startswith("ffffffff") else "00000000")
    assert unknown.status == 66


def test_a_job_of_nobody_is_nothing(tandem):
    assert tandem("job", "cancel", str(uuid.uuid4())).status == 66


@pytest.mark.parametrize(
    ("state", "status"),
    [(JobState.COMPLETED, 0), (JobState.FAILED, 1), (JobState.CANCELLED, 3), (JobState.TIMEOUT, 4)],
)
def test_wait_tells_the_end_by_its_exit_status(tandem, state, status):
    job = tandem("job", "submit", "/bin/true").stdout.strip()
    end(state, exit_code=0)
    assert tandem("job", "wait", job).status == status
    outcome = tandem("job", "wait", "--json", job)
    assert (outcome.status, outcome.json["state"]) == (status, state)


def test_wait_gives_up_when_told_to(tandem):
    job = tandem("job", "submit", "/bin/true").stdout.strip()
    outcome = tandem("job", "wait", "--timeout", "0.1", job)
    assert outcome.status == 124
    assert "accepted" in outcome.stderr


def test_submit_waits_for_the_end_when_told_to(tandem, monkeypatch):
    def complete(job, seconds):
        end(JobState.COMPLETED)
        return job

    monkeypatch.setattr("tandem.jobs.actions.wait_for_first_answer", complete)
    outcome = tandem("job", "submit", "--wait", "--json", "/bin/true")
    assert (outcome.status, outcome.json["state"]) == (0, "COMPLETED")


def test_what_is_over_cannot_be_held(tandem):
    job = tandem("job", "submit", "/bin/true").stdout.strip()
    end(JobState.COMPLETED)
    assert tandem("job", "hold", job).status == 65
