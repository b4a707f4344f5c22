import json
import logging
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from tandem.site.logs import hide_secrets
from tandem.site.middleware import ClientAddressMiddleware, client_address, networks

BALANCERS = networks(["10.77.0.2", "10.77.0.3", "10.78.4.0/24"])


@pytest.mark.parametrize(
    ("remote", "forwarded", "client"),
    [
        ("10.77.0.2", "192.0.2.7", "192.0.2.7"),
        # What a client wrote itself stands further left.
        ("10.77.0.2", "127.0.0.1, 192.0.2.7", "192.0.2.7"),
        ("10.77.0.2", "192.0.2.7, 10.77.0.3", "192.0.2.7"),
        ("10.77.0.2", "2001:DB8::1", "2001:db8::1"),
        ("10.77.0.2", "", "10.77.0.2"),
        ("10.77.0.2", "<script>", "10.77.0.2"),
        ("192.0.2.9", "127.0.0.1", "192.0.2.9"),
        # A balancer with an address of its network, such as a load balancer of AWS.
        ("10.78.4.9", "127.0.0.1, 192.0.2.7", "192.0.2.7"),
        ("10.78.4.9", "192.0.2.7, 10.78.4.200", "192.0.2.7"),
        ("10.78.5.9", "127.0.0.1", "10.78.5.9"),
    ],
)
def test_the_clients_address_is_what_the_balancer_saw(remote: str, forwarded: str, client: str) -> None:
    assert client_address(remote, forwarded, BALANCERS) == client


@given(st.text())
def test_a_header_never_breaks_it_nor_claims_a_balancers_address(header: str) -> None:
    found = client_address("10.77.0.2", f"{header}, 192.0.2.7", BALANCERS)
    assert found == "192.0.2.7"


@pytest.fixture
def seen(settings: Any) -> Any:
    """What a view sees of a request that came from `remote` with these headers."""

    def seen(remote: str, **headers: str) -> dict[str, Any]:
        settings.NODE = type("Node", (), {"balancer_addresses": ["10.77.0.2"]})()
        request = RequestFactory().get("/", REMOTE_ADDR=remote, **headers)
        result: dict[str, Any] = {}

        def view(request: HttpRequest) -> HttpResponse:
            result.update(request.META, secure=request.is_secure())
            return HttpResponse()

        ClientAddressMiddleware(view)(request)
        return result

    return seen


def test_the_balancer_is_believed(seen: Any) -> None:
    meta = seen("10.77.0.2", HTTP_X_FORWARDED_FOR="192.0.2.7", HTTP_X_FORWARDED_PROTO="https")
    assert meta["REMOTE_ADDR"] == "192.0.2.7"
    assert meta["secure"]


def test_nobody_else_is_believed(seen: Any) -> None:
    meta = seen(
        "192.0.2.9", HTTP_X_FORWARDED_FOR="127.0.0.1", HTTP_X_FORWARDED_PROTO="https", HTTP_X_FORWARDED_HOST="evil"
    )
    assert meta["REMOTE_ADDR"] == "192.0.2.9"
    assert not meta["secure"]
    assert not [name for name in meta if name.startswith("HTTP_X_FORWARDED")]


@pytest.mark.parametrize(
    "event",
    [
        {"password": "hunter2-Secret!"},
        {"new_password": "hunter2-Secret!"},
        {"Authorization": "Bearer hunter2-Secret!"},
        {"event": "sent Authorization: Bearer hunter2-Secret"},
        {"event": "the token tandem_hunter2-Secret is good"},
        {"event": "Cookie: __Host-session=hunter2-Secret"},
        {"exception": "Traceback …\nValueError: tandem_hunter2-Secret"},
        {"csrf_token": "hunter2-Secret"},
    ],
)
def test_no_secret_gets_into_the_log(event: dict[str, Any]) -> None:
    assert "hunter2" not in json.dumps(hide_secrets(None, "info", event))


def test_what_is_no_secret_stays_readable() -> None:
    event = {"person": "ada", "event": "tandem_site started", "path": "/jobs/", "milliseconds": 3.2}
    assert hide_secrets(None, "info", dict(event)) == event


def test_logs_are_one_json_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    handler = logging.getLogger().handlers[0]
    record = logging.LogRecord("tandem", logging.INFO, __file__, 1, "two\nlines of %s", ("words",), None)
    line = next(h for h in logging.getLogger().handlers if h.formatter and "Processor" in type(h.formatter).__name__)
    formatted = (line.formatter or handler.formatter).format(record)  # type: ignore[union-attr]
    assert "\n" not in formatted
    assert json.loads(formatted)["event"] == "two\nlines of words"
