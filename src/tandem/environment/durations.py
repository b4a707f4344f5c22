"""Durations as people write them: `90s`, `24h`."""

import re

UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
DURATION_PATTERN = "[0-9]{1,9}[smhd]"


def parse_duration(text: str) -> int | None:
    """The seconds of `24h`, or None when it is no duration."""
    return int(text[:-1]) * UNITS[text[-1]] if re.fullmatch(DURATION_PATTERN, text) else None


def duration_text(seconds: int) -> str:
    """In the largest unit that fits: `24h` is `1d`."""
    unit = next(unit for unit, length in UNITS.items() if seconds % length == 0 and (seconds or unit == "s"))
    return f"{seconds // UNITS[unit]}{unit}"
