"""People, and browsers that sign in."""

from typing import Any

import pytest
from django.test import Client

from tandem.accounts.actions import add_person
from tandem.accounts.models import Person

PASSWORD = "a-Good-Passw0rd!"


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    """How passwords are hashed is not what these tests are about."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def with_password(person: Person) -> Person:
    person.set_password(PASSWORD)
    person.save()
    return person


@pytest.fixture
def ada(db: None) -> Person:
    return with_password(add_person("ada", full_name="Ada Lovelace"))


@pytest.fixture
def bob(db: None) -> Person:
    return with_password(add_person("bob"))


@pytest.fixture
def chief(db: None) -> Person:
    return with_password(add_person("chief", administrator=True))


class Browser(Client):
    """A browser over TLS, with an address of its own."""

    def __init__(self, address: str = "192.0.2.1") -> None:
        super().__init__(REMOTE_ADDR=address, HTTP_USER_AGENT="Mozilla/5.0 (X11; Linux) Firefox/140.0")
        self.defaults["wsgi.url_scheme"] = "https"

    def sign_in(self, name: str, password: str = PASSWORD, **more: str) -> Any:
        """Send the sign-in form."""
        return self.post("/sign-in", {"username": name, "password": password, **more})

    def is_in(self) -> bool:
        """Whether home is shown, rather than the sign-in page."""
        return bool(self.get("/").status_code == 200)


@pytest.fixture
def browser() -> Browser:
    return Browser()


@pytest.fixture
def new_browser() -> type[Browser]:
    """For tests with several browsers: `new_browser("192.0.2.7")`."""
    return Browser
