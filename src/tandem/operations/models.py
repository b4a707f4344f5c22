"""Leases: which worker does what. They save duplicate work; nothing is wrong if two workers hold one."""

from django.db import models


class Lease(models.Model):
    """Held by one worker until `expires_at`, by the database's clock."""

    name = models.CharField(max_length=80, primary_key=True)
    holder = models.CharField(max_length=120)
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name}: {self.holder}"
