"""Which jobs a list shows: one set of filters for the page, the API and the command line."""

import re
import uuid
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Literal, Self

from django.core.exceptions import BadRequest
from django.db.models import Q, QuerySet
from django.db.models.functions import Lower
from django.http import QueryDict
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from tandem.clusters.models import Cluster
from tandem.jobs.models import FINAL_STATES, Job, JobState, OutsideJob, Placement
from tandem.jobs.queries import AnyJob

ACTIVE, ENDED = "ACTIVE", "ENDED"
GROUPS = {
    ACTIVE: frozenset(JobState) - FINAL_STATES,
    ENDED: FINAL_STATES,
}
LONGEST_SEARCH = 100
MOST_BY_SCHEDULER_ID = 200
ID = re.compile(r"[0-9a-fA-F-]{4,36}")
_SCHEDULER_ID = re.compile(r"(\d{1,10})(?:_\d{1,9})?")


def _text(value: str) -> str:
    return value.replace("\0", "").strip()


def _states(value: object) -> object:
    """Words, each of which may hold several with commas between them, in small letters or capitals."""
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list | tuple):
        return given
    return [part.strip().upper() for word in given if isinstance(word, str) for part in word.split(",") if part.strip()]


def _known_states(value: list[str]) -> list[str]:
    for word in value:
        if word not in JobState.values and word not in GROUPS:
            raise ValueError(f"there is no state {word[:40]}: {', '.join([*JobState.values, *GROUPS])}")
    return value


Word = Annotated[str, AfterValidator(_text)]


class JobFilters(BaseModel):
    """What a list of jobs is narrowed to; nothing given, nothing left out."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    search: Annotated[Word, Field(max_length=LONGEST_SEARCH)] = Field(
        "", description="In the name or the project; or how the id begins; or the scheduler's id."
    )
    state: Annotated[list[str], BeforeValidator(_states), AfterValidator(_known_states)] = Field(
        [], description="A state, or ACTIVE or ENDED for those that are not over or are. May be repeated."
    )
    cluster: Annotated[Word, Field(max_length=40)] = Field("", description="A cluster's name.")
    queue: Annotated[Word, Field(max_length=80)] = Field("", description="A queue's name.")
    project: Annotated[Word, Field(max_length=80)] = Field("", description="A project's name.")
    owner: Annotated[Word, Field(max_length=32)] = Field("", description="Whose: of use to administrators.")
    since: date | datetime | None = Field(None, description="Submitted on this day or later; or at this time.")
    until: date | datetime | None = Field(None, description="Submitted on this day or earlier; or by this time.")

    @classmethod
    def of(cls, query: QueryDict) -> Self:
        """As a page's address has them; empty fields are not given. Raises BadRequest."""
        given: dict[str, Any] = {name: value for name, value in query.items() if value and name in cls.model_fields}
        if "state" in given:
            given["state"] = query.getlist("state")
        if "search" in given:
            given["search"] = str(given["search"])[:LONGEST_SEARCH]
        try:
            return cls.model_validate(given)
        except ValidationError as invalid:
            wrong = invalid.errors()[0]
            raise BadRequest(f"{wrong['loc'][0]}: {wrong['msg']}") from invalid

    @property
    def states(self) -> frozenset[str]:
        """Those that are wanted; empty: all."""
        return frozenset(str(one) for word in self.state for one in GROUPS.get(word, {word}))

    @property
    def first_moment(self) -> datetime | None:
        """Submitted at this time or later."""
        return _moment(self.since, at_end=False)

    @property
    def last_moment(self) -> datetime | None:
        """Submitted before this time."""
        return _moment(self.until, at_end=True)

    def of_jobs(self, jobs: QuerySet[Job]) -> QuerySet[Job]:
        """Those of `jobs` that all of it is true of."""
        if self.search:
            # Columns compare exactly on some databases: small letters and capitals are made the same here.
            jobs = jobs.alias(low_name=Lower("name"), low_project=Lower("project")).filter(_found_by(self.search))
        if self.queue:
            jobs = jobs.filter(_in_queue(self.queue))
        if self.project:
            jobs = jobs.filter(project=self.project)
        return self._of_any(jobs)

    def of_outside_jobs(self, jobs: QuerySet[OutsideJob]) -> QuerySet[OutsideJob]:
        """Those of `jobs` that all of it is true of. They have no project."""
        if self.search:
            jobs = jobs.alias(low_name=Lower("name")).filter(_outside_found_by(self.search))
        if self.queue:
            jobs = jobs.filter(queue=self.queue)
        if self.project:
            jobs = jobs.none()
        return self._of_any(jobs)

    def _of_any(self, jobs: QuerySet[AnyJob]) -> QuerySet[AnyJob]:
        if self.state:
            jobs = jobs.filter(state__in=self.states)
        if self.cluster:
            jobs = jobs.filter(cluster=self.cluster)
        if self.owner:
            jobs = jobs.filter(owner__username=self.owner)
        if self.first_moment:
            jobs = jobs.filter(created_at__gte=self.first_moment)
        if self.last_moment:
            jobs = jobs.filter(created_at__lt=self.last_moment)
        return jobs


class ListFilters(JobFilters):
    """Those of the page, which shows what was submitted through the portal and outside it in one list."""

    via: Literal["", "portal", "outside"] = ""


def _moment(day: date | datetime | None, *, at_end: bool) -> datetime | None:
    if day is None:
        return None
    try:
        if isinstance(day, datetime):
            moment = (day if day.tzinfo else day.replace(tzinfo=UTC)).astimezone(UTC)
            return moment + timedelta(microseconds=1) if at_end else moment
        return datetime.combine(day + timedelta(days=1) if at_end else day, time(), UTC)
    except OverflowError:
        return None


def _found_by(words: str) -> Q:
    found = Q(low_name__contains=words.lower()) | Q(low_project__contains=words.lower())
    if ID.fullmatch(words):
        found |= has_id(words)
    if match := _SCHEDULER_ID.fullmatch(words):
        # Looked up first: a scheduler's ids are few, and what remains is one pass over one table.
        placed = Placement.objects.filter(scheduler_id=match[1]).order_by("-created_at")
        found |= Q(pk__in=list(placed.values_list("job", flat=True)[:MOST_BY_SCHEDULER_ID]))
    return found


def _outside_found_by(words: str) -> Q:
    found = Q(low_name__contains=words.lower())
    if ID.fullmatch(words):
        found |= has_id(words)
    if match := _SCHEDULER_ID.fullmatch(words):
        found |= Q(scheduler_id=match[1])
    return found


def has_id(beginning: str) -> Q:
    """Jobs whose id is this, or begins like this."""
    try:
        return Q(pk=uuid.UUID(beginning))
    except ValueError:
        pass
    # In the form that every database can compare.
    digits = beginning.replace("-", "").lower()
    if not digits:
        return Q(pk__in=[])
    cuts = [digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]]
    return Q(pk__startswith="-".join(part for part in cuts if part))


def _in_queue(queue: str) -> Q:
    """Also those that asked for no queue and went where it is the default one."""
    there = [
        cluster.name
        for cluster in Cluster.objects.only("name", "queues")
        if any(known["is_default"] and known["name"] == queue for known in cluster.queues)
    ]
    return Q(queue=queue) | Q(queue="", cluster__in=there) if there else Q(queue=queue)
