"""The administrator's secret: plain text, or JSON with one value."""

import json


def password_in(text: str | None) -> tuple[str, str]:
    """The password, and what is wrong with the form of the secret (empty when nothing is). Neither shows the secret."""
    if text is None:
        return "", "the secret is binary; it must be text"
    try:
        data = json.loads(text)
    except ValueError:
        return text.rstrip("\r\n"), ""
    if not isinstance(data, dict):
        # A password of digits alone is JSON as well.
        return text.rstrip("\r\n"), ""
    if len(data) != 1:
        return "", f"the secret is JSON with {len(data)} values; it must have one"
    value = next(iter(data.values()))
    return (value, "") if isinstance(value, str) else ("", "the value in the secret's JSON is not text")
