"""People who ask the API."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from tandem.accounts.actions import add_person, create_token
from tandem.accounts.models import Person

PASSWORD = "a-Good-Passw0rd!"


@dataclass
class Api:
    """The API as one person asks it; `token` None is nobody."""

    token: str | None

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> HttpResponse:
        """One request; header names with underscores."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        client = Client(raise_request_exception=False, headers=sent)
        return client.generic(method, f"/api/v1{path}", data, content_type="application/json", secure=True)

    def get(self, path: str, **headers: str) -> HttpResponse:
        return self("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> HttpResponse:
        return self("POST", path, body, **headers)

    def delete(self, path: str) -> HttpResponse:
        return self("DELETE", path)


@pytest.fixture
def new_person(db: None) -> Callable[..., Person]:
    def make(username: str, *, administrator: bool = False) -> Person:
        person = add_person(username, administrator=administrator)
        # The quickest hasher: how passwords are hashed is not what these tests are about.
        person.set_password(PASSWORD)
        person.save()
        return person

    return make


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def mia(new_person: Callable[..., Person]) -> Person:
    return new_person("mia")


@pytest.fixture
def tom(new_person: Callable[..., Person]) -> Person:
    return new_person("tom")


@pytest.fixture
def root(new_person: Callable[..., Person]) -> Person:
    return new_person("chief", administrator=True)


@pytest.fixture
def as_person() -> Callable[[Person], Api]:
    return lambda person: Api(create_token(person, "test")[1])


@pytest.fixture
def nobody(db: None) -> Api:
    return Api(None)


@pytest.fixture
def as_mia(mia: Person, as_person: Callable[[Person], Api]) -> Api:
    return as_person(mia)


@pytest.fixture
def as_tom(tom: Person, as_person: Callable[[Person], Api]) -> Api:
    return as_person(tom)


@pytest.fixture
def as_administrator(root: Person, as_person: Callable[[Person], Api]) -> Api:
    return as_person(root)


def _is_problem(response: HttpResponse, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = json.loads(response.content)
    assert body["type"] == "about:blank"
    assert body["status"] == status
    assert body["title"]
    return body


@pytest.fixture
def is_problem() -> Callable[[HttpResponse, int], dict[str, Any]]:
    """Asserts that an answer is a whole problem (RFC 9457) with this status; returns its body."""
    return _is_problem
