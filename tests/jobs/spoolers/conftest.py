"""Spoolers whose jobs are over."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from tandem.accounts.models import Person
from tandem.jobs.models import Job, JobState, Spooler


@pytest.fixture
def over(make_job: Callable[..., Job]) -> Callable[..., Spooler]:
    """Makes the spooler of a job that is final and sealed; its own fields may be given, and when the job ended."""

    def make(owner: Person, name: str = "a job", ended_at: datetime | None = None, **fields: Any) -> Spooler:
        ended = ended_at or timezone.now()
        job = make_job(owner, name, state=JobState.COMPLETED, sealed_at=ended, ended_at=ended)
        Spooler.objects.filter(pk=job.spooler_id).update(**fields)
        return Spooler.objects.select_related("owner").get(pk=job.spooler_id)

    return make


@pytest.fixture
def past() -> datetime:
    """A moment ago."""
    return timezone.now() - timedelta(minutes=1)


@pytest.fixture
def due(over: Callable[..., Spooler], past: datetime) -> Callable[..., Spooler]:
    """Makes a spooler that has expired, of which its owner was told."""

    def make(owner: Person, **fields: Any) -> Spooler:
        return over(owner, **{"expires_at": past, "expiry_told_at": past, **fields})

    return make
