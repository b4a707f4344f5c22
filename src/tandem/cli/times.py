"""Moments and durations, as people say them."""

from datetime import UTC, datetime


def ago(moment: str | None) -> str:
    """How long ago an ISO 8601 moment was: `12 s ago`; empty for none."""
    if not moment:
        return ""
    return f"{duration((datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds())} ago"


def until(moment: str | None) -> str:
    """How long it is to an ISO 8601 moment: `in 3 d 4 h`; how long ago, when it is past; empty for none."""
    if not moment:
        return ""
    left = (datetime.fromisoformat(moment) - datetime.now(UTC)).total_seconds()
    return f"in {duration(left)}" if left > 0 else ago(moment)


def took(start: str | None, end: str | None) -> str:
    """The time from one ISO 8601 moment to another; empty unless both are there."""
    if not start or not end:
        return ""
    return duration((datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds())


def duration(seconds: float) -> str:
    """A duration in its two largest units at most: `3 d 4 h`, `2 min`, `9 s`."""
    left = max(0, round(seconds))
    days, left = divmod(left, 86_400)
    hours, left = divmod(left, 3_600)
    minutes, left = divmod(left, 60)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min" if minutes else f"{left} s"
