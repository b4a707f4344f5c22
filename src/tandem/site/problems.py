"""Errors of the API in one shape: `application/problem+json` (RFC 9457), whoever noticed them.

`problem()` makes one; `add_handlers()` gives an API its exception handlers; `ProblemMiddleware` turns what Django
itself answers below `/api/` (an unknown path, a method that is not there, a request too big) into the same shape.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus

from django.core.exceptions import RequestDataTooBig
from django.db import DatabaseError, InterfaceError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from tandem.files.paths import as_text
from tandem.files.trouble import FileTrouble
from tandem.jobs.file_names import text_of
from tandem.site.errors import database_trouble, drop_connections
from tandem.site.middleware import GetResponse, around

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 2
KEPT_HEADERS = ("Allow", "Retry-After", "Content-Range", "Tandem-File")

FieldErrors = Mapping[str, Sequence[str]]


def problem(
    status: int,
    detail: str = "",
    *,
    errors: FieldErrors | None = None,
    headers: Mapping[str, str] | None = None,
    path: str = "",
) -> HttpResponse:
    """An answer in the form of RFC 9457. `errors`: what is wrong, by field; `path`: of the file that it is about."""
    body: dict[str, object] = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    if detail:
        body["detail"] = detail
    if errors:
        body["errors"] = errors
    if path:
        body["path"] = path
    response = HttpResponse(json.dumps(body), status=status, content_type=CONTENT_TYPE, headers=dict(headers or {}))
    response["Cache-Control"] = "no-store"
    if status == HTTPStatus.UNAUTHORIZED:
        response["WWW-Authenticate"] = 'Bearer realm="tandem"'
    return response


def file_problem(trouble: FileTrouble) -> HttpResponse:
    """What went wrong with a file: the words name its path."""
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if trouble.status == 503 else {}
    detail = f"{as_text(trouble.path)}: {trouble}"
    return problem(trouble.status, detail, headers=headers, path=text_of(trouble.path))


def add_handlers(api: NinjaAPI) -> None:
    """Answer every exception of the API's views in this one shape."""

    @api.exception_handler(ValidationError)
    def _invalid(request: HttpRequest, exc: ValidationError) -> HttpResponse:
        return problem(422, "Some fields are not valid.", errors=_by_field(exc.errors))

    @api.exception_handler(AuthenticationError)
    def _not_signed_in(request: HttpRequest, exc: AuthenticationError) -> HttpResponse:
        detail = str(exc) if str(exc) != "Unauthorized" else "Sign in, or send a token: Authorization: Bearer …"
        return problem(401, detail)

    @api.exception_handler(HttpError)
    def _http(request: HttpRequest, exc: HttpError) -> HttpResponse:
        return problem(exc.status_code, str(exc))

    @api.exception_handler(Http404)
    def _not_found(request: HttpRequest, exc: Http404) -> HttpResponse:
        return problem(404, "There is nothing here that you may see.")

    @api.exception_handler(FileTrouble)
    def _file(request: HttpRequest, exc: FileTrouble) -> HttpResponse:
        return file_problem(exc)

    @api.exception_handler(RequestDataTooBig)
    def _too_big(request: HttpRequest, exc: RequestDataTooBig) -> HttpResponse:
        return problem(413, "The request is too big.")

    @api.exception_handler(DatabaseError)
    @api.exception_handler(InterfaceError)
    def _database(request: HttpRequest, exc: Exception) -> HttpResponse:
        trouble = database_trouble(exc)
        if trouble is None:
            raise exc
        drop_connections()
        detail = f"{trouble.title}. Repeating the request with the same Idempotency-Key is safe."
        return problem(503, detail, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


def _by_field(errors: Sequence[Mapping[str, object]]) -> dict[str, list[str]]:
    """Pydantic's list of errors, by the name of the field: `("body", "task", "nodes")` is `nodes`."""
    found: dict[str, list[str]] = {}
    for error in errors:
        location = error.get("loc", ())
        words = [str(part) for part in location] if isinstance(location, list | tuple) else []
        # The first word says where (body, query, …), the second, for a body, the view's own parameter.
        field = ".".join(words[2:] if words[:1] == ["body"] and len(words) > 2 else words[1:]) or "request"
        found.setdefault(field, []).append(str(error.get("msg", "not valid")))
    return found


class ProblemMiddleware:
    """Outermost for `/api/`: whatever error comes out of Django there leaves as problem+json."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Pass all that is not an error of `/api/` through untouched."""
        response = self.get_response(request)
        if response.status_code < 400 or not request.path.startswith("/api/"):
            return response
        if response.get("Content-Type", "").startswith(CONTENT_TYPE):
            return response
        kept = {name: response[name] for name in KEPT_HEADERS if name in response}
        return problem(response.status_code, _DETAILS.get(response.status_code, ""), headers=kept)


_DETAILS = {
    400: "The request could not be read.",
    404: "There is nothing at this address. See /api/v1/openapi.json.",
    405: "This address does not take that method.",
    413: "The request is too big.",
    500: "Something went wrong in the portal. The failure is in its log.",
    503: "The portal cannot do this at the moment. Try again in a few seconds.",
}


@sync_and_async_middleware
def StreamProblemMiddleware(get_response: GetResponse) -> GetResponse:  # noqa: N802 - Django names it like a class
    """For the streams below `/api/`: their refusals in plain words become problems, except for people's browsers."""

    def after(request: HttpRequest, response: HttpResponseBase) -> None:
        if not isinstance(response, HttpResponse) or response.status_code < 400 or not request.path.startswith("/api/"):
            return
        if "text/html" not in request.headers.get("Accept", ""):
            response.content = problem(response.status_code, response.content.decode().strip()).content
            response["Content-Type"] = CONTENT_TYPE

    return around(get_response, lambda request: None, after)
