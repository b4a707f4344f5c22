"""Bytes of a program become text of a page, piece by piece."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.jobs.plain_text import shown, whole_part


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"plain\nlines\n", "plain\nlines\n"),
        (b"\x1b[1;31mred\x1b[0m", "red"),
        (b"\x1b]0;title\x07after", "after"),
        (b"\x1b]8;;http://elsewhere\x1b\\link\x1b]8;;\x1b\\", "link"),
        (b"\x1b(Bcharset", "charset"),
        (b"10%\r20%\r\ndone", "10%\n20%\ndone"),
        (b"nul\x00bell\x07", "nul␀bell␇"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        ("\u202eevil".encode(), "\ufffdevil"),
        ("\x9b31m".encode(), "\ufffd31m"),
    ],
)
def test_nothing_but_text_reaches_the_page(raw: bytes, text: str) -> None:
    assert shown(raw) == text


@pytest.mark.parametrize(
    ("raw", "whole"),
    [
        ("né".encode()[:-1], b"n"),
        ("a😀".encode()[:-1], b"a"),
        ("é".encode(), "é".encode()),
        (b"a\x1b[1;3", b"a"),
        (b"a\x1b]0;tit", b"a"),
        (b"a\x1b", b"a"),
        (b"a\x1b[0m", b"a\x1b[0m"),
        (b"line\r", b"line"),
        (b"", b""),
    ],
)
def test_what_a_piece_ends_in_the_middle_of_is_left_for_the_next(raw: bytes, whole: bytes) -> None:
    assert whole_part(raw) == whole


def test_an_escape_that_never_ends_does_not_hold_the_output_back() -> None:
    data = b"\x1b]" + b"x" * 10_000
    assert whole_part(data) == data


@given(st.text(), st.integers(0, 50))
def test_cutting_anywhere_loses_and_doubles_nothing(text: str, cut: int) -> None:
    data = text.encode()
    first = whole_part(data[:cut])
    assert shown(first) + shown(data[len(first) :]) == shown(data)


@given(st.binary())
def test_no_control_character_is_left(data: bytes) -> None:
    assert not [character for character in shown(data) if ord(character) < 32 and character not in "\t\n"]
