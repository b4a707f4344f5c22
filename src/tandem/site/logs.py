"""Logs: one JSON object a line on stderr, with the request's id in each, and never a secret."""

import logging
import logging.config
import re
from collections.abc import MutableMapping
from typing import Any

import structlog

# Names of fields whose values never belong in a log, and secrets that announce themselves inside a text.
_SECRET_NAMES = re.compile(r"passw|secret|token|authorization|cookie|csrf|private", re.IGNORECASE)
_SECRET_TEXTS = re.compile(r"(\btandem_|\bBearer\s+|\b__Host-\w+=)[\w.~+/=-]{8,}", re.IGNORECASE)
_HIDDEN = "[hidden]"


def hide_secrets(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: hide values by the name of their field and by their look."""
    for name, value in event.items():
        if _SECRET_NAMES.search(name):
            event[name] = _HIDDEN
        elif isinstance(value, str):
            event[name] = _SECRET_TEXTS.sub(rf"\1{_HIDDEN}", value)
    return event


def _without_request(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Django's loggers attach the request object, which is not for a log."""
    for name in ("request", "server_time"):
        event.pop(name, None)
    return event


def configure_logging() -> None:
    """Send structlog's and the standard library's logs the same way."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _without_request,
        hide_secrets,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *(processor for processor in shared if not isinstance(processor, structlog.stdlib.ExtraAdder)),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "json": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "foreign_pre_chain": shared,
                    "processors": [
                        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                        structlog.processors.JSONRenderer(),
                    ],
                }
            },
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
            "root": {"handlers": ["stderr"], "level": "INFO"},
            "loggers": {
                # Our own line per request says more (see RequestLogMiddleware).
                "django.request": {"level": "ERROR"},
                "django.server": {"level": "ERROR"},
                "asyncssh": {"level": "WARNING"},
                "httpx": {"level": "WARNING"},
            },
        }
    )
