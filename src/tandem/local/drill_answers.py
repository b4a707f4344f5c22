"""Losing the answers of a zone's OpenSSH server: what was asked for is carried out, and nobody hears of it.

What a connection says is dropped, acknowledgements are not, so that requests go on coming in. A connection that has
lost something never speaks again: its answers would only be late otherwise, as TCP repeats them.
"""

import re

from tandem.local.layout import ZoneLayout
from tandem.local.network import NetworkError, run_inside
from tandem.local.processes import require_init

_TABLE = "table inet drill"
_LOST = "0x7a"
_SILENT = f"""
  ct mark {_LOST} tcp flags & psh == psh counter drop"""
_LOSING = f"""
  tcp sport 22 tcp flags & psh == psh ct mark set {_LOST} counter drop"""


class AnswersDrill:
    """The answers of one zone. Methods raise NotRunningError."""

    def __init__(self, environment: str, zone: ZoneLayout) -> None:
        self._environment = environment
        self._zone = zone

    def lose(self) -> None:
        """From now on answers are lost."""
        self._load(_SILENT + _LOSING)

    def heal(self) -> None:
        """New connections are heard again."""
        self._load(_SILENT)

    def lost(self) -> int:
        """How many packets were lost since `lose`."""
        try:
            text = run_inside(require_init(self._environment, self._zone.name), "nft", "list", *_TABLE.split())
        except NetworkError:
            return 0
        return sum(int(number) for number in re.findall(r"counter packets (\d+)", text))

    def _load(self, rules: str) -> None:
        init = require_init(self._environment, self._zone.name)
        chain = f"chain output {{ type filter hook output priority 10; policy accept;{rules}\n }}"
        run_inside(init, "nft", "-f", "-", data=f"{_TABLE}\ndelete {_TABLE}\n{_TABLE} {{\n{chain}\n}}\n")
