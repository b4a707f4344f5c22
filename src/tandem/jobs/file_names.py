"""Names of files as text. The kernel's names are bytes, which need not be UTF-8; addresses and JSON hold text only.

A byte that belongs to no UTF-8 character stands as a character of its own, U+EF80 to U+EFFF, which nobody gave a
meaning. Each name has one such text and each text one name: what was listed can be asked for.
"""

import re

# Python's own stand-ins for such bytes are no characters: neither UTF-8 nor every reader of JSON takes them.
_OURS = range(0xEF80, 0xF000)
_PYTHONS = range(0xDC80, 0xDD00)
_TO_OURS = dict(zip(_PYTHONS, _OURS, strict=True))
_TO_PYTHONS = dict(zip(_OURS, _PYTHONS, strict=True))
_MEANINGLESS = re.compile("[\uef80-\uefff]")


def text_of(name: bytes) -> str:
    """The text of a name."""
    text = name.decode("utf-8", "surrogateescape")
    # A name that has such a character in it is told byte by byte, or two names would have the same text.
    text = _MEANINGLESS.sub(lambda found: found[0].encode().decode("ascii", "surrogateescape"), text)
    return text.translate(_TO_OURS)


def name_of(text: str) -> bytes:
    """The name that has this text."""
    return text.translate(_TO_PYTHONS).encode("utf-8", "surrogateescape")


def readable(text: str) -> str:
    """For people to read: what is no character looks like none."""
    return _MEANINGLESS.sub("\N{REPLACEMENT CHARACTER}", text)
