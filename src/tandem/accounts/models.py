"""People, and what lets them in: passwords, sign-ins, one-time links, API tokens."""

from typing import TYPE_CHECKING

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.db.models import Q
from django.utils import timezone

from tandem.accounts.tokens import digest

if TYPE_CHECKING:
    from tandem.accounts.sessions import SessionStore


class PersonManager(BaseUserManager["Person"]):
    """People by what one asks for most; people are made by `accounts.actions.add_person`."""

    def enabled(self) -> models.QuerySet["Person"]:
        """Those who may come in."""
        return self.filter(is_active=True)


class Person(AbstractBaseUser):
    """Somebody of the environment: the same name and uid on every cluster."""

    username = models.CharField(max_length=32, unique=True)
    uid = models.PositiveIntegerField(unique=True)
    full_name = models.CharField(max_length=120, blank=True)
    email = models.EmailField(blank=True)
    groups = models.JSONField(default=list, help_text="names of the groups on the clusters")
    is_administrator = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    in_file = models.BooleanField(
        null=True, help_text="whether the environment file names the person; empty: it never did"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    password_chosen_at = models.DateTimeField(null=True, help_text="when the person last chose a password, if ever")
    notified_until = models.PositiveBigIntegerField(
        default=0, help_text="id of the newest event that the person was shown as a notification"
    )

    USERNAME_FIELD = "username"
    REQUIRED_FIELDS = ["uid"]
    objects = PersonManager()

    def __str__(self) -> str:
        return self.username

    @property
    def display_name(self) -> str:
        """What pages call the person."""
        return self.full_name or self.username


class SignIn(AbstractBaseSession):
    """One browser that is signed in (Django calls it a session; here a session is an interactive job).

    The columns repeat what the session's data say, so that a person's sign-ins can be listed and ended.
    """

    person = models.ForeignKey(Person, models.CASCADE, null=True, related_name="sign_ins")
    since = models.DateTimeField(null=True)
    last_seen_at = models.DateTimeField(null=True, help_text="when the browser last asked for something, to the minute")
    address = models.CharField(max_length=45, blank=True)
    browser = models.CharField(max_length=200, blank=True)

    def __str__(self) -> str:
        return f"{self.person or 'somebody'} from {self.address}"

    @property
    def handle(self) -> str:
        """What pages call it: its key is what lets the browser in, and stands nowhere."""
        return digest(self.session_key)[:16]

    @classmethod
    def get_session_store_class(cls) -> "type[SessionStore]":
        from tandem.accounts.sessions import SessionStore

        return SessionStore


class TokenManager(models.Manager["Token"]):
    def usable(self) -> models.QuerySet["Token"]:
        """Tokens that open the door now: neither expired nor revoked, of people who are not disabled."""
        return self.filter(expires_at__gt=timezone.now(), revoked_at=None, person__is_active=True)


class Token(models.Model):
    """An API token. Only its SHA-256 is kept; `prefix` lets its owner tell tokens apart."""

    person = models.ForeignKey(Person, models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=12)
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    objects = TokenManager()

    def __str__(self) -> str:
        return f"{self.prefix}… of {self.person}"


class OneTimeLink(models.Model):
    """An invitation or a reset: good once, for 24 hours. Only the SHA-256 of its secret is kept."""

    person = models.ForeignKey(Person, models.CASCADE, related_name="one_time_links")
    digest = models.CharField(max_length=64, unique=True)
    purpose = models.CharField(max_length=8, choices=[("invite", "invite"), ("reset", "reset")])
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(purpose__in=["invite", "reset"]), name="one_time_link_purpose")
        ]

    def __str__(self) -> str:
        return f"{self.purpose} of {self.person}"


class SignInFailure(models.Model):
    """A failed sign-in, counted per account and per address by every portal node alike."""

    username = models.CharField(max_length=150, db_index=True)
    address = models.CharField(max_length=45, db_index=True)
    at = models.DateTimeField(db_index=True, help_text="by the database's clock")

    def __str__(self) -> str:
        return f"{self.username} from {self.address}"
