"""Who is it? Name and password, with tries limited per account and per address, counted in the database.

A try is written down as failed *before* the password is looked at and taken back when it was right, so that many tries
at once on many portal nodes cannot slip past the count. All of them count by the database's clock, since their own may
differ. The answer never tells whether an account exists.
"""

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.contrib.auth import authenticate
from django.http import HttpRequest

from tandem.accounts.models import Person, SignInFailure
from tandem.clock import database_now

logger = structlog.get_logger(__name__)

WINDOW = timedelta(minutes=15)
TRIES_PER_ACCOUNT = 10
TRIES_PER_ADDRESS = 40
WRONG = "Name and password do not belong together, or the account is disabled."


@dataclass
class SignInRefused(Exception):
    """Not let in. `retry_after` (seconds) is set when there were too many tries."""

    message: str
    retry_after: int | None = None

    def __str__(self) -> str:
        return self.message


def check_sign_in(request: HttpRequest, username: str, password: str) -> Person:
    """The person with this name and password, who is enabled. Raises SignInRefused. Locks nothing."""
    account = username.strip().lower()[:150]
    address = network_of(request.META.get("REMOTE_ADDR", ""))
    now = database_now()
    failure = SignInFailure.objects.create(username=account, address=address, at=now)
    wait = _wait(account, address, now)
    if wait:
        # Such a try does not count: who keeps trying would never be let in again.
        failure.delete()
        logger.warning("sign-in refused, too many tries", account=account, address=address)
        raise SignInRefused(f"Too many tries. Try again in {_minutes(wait)}.", retry_after=wait)
    person = authenticate(request, username=username.strip(), password=password)
    if not isinstance(person, Person):
        logger.warning("sign-in failed", account=account, address=address)
        raise SignInRefused(WRONG)
    # Only what came from here: somebody else's guesses at this account go on counting against them.
    SignInFailure.objects.filter(username=account, address=address).delete()
    return person


def _wait(account: str, address: str, now: datetime) -> int:
    """Seconds until a further try is looked at; 0 when this one may be. The try in hand is among those counted."""
    waits = [0]
    recent = SignInFailure.objects.filter(at__gt=now - WINDOW)
    for tries, limit in (
        (recent.filter(username=account), TRIES_PER_ACCOUNT),
        (recent.filter(address=address), TRIES_PER_ADDRESS),
    ):
        # The newest `limit + 1` tries, ours among them: room is made when the oldest of them leaves the window.
        times = list(tries.order_by("-at").values_list("at", flat=True)[: limit + 1])
        if len(times) > limit:
            waits.append(int((times[-1] + WINDOW - now).total_seconds()) + 1)
    return max(waits)


def network_of(address: str) -> str:
    """What counts as one address: an IPv6 customer has a /64 to draw from."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:45]
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def _minutes(seconds: int) -> str:
    minutes = -(-seconds // 60)
    return "a minute" if minutes == 1 else f"{minutes} minutes"


def forget_old_failures() -> int:
    """Delete what no longer counts; says how many."""
    return SignInFailure.objects.filter(at__lt=database_now() - WINDOW).delete()[0]
