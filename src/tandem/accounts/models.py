"""People, and what lets them in: passwords, one-time links, API tokens."""

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models


class Person(AbstractBaseUser):
    """Somebody of the environment: the same name and uid on every cluster."""

    username = models.CharField(max_length=32, unique=True)
    uid = models.PositiveIntegerField(unique=True)
    full_name = models.CharField(max_length=120, blank=True)
    email = models.EmailField(blank=True)
    groups = models.JSONField(default=list, help_text="names of the groups on the clusters")
    is_administrator = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    USERNAME_FIELD = "username"
    REQUIRED_FIELDS = ["uid"]
    objects = BaseUserManager["Person"]()

    def __str__(self) -> str:
        return self.username


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

    def __str__(self) -> str:
        return f"{self.prefix}… of {self.person}"


class OneTimeLink(models.Model):
    """An invitation or a reset: good once, for 24 hours. Only the SHA-256 of its secret is kept."""

    person = models.ForeignKey(Person, models.CASCADE)
    digest = models.CharField(max_length=64, unique=True)
    purpose = models.CharField(max_length=8, choices=[("invite", "invite"), ("reset", "reset")])
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.purpose} of {self.person}"


class SignInFailure(models.Model):
    """A failed sign-in, counted per account and per address by every portal node alike."""

    username = models.CharField(max_length=150, db_index=True)
    address = models.CharField(max_length=45, db_index=True)
    at = models.DateTimeField(auto_now_add=True, db_index=True)

    def __str__(self) -> str:
        return f"{self.username} from {self.address}"
