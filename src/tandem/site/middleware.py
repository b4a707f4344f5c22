"""Before and after every request: whose it is, what is written down of it, what browsers are told to forbid."""

import ipaddress
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import structlog
from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

GetResponse = Callable[[HttpRequest], Any]
logger = structlog.get_logger("tandem.request")

# What a balancer may say of a client, and nobody else.
_FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PORT")

CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        # `data:` is for the small pictures inside the stylesheet.
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Frame-Options": "DENY",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def around(
    get_response: GetResponse,
    before: Callable[[HttpRequest], None],
    after: Callable[[HttpRequest, HttpResponseBase], None],
) -> GetResponse:
    """A middleware of two quick functions, in the flavour (plain or async) of the server it runs under."""
    if iscoroutinefunction(get_response):
        answer: Callable[[HttpRequest], Awaitable[HttpResponseBase]] = get_response

        async def asynchronous(request: HttpRequest) -> HttpResponseBase:
            before(request)
            response = await answer(request)
            after(request, response)
            return response

        return asynchronous

    def plain(request: HttpRequest) -> HttpResponseBase:
        before(request)
        response: HttpResponseBase = get_response(request)
        after(request, response)
        return response

    return plain


Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]


def networks(addresses: Iterable[str]) -> Networks:
    """Addresses and networks, as networks: a load balancer may have any address of its own ones."""
    return tuple(ipaddress.ip_network(address) for address in addresses)


def is_in(address: str, balancers: Networks) -> bool:
    """Is it the address of a balancer?"""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in balancers)


def client_address(remote: str, forwarded_for: str, balancers: Networks) -> str:
    """Who is at the other end: the last address that no balancer of ours has, as each appends whom it heard from.

    What a client wrote into the header itself stands further left and is never reached.
    """
    if not is_in(remote, balancers):
        return remote
    for address in reversed([part.strip() for part in forwarded_for.split(",")]):
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return remote
        if not is_in(address, balancers):
            return str(parsed)
    return remote


@sync_and_async_middleware
def ClientAddressMiddleware(get_response: GetResponse) -> GetResponse:  # noqa: N802 - Django names it like a class
    """REMOTE_ADDR becomes the client's address; forwarding headers of anybody but the balancers are dropped."""
    node = settings.NODE
    balancers = networks(node.balancer_addresses) if node else ()

    def before(request: HttpRequest) -> None:
        remote = request.META.get("REMOTE_ADDR", "")
        if is_in(remote, balancers):
            request.META["REMOTE_ADDR"] = client_address(
                remote, request.META.get("HTTP_X_FORWARDED_FOR", ""), balancers
            )
        else:
            for name in _FORWARDED:
                request.META.pop(name, None)

    return around(get_response, before, lambda request, response: None)


@sync_and_async_middleware
def RequestLogMiddleware(get_response: GetResponse) -> GetResponse:  # noqa: N802
    """Give each request an id, which its log lines and its error pages show, and write one line when it is answered.

    The query is left out: people put into addresses what they should not.
    """

    def before(request: HttpRequest) -> None:
        request.request_id = secrets.token_hex(6)  # type: ignore[attr-defined]
        request.arrived = time.monotonic()  # type: ignore[attr-defined]
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request.request_id)  # type: ignore[attr-defined]

    def after(request: HttpRequest, response: HttpResponseBase) -> None:
        response["X-Request-Id"] = request.request_id  # type: ignore[attr-defined]
        if request.path in ("/healthz", "/streams/healthz") and response.status_code == 200:
            return
        # Only a person that was looked up anyway: a log line is not worth a query.
        person = getattr(request, "_cached_user", None) or getattr(request, "_acached_user", None)
        logger.info(
            "request",
            method=request.method,
            path=request.path,
            status=response.status_code,
            milliseconds=round((time.monotonic() - request.arrived) * 1000, 1),  # type: ignore[attr-defined]
            address=request.META.get("REMOTE_ADDR", ""),
            person=getattr(person, "username", "") or "",
        )

    return around(get_response, before, after)


@sync_and_async_middleware
def SecurityHeadersMiddleware(get_response: GetResponse) -> GetResponse:  # noqa: N802
    """Every answer carries a content security policy; a view that serves people's own bytes may set a tighter one."""

    def after(request: HttpRequest, response: HttpResponseBase) -> None:
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        # Pages are one person's own: nothing between the portal and the browser keeps them.
        if response.status_code >= 400 or not request.path.startswith(settings.STATIC_URL):
            response.headers.setdefault("Cache-Control", "private, no-store")

    return around(get_response, lambda request: None, after)
