"""Where browsers' sign-ins are kept: Django's database sessions, with a person beside each (see `models.SignIn`)."""

from datetime import datetime, timedelta
from typing import Any, cast

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone

from tandem.accounts.models import Person, SignIn

# For people who look at their sign-ins: a write per request would cost more than it tells.
SEEN_RECORDED_EVERY = timedelta(minutes=1)


class SessionStore(DatabaseStore):
    """Django's store over `SignIn`."""

    seen_before: datetime | None = None

    def load(self) -> dict[str, Any]:
        """The data, and of the same row when the browser was last seen."""
        row = self._get_session_from_db()  # type: ignore[attr-defined]
        self.seen_before = row.last_seen_at if row else None
        return self.decode(row.session_data) if row else {}

    def seen(self) -> None:
        """Note that the browser asked for something now."""
        now = timezone.now()
        if self.seen_before is None or now - self.seen_before >= SEEN_RECORDED_EVERY:
            SignIn.objects.filter(session_key=self.session_key).update(last_seen_at=now)
            self.seen_before = now

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
            row.last_seen_at = self.seen_before
        return row


@receiver(user_logged_in)
def remember_where_from(request: HttpRequest, user: Person, **_: object) -> None:
    """Note when and from where, for the list of active sign-ins; and the end, which no later use puts off."""
    now = timezone.now()
    request.session.set_expiry(now + timedelta(seconds=settings.SESSION_COOKIE_AGE))
    cast(SessionStore, request.session).seen_before = now
    request.session["since"] = now.isoformat()
    request.session["address"] = request.META.get("REMOTE_ADDR", "")[:45]
    request.session["browser"] = request.headers.get("User-Agent", "")[:200]
