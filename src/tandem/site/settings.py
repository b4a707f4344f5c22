"""Django's settings: the same on every portal node; what differs comes from `tandem.node`."""

import os
from urllib.parse import urlsplit

import pymysql  # type: ignore[import-untyped]

from tandem.node import read_secret, this_environment, this_node
from tandem.site.logs import configure_logging

NODE = this_node()
ENVIRONMENT = this_environment()

DEBUG = False
SECRET_KEY = read_secret("django") if NODE else "a development server keeps no secrets"
PUBLIC_URL = NODE.public_url if NODE else os.environ.get("TANDEM_PUBLIC_URL", "http://localhost:8000")
PUBLIC_HOST = urlsplit(PUBLIC_URL).hostname or ""
_LOOPBACK = ["localhost", "127.0.0.1", "[::1]"]
# A balancer's health checks name the node by its address.
ALLOWED_HOSTS = [PUBLIC_HOST, *_LOOPBACK, *(NODE.portal_addresses if NODE else ["testserver"])]

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.forms",
    "django_htmx",
    "tandem.accounts",
    "tandem.clusters",
    "tandem.jobs",
    "tandem.files",
    "tandem.applications",
    "tandem.monitor",
    "tandem.operations",
    "tandem.site",
]
# Outermost first. What a balancer says of the client is settled before anything asks whether the request is secure.
MIDDLEWARE = [
    "tandem.site.middleware.ClientAddressMiddleware",
    "tandem.site.middleware.RequestLogMiddleware",
    "tandem.site.middleware.SecurityHeadersMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "tandem.site.problems.ProblemMiddleware",
    "tandem.site.uploads.BodySizeMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "tandem.accounts.middleware.SignInRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "tandem.site.urls"
WSGI_APPLICATION = "tandem.site.wsgi.application"
ASGI_APPLICATION = "tandem.site.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "tandem.site.context.frame",
            ],
            "builtins": ["tandem.site.templatetags.tandem"],
        },
    }
]
FORM_RENDERER = "tandem.site.forms.FormRenderer"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"

# Who may come in
AUTH_USER_MODEL = "accounts.Person"
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "sign-in"
# Scrypt needs memory as well as time, which is what costs those who guess; it is in Python itself.
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "tandem.accounts.passwords.PasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

SESSION_ENGINE = "tandem.accounts.sessions"
SESSION_COOKIE_AGE = (ENVIRONMENT.portal.session_hours if ENVIRONMENT else 12) * 3600
SESSION_COOKIE_NAME = "__Host-session"
SESSION_COOKIE_SECURE = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_NAME = "__Host-csrf"
CSRF_COOKIE_SECURE = True
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "tandem.site.errors.csrf_failure"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# Headers; the content security policy is in `middleware.SecurityHeadersMiddleware`.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
# A browser remembers this per host name, whatever the port: not for a loopback name, which others serve from too.
SECURE_HSTS_SECONDS = 0 if not NODE or PUBLIC_HOST in _LOOPBACK else 365 * 24 * 3600

# How much of a request is kept, whoever sends it. Larger ones are not read at all (`uploads.BodySizeMiddleware`).
FILE_UPLOAD_HANDLERS = [
    "tandem.site.uploads.BoundedUploadHandler",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]
DATA_UPLOAD_MAX_NUMBER_FILES = 4
# Of all but files: a script may have 1 MiB, and JSON makes it longer.
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024

# The bundle's names carry a hash of their content (see frontend/build.mjs), so it may be kept for ever.
STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True
# Under a development server the bundle is built anew now and then.
WHITENOISE_AUTOREFRESH = NODE is None
WHITENOISE_IMMUTABLE_FILE_TEST = r"^/static/dist/.+-[0-9A-Z]{8}\.[a-z0-9]+$"

LOGGING_CONFIG = None
configure_logging()

# Django's MySQL backend knows its driver by this name.
pymysql.install_as_MySQLdb()
DATABASES: dict[str, dict[str, object]] = {
    "default": (
        {
            "ENGINE": "tandem.site.mysql",
            "HOST": NODE.database.host,
            "PORT": NODE.database.port,
            "NAME": NODE.database.name,
            "USER": NODE.database.user,
            "PASSWORD": read_secret("database"),
            # The name is looked up for each new connection. After a failover it leads elsewhere, while an old
            # connection may go on reading from a server that nobody writes to any more: none gets old.
            "CONN_MAX_AGE": 20,
            "CONN_HEALTH_CHECKS": True,
            "OPTIONS": {
                "charset": "utf8mb4",
                "isolation_level": "read committed",
                "connect_timeout": 5,
                # A server that vanished without a word is not waited for. Nor is a client, by the server: what it had
                # locked is free again before the next one, who waits for it, gives up.
                "read_timeout": 20,
                "write_timeout": 20,
                "init_command": "SET SESSION innodb_lock_wait_timeout = 10, SESSION wait_timeout = 5",
                **({"ssl": {"ca": str(NODE.database.authorities)}} if NODE.database.authorities else {}),
            },
        }
        if NODE
        else {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ.get("TANDEM_SQLITE", ":memory:")}
    )
}
