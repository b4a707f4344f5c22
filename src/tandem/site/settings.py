"""Django's settings: the same on every portal node; what differs comes from `tandem.node`."""

import os
from pathlib import Path

from tandem.node import read_secret, this_node

HERE = Path(__file__).parent
NODE = this_node()

DEBUG = False
SECRET_KEY = read_secret("django") if NODE else "a development server keeps no secrets"
ALLOWED_HOSTS = ["*"] if NODE else ["localhost", "127.0.0.1", "testserver"]

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "tandem.accounts",
    "tandem.clusters",
    "tandem.jobs",
    "tandem.applications",
    "tandem.operations",
    "tandem.site",
]
AUTH_USER_MODEL = "accounts.Person"
ROOT_URLCONF = "tandem.site.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"

DATABASES: dict[str, dict[str, object]] = {
    "default": (
        {
            "ENGINE": "django.db.backends.mysql",
            "HOST": NODE.database.host,
            "PORT": NODE.database.port,
            "NAME": NODE.database.name,
            "USER": NODE.database.user,
            "PASSWORD": read_secret("database"),
            "CONN_MAX_AGE": None,
            "CONN_HEALTH_CHECKS": True,
            "OPTIONS": {"charset": "utf8mb4", "isolation_level": "read committed", "connect_timeout": 5},
        }
        if NODE
        else {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ.get("TANDEM_SQLITE", ":memory:")}
    )
}
