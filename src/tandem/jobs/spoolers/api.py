"""`/api/v1/spoolers`: list, look, rename, keep, extend, delete, fetch all files."""

import uuid
from datetime import datetime
from typing import Annotated, Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from ninja import Query, Router, Schema, Status
from ninja.pagination import paginate
from pydantic import AwareDatetime, Field

from tandem.accounts.authentication import person_of
from tandem.jobs.api_schemas import JobPages
from tandem.jobs.filters import has_id
from tandem.jobs.models import Job, JobState, Spooler
from tandem.jobs.spoolers import actions
from tandem.jobs.spoolers.listing import SpoolerFilters
from tandem.jobs.spoolers.queries import visible_spoolers
from tandem.jobs.spoolers.words import Fate, outlook

router = Router(tags=["spoolers"])


class SpoolerJobOut(Schema):
    """A job whose files these are."""

    id: uuid.UUID
    name: str
    state: JobState
    project: str


class SpoolerOut(Schema):
    """A spooler: the directory of a submission, `path` on every cluster, and its record.

    `expires_at`: when its files are removed; null while a job of it is not over, and when it is kept. `fate` says what
    is to become of it, `detail` what is in the way of that. Once its files are gone, `removed_at` is set.
    """

    id: uuid.UUID
    name: str
    owner: str
    path: str
    created_at: datetime
    fate: Fate
    detail: str
    kept: bool
    expires_at: datetime | None
    removed_at: datetime | None
    jobs: list[SpoolerJobOut]

    @staticmethod
    def resolve_owner(spooler: Spooler) -> str:
        return spooler.owner.username

    @staticmethod
    def resolve_fate(spooler: Spooler) -> Fate:
        return outlook(spooler).fate

    @staticmethod
    def resolve_detail(spooler: Spooler) -> str:
        return outlook(spooler).detail

    @staticmethod
    def resolve_jobs(spooler: Spooler) -> list[Job]:
        return list(spooler.jobs.all())


class NameIn(Schema):
    """A new name."""

    name: str = Field(max_length=actions.LONGEST_NAME)


class ExpiryIn(Schema):
    """When it is to expire, with its time zone."""

    expires_at: AwareDatetime


@router.get("", response=list[SpoolerOut], operation_id="list_spoolers", summary="List spoolers")
@paginate(JobPages)
def list_spoolers(
    request: HttpRequest,
    filters: Query[SpoolerFilters],
    id: Annotated[str | None, Query(pattern="^[0-9a-fA-F-]{1,36}$", description="How the id begins.")] = None,
) -> QuerySet[Spooler]:
    """Spoolers, the newest first: one's own; everybody's for administrators. `next` is the address of the next page."""
    person = person_of(request)
    # Who names one wants it, gone or not.
    return visible_spoolers(person).filter(has_id(id)) if id else filters.of_spoolers(person)


@router.get("/{uuid:spooler_id}", response=SpoolerOut, operation_id="show_spooler", summary="Show a spooler")
def show(request: HttpRequest, spooler_id: uuid.UUID) -> Spooler:
    """One spooler with its jobs, also when its files are gone. The files: see the outputs of its job."""
    return _spooler(request, spooler_id)


@router.patch("/{uuid:spooler_id}", response=SpoolerOut, operation_id="rename_spooler", summary="Rename a spooler")
def rename(request: HttpRequest, spooler_id: uuid.UUID, wanted: NameIn) -> Spooler:
    """Change the record's name. The directory keeps its own, which is the id."""
    actions.rename_spooler(_spooler(request, spooler_id), person_of(request), wanted.name)
    return _spooler(request, spooler_id)


@router.post(
    "/{uuid:spooler_id}/keep", response=SpoolerOut, operation_id="keep_spooler", summary="Keep a spooler for ever"
)
def keep(request: HttpRequest, spooler_id: uuid.UUID) -> Spooler:
    """It no longer expires. Takes back a deletion that was wished and has not begun."""
    actions.keep_spooler(_spooler(request, spooler_id), person_of(request))
    return _spooler(request, spooler_id)


@router.post(
    "/{uuid:spooler_id}/extend",
    response=SpoolerOut,
    operation_id="extend_spooler",
    summary="Extend a spooler",
)
def extend(request: HttpRequest, spooler_id: uuid.UUID, wanted: ExpiryIn) -> Spooler:
    """It expires at that time: later than it would have. One that was kept expires again. 409 while its job goes on."""
    actions.extend_spooler(_spooler(request, spooler_id), person_of(request), wanted.expires_at)
    return _spooler(request, spooler_id)


@router.delete(
    "/{uuid:spooler_id}", response={202: SpoolerOut}, operation_id="delete_spooler", summary="Delete a spooler's files"
)
def delete(request: HttpRequest, spooler_id: uuid.UUID) -> Any:
    """Wish that its files are removed: done as soon as a cluster answers. 409 for a job that is not over."""
    actions.delete_spooler(_spooler(request, spooler_id), person_of(request))
    return Status(202, _spooler(request, spooler_id))


@router.get(
    "/{uuid:spooler_id}/zip",
    operation_id="zip_spooler",
    summary="Fetch all files of a spooler",
    openapi_extra={"responses": {307: {"description": "`Location`: where it comes from, with the same token"}}},
)
def fetch(request: HttpRequest, spooler_id: uuid.UUID) -> HttpResponse:
    """Leads to where all files come as one zip, made while it is sent. A connection that breaks means: not whole."""
    spooler = _spooler(request, spooler_id)
    address = reverse("spooler-zip", urlconf="tandem.jobs.streams", kwargs={"spooler_id": spooler.pk})
    return HttpResponse(status=307, headers={"Location": address})


def _spooler(request: HttpRequest, spooler_id: uuid.UUID) -> Spooler:
    return get_object_or_404(visible_spoolers(person_of(request)), pk=spooler_id)
