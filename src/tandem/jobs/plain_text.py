"""A program's output as text that a page may show: no escape sequences, no control characters, no broken letters.

The bytes arrive in pieces. What a piece ends in the middle of (a letter, an escape sequence) is left for the next one,
so the reader of the text always knows the exact offset in the file up to which it was shown.
"""

import re

# CSI (colours, cursor), OSC (titles, links) and other strings, character sets, and the two-character ones.
ESCAPE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[PX^_][^\x1b]*\x1b\\|[ -/]+[0-~]|[0-Z\\^_`-~])"
)
UNFINISHED_ESCAPE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)\Z")
LONGEST_ESCAPE = 4096
CONTROL = {code: chr(0x2400 + code) for code in range(32) if chr(code) not in "\t\n"} | {0x7F: "␡"}
CONTROL |= dict.fromkeys(range(0x80, 0xA0), "\ufffd")
# Characters that reorder what stands around them.
CONTROL |= dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)), "\ufffd")


def whole_part(data: bytes) -> bytes:
    """As much of `data` as ends neither within a letter nor within an escape sequence nor between CR and LF."""
    unfinished = UNFINISHED_ESCAPE.search(data, max(0, len(data) - LONGEST_ESCAPE))
    if unfinished:
        data = data[: unfinished.start()]
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte & 0xC0 == 0x80:
            continue
        length = 4 if byte >= 0xF0 else 3 if byte >= 0xE0 else 2 if byte >= 0xC0 else 1
        if length > back:
            data = data[:-back]
        break
    return data[:-1] if data.endswith(b"\r") else data


def shown(data: bytes) -> str:
    """`data` as plain text. What overwrites a line on a terminal (a lone carriage return) starts a new one here."""
    text = ESCAPE.sub("", data.decode(errors="replace"))
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(CONTROL)
