"""Each name of a file has one text, and each text one name."""

import json

from hypothesis import given
from hypothesis import strategies as st

from tandem.jobs.file_names import name_of, readable, text_of

# Bytes of which some are the characters that stand for bytes.
NAMES = st.lists(st.binary(max_size=8) | st.sampled_from([b"\xee\xbe\x80", b"\xee\xbf\xbf", "é".encode()])).map(
    b"".join
)


@given(NAMES)
def test_a_name_comes_back_from_its_text(name: bytes) -> None:
    text = text_of(name)
    assert name_of(text) == name
    # It can travel: in addresses, in JSON, and it is text for whoever reads it.
    assert text.encode().decode() == text
    assert json.loads(json.dumps(text)) == text


@given(st.text())
def test_ordinary_text_is_its_own_name(text: str) -> None:
    if text == readable(text):
        assert text_of(text.encode()) == text


def test_people_see_that_something_is_not_a_character() -> None:
    assert readable(text_of(b"caf\xe9")) == "caf\ufffd"
