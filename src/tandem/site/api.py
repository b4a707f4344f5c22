"""The REST API: `/api/v1`, composed of what each package offers, and the one place that says how refusals look."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from ninja import NinjaAPI

from tandem.accounts import api as accounts_api
from tandem.accounts.actions import AccountChangeRefused, PersonInvalid
from tandem.accounts.authentication import BearerToken, SignedIn
from tandem.accounts.sign_in import SignInRefused
from tandem.clusters import api as clusters_api
from tandem.clusters.errors import AnswerLost, ClusterRefused, ClusterUnreachable
from tandem.files import api as files_api
from tandem.jobs import api as jobs_api
from tandem.jobs import api_outside as outside_jobs_api
from tandem.jobs.actions import ActionRefused, IdempotencyConflict
from tandem.jobs.outputs import OutputForbidden, OutputMissing, OutputUnavailable
from tandem.jobs.spoolers import api as spoolers_api
from tandem.jobs.spoolers.actions import SpoolerNameInvalid
from tandem.jobs.submission import SubmissionInvalid
from tandem.operations import api as operations_api
from tandem.site.problems import add_handlers, problem

api = NinjaAPI(
    title="Tandem",
    version="1",
    description=(
        "Jobs, clusters and people of one environment. Errors are application/problem+json (RFC 9457); "
        "what is wrong with a field stands in `errors` under its name."
    ),
    urls_namespace="api",
    auth=[BearerToken(), SignedIn()],
    docs_url=None,
    # Of all of django-ninja's own views: the schema can be read, and nothing else.
    docs_decorator=require_safe,
)
api.add_router("/jobs", jobs_api.router)
api.add_router("/outside-jobs", outside_jobs_api.router)
api.add_router("/files", files_api.router)
api.add_router("/spoolers", spoolers_api.router)
api.add_router("/clusters", clusters_api.router)
api.add_router("/tokens", accounts_api.tokens)
api.add_router("/people", accounts_api.people)
api.add_router("/status", operations_api.router)
add_handlers(api)


@api.exception_handler(SubmissionInvalid)
def _submission_invalid(request: HttpRequest, exc: SubmissionInvalid) -> HttpResponse:
    return problem(422, "Some fields are not valid.", errors=exc.errors)


@api.exception_handler(PersonInvalid)
def _person_invalid(request: HttpRequest, exc: PersonInvalid) -> HttpResponse:
    return problem(422, "Some fields are not valid.", errors=exc.errors)


@api.exception_handler(SpoolerNameInvalid)
def _spooler_name_invalid(request: HttpRequest, exc: SpoolerNameInvalid) -> HttpResponse:
    return problem(422, "Some fields are not valid.", errors={"name": [str(exc)]})


@api.exception_handler(IdempotencyConflict)
def _idempotency_conflict(request: HttpRequest, exc: IdempotencyConflict) -> HttpResponse:
    return problem(422, "This Idempotency-Key was used before, for another submission.")


@api.exception_handler(ActionRefused)
def _action_refused(request: HttpRequest, exc: ActionRefused) -> HttpResponse:
    return problem(409, _sentence(exc))


@api.exception_handler(AccountChangeRefused)
def _account_change_refused(request: HttpRequest, exc: AccountChangeRefused) -> HttpResponse:
    return problem(409, _sentence(exc))


@api.exception_handler(SignInRefused)
def _sign_in_refused(request: HttpRequest, exc: SignInRefused) -> HttpResponse:
    if exc.retry_after:
        return problem(429, exc.message, headers={"Retry-After": str(exc.retry_after)})
    return problem(401, exc.message)


@api.exception_handler(ClusterUnreachable)
@api.exception_handler(AnswerLost)
def _cluster_unreachable(request: HttpRequest, exc: Exception) -> HttpResponse:
    return problem(503, _sentence(exc), headers={"Retry-After": "5"})


@api.exception_handler(ClusterRefused)
def _cluster_refused(request: HttpRequest, exc: ClusterRefused) -> HttpResponse:
    return problem(502, _sentence(exc))


@api.exception_handler(OutputUnavailable)
def _output_unavailable(request: HttpRequest, exc: OutputUnavailable) -> HttpResponse:
    return problem(503, _sentence(exc), headers={"Retry-After": "5"})


@api.exception_handler(OutputMissing)
def _output_missing(request: HttpRequest, exc: OutputMissing) -> HttpResponse:
    return problem(404, _sentence(exc))


@api.exception_handler(OutputForbidden)
def _output_forbidden(request: HttpRequest, exc: OutputForbidden) -> HttpResponse:
    return problem(403, _sentence(exc))


def _sentence(exc: Exception) -> str:
    text = str(exc)
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"
