"""The load balancer's configuration, and the words that it has of its own for what never reaches a portal node.

Below `/api/` they are a problem document (RFC 9457), elsewhere a page. Two refusals have no words of ours: HAProxy's
400 and 408 for what is no HTTP request at all come before anybody knows an address, and cannot be given any.
"""

import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus

from tandem.local.templating import template

PAGES = "balancer"
RETRY_AFTER = 5
_HTML = "text/html; charset=utf-8"
_UNDECIDED = (
    "Jobs that were accepted before are safe; running jobs run on. If you were submitting one just now, look at your "
    "jobs before you submit it again."
)
_AGAIN = "Wait a few seconds and load the page again."
_SAFE = "Repeating the request with the same Idempotency-Key is safe."


@dataclass(frozen=True)
class Words:
    """What a page says, and in one sentence or two the problem document of the same case."""

    status: int
    title: str
    happened: str
    kept: str
    to_do: str
    detail: str

    @property
    def page(self) -> str:
        """As a page in the portal's look, that needs nothing of the portal."""
        again = '<a href="">Load the page again</a> · ' if self.status >= 500 else ""
        return template(
            "balancer.html",
            title=self.title,
            status=self.status,
            happened=self.happened,
            kept=self.kept,
            to_do=self.to_do,
            again=again,
        )

    @property
    def problem(self) -> str:
        """As a problem document."""
        title = HTTPStatus(self.status).phrase
        return json.dumps({"type": "about:blank", "title": title, "status": self.status, "detail": self.detail})


# What HAProxy answers by itself when something fails on the way.
FAILURES = (
    Words(
        400,
        "This request cannot be read",
        "The browser sent something that the portal does not understand.",
        "Nothing was changed.",
        "Go back, load the page again and repeat what you did.",
        "The request could not be read.",
    ),
    Words(
        408,
        "This did not arrive",
        "Your request came too slowly, or only a part of it did.",
        "Nothing was changed. What you typed is still in the form when you go back.",
        "Look whether your connection is good, and send it again.",
        f"The request did not arrive in time. {_SAFE}",
    ),
    Words(
        500,
        "Something went wrong on the way",
        "The load balancer in front of the portal failed at passing on your request.",
        _UNDECIDED,
        _AGAIN,
        f"The load balancer failed at passing on the request. {_SAFE}",
    ),
    Words(
        502,
        "The answer broke off",
        "The portal node that worked on your request went away before it had answered.",
        _UNDECIDED,
        f"{_AGAIN} Another node answers then.",
        f"The portal node went away before it had answered. {_SAFE}",
    ),
    Words(
        503,
        "The portal does not answer at the moment",
        "No portal node takes requests now: they are being started, or were lost.",
        "Jobs that were accepted are safe, and running jobs run on. What you sent just now did not arrive.",
        _AGAIN,
        f"No portal node answers at the moment; jobs that were accepted are safe. {_SAFE}",
    ),
    Words(
        504,
        "The portal took too long",
        "A portal node has your request and did not answer it within the time allowed.",
        _UNDECIDED,
        _AGAIN,
        f"A portal node did not answer within the time allowed. {_SAFE}",
    ),
)
# What the configuration refuses, by the name that it has there.
REFUSALS = {
    "too-large": Words(
        413,
        "This is too large",
        "What you sent is larger than the portal takes: at most 10 MiB can be uploaded.",
        "Nothing was changed. What you typed is still in the form when you go back.",
        "Copy the file to the cluster, go back, and give its path there instead.",
        "A request to the API may have 12 MiB at most. Give a path on the cluster instead.",
    ),
    "no-length": Words(
        413,
        "This does not say how large it is",
        "What you sent did not announce its length, so that nobody knows whether it is too large.",
        "Nothing was changed.",
        "Send it with a Content-Length.",
        "A request must say how long it is.",
    ),
    "no-content": Words(
        413,
        "This address takes no content",
        "Something was sent along to an address that is only read.",
        "Nothing was changed.",
        "Go back, load the page again and repeat what you did.",
        "A stream takes no content.",
    ),
}


def balancer_files(web: Mapping[str, str], streams: Mapping[str, str], pages: str) -> dict[str, str]:
    """The configuration and the pages, by their names below `/etc/tandem`; HAProxy finds the pages below `pages`.

    `web` and `streams`: address and port of each portal node's two servers, by its name.
    """
    files = {f"{PAGES}/{words.status}.html": words.page for words in FAILURES}
    files |= {f"{PAGES}/{name}.html": words.page for name, words in REFUSALS.items()}
    parts: dict[str, object] = {
        "style": style_source(REFUSALS["too-large"].page),
        "pages": "\n".join(_page_line(words, pages) for words in FAILURES),
        "problems": "\n".join(_problem_line(words) for words in FAILURES),
        "web": _servers(web),
        "web-tracked": "\n".join(f"{line} track web/{name}" for name, line in _server_lines(web)),
        "streams": _servers(streams),
        "streams-tracked": "\n".join(f"{line} track streams/{name}" for name, line in _server_lines(streams)),
    }
    for name, words in REFUSALS.items():
        page = f'content-type "{_HTML}" file {pages}/{PAGES}/{name}.html hdr Cache-Control no-store'
        problem = f"content-type application/problem+json string '{words.problem}' hdr Cache-Control no-store"
        parts |= {f"{name}-page": page, f"{name}-problem": problem}
    return files | {"haproxy.cfg": template("haproxy.cfg", **parts)}


def style_source(page: str) -> str:
    """What allows a page's own style, and no other, in its content security policy."""
    style = page.partition("<style>")[2].partition("</style>")[0]
    return f"sha256-{b64encode(sha256(style.encode()).digest()).decode()}"


def _page_line(words: Words, pages: str) -> str:
    return _failure(words, f'"{_HTML}" file {pages}/{PAGES}/{words.status}.html')


def _problem_line(words: Words) -> str:
    return _failure(words, f"application/problem+json string '{words.problem}'")


def _failure(words: Words, content: str) -> str:
    later = f" hdr Retry-After {RETRY_AFTER}" if words.status == 503 else ""
    return f"    http-error status {words.status} content-type {content} hdr Cache-Control no-store{later}"


def _server_lines(servers: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(name, f"    server {name} {address}") for name, address in servers.items()]


def _servers(servers: Mapping[str, str]) -> str:
    return "\n".join(line for _, line in _server_lines(servers))
