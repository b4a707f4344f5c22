"""Where browsers' sign-ins are kept: Django's database sessions, with a person beside each (see `models.SignIn`)."""

from datetime import datetime
from typing import Any, cast

from django.contrib.auth import SESSION_KEY
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone

from tandem.accounts.models import Person, SignIn


class SessionStore(DatabaseStore):
    """Django's store over `SignIn`."""

    @classmethod
    def get_model_class(cls) -> type[SignIn]:
        return SignIn

    def create_model_instance(self, data: dict[str, Any]) -> SignIn:
        """The row for these data."""
        return self._with_columns(cast(SignIn, super().create_model_instance(data)), data)

    async def acreate_model_instance(self, data: dict[str, Any]) -> SignIn:
        """The row for these data."""
        return self._with_columns(cast(SignIn, await super().acreate_model_instance(data)), data)

    def _with_columns(self, row: SignIn, data: dict[str, Any]) -> SignIn:
        if SESSION_KEY in data:
            row.person_id = int(data[SESSION_KEY])
            row.since = datetime.fromisoformat(data["since"]) if "since" in data else None
            row.address = data.get("address", "")
            row.browser = data.get("browser", "")
        return row


@receiver(user_logged_in)
def remember_where_from(request: HttpRequest, user: Person, **_: object) -> None:
    """Note when and from where, for the list of active sign-ins."""
    request.session["since"] = timezone.now().isoformat()
    request.session["address"] = request.META.get("REMOTE_ADDR", "")[:45]
    request.session["browser"] = request.headers.get("User-Agent", "")[:200]
