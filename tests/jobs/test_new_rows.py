"""What a submission writes by hand is what Django would write."""

import uuid
from typing import Any

import pytest
from django.db import IntegrityError, connection, models
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tandem.accounts.models import Person
from tandem.jobs.actions import submit_job
from tandem.jobs.models import Event, Job, Spooler
from tandem.jobs.new_rows import insert
from tandem.jobs.submission import check_submission

pytestmark = pytest.mark.django_db


def values(row: models.Model) -> dict[str, Any]:
    found: dict[str, Any] = type(row)._base_manager.filter(pk=row.pk).values().get()
    return found


def test_every_column_is_as_django_would_write_it(ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    now = timezone.now()
    monkeypatch.setattr("django.utils.timezone.now", lambda: now)
    job = submit_job(ada, check_submission({"executable": "run", "array": "0-3", "name": "π 'quoted' %s"}, None))
    spooler = Spooler(id=uuid.uuid4(), owner=ada, name=job.spooler.name)
    spooler.save(force_insert=True)
    known = {field.name: getattr(job, field.name) for field in Job._meta.local_concrete_fields}
    twin = Job(**known | {"id": uuid.uuid4(), "spooler": spooler})
    twin.save(force_insert=True)
    event = Event.objects.get(job=job)
    other = Event.objects.create(owner=ada, job=job, kind=event.kind, data={"state": "ACCEPTED"})
    for made, saved, own in ((job.spooler, spooler, {"id"}), (job, twin, {"id", "spooler_id"}), (event, other, {"id"})):
        ours, theirs = values(made), values(saved)
        assert {name for name in ours if ours[name] != theirs[name]} == own


def test_a_row_that_was_inserted_can_be_changed_and_not_inserted_again(ada: Person) -> None:
    spooler = Spooler(owner=ada, name="before")
    insert(spooler)
    spooler.name = "after"
    spooler.save()
    assert Spooler.objects.get().name == "after"
    with pytest.raises(IntegrityError):
        insert(spooler)


def test_a_submission_is_three_statements_in_one_transaction(ada: Person) -> None:
    with CaptureQueriesContext(connection) as said:
        submit_job(ada, check_submission({"executable": "run"}, None))
    assert [one["sql"].split()[0] for one in said if "SAVEPOINT" not in one["sql"]] == ["INSERT"] * 3
