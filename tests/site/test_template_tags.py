from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.template import Context, Template
from django.utils import timezone

from tandem.jobs.models import JobState
from tandem.site.templatetags import tandem as tags


def rendered(template: str, **values: Any) -> str:
    return Template(template).render(Context(values))


@pytest.mark.parametrize("state", JobState.values)
def test_a_state_is_shown_with_word_icon_and_colour(state: str) -> None:
    badge = rendered("{% state_badge job %}", job=state)
    look = tags.STATES[state]
    assert look.word in badge
    assert f"#{look.icon}" in badge
    assert f"state-{look.style}" in badge


def test_no_two_states_look_alike() -> None:
    assert len({(look.word, look.icon) for look in tags.STATES.values()}) == len(JobState)


def test_a_job_to_be_cancelled_is_cancelling_until_it_has_ended() -> None:
    job = SimpleNamespace(state="RUNNING", cancel_wanted_at=timezone.now(), scheduler_state="")
    assert "Cancelling" in rendered("{% state_badge job %}", job=job)
    job.state = "COMPLETED"
    assert "Completed" in rendered("{% state_badge job %}", job=job)


def test_unknown_shows_its_age() -> None:
    seen = timezone.now() - timedelta(minutes=5)
    job = SimpleNamespace(state="UNKNOWN", last_seen_at=seen, scheduler_state="RUNNING")
    badge = rendered("{% state_badge job %}", job=job)
    assert "5 min ago" in badge
    assert "The scheduler says RUNNING" in badge


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "now"),
        (2, "2 s ago"),
        (59.9, "59 s ago"),
        (60, "1 min ago"),
        (3 * 3600 + 59 * 60, "3 h ago"),
        (86400 * 2.9, "2 d ago"),
        (-0.2, "in 1 s"),
        (-86400 * 29.999, "in 30 d"),
    ],
)
def test_times_are_told_as_people_tell_them(seconds: float, words: str) -> None:
    assert tags.in_words(seconds) == words


def test_a_time_is_exact_on_hover() -> None:
    moment = timezone.datetime(2026, 3, 1, 12, 30, 5, tzinfo=tags.UTC)  # type: ignore[attr-defined]
    shown = rendered("{% ago moment %}", moment=moment)
    assert 'title="2026-03-01 12:30:05 UTC"' in shown
    assert 'datetime="2026-03-01T12:30:05+00:00"' in shown
    assert rendered("{% ago moment %}", moment=None).count("–") == 1


def test_what_happened_is_never_ahead_whatever_the_clocks_say() -> None:
    moment = timezone.now() + timedelta(seconds=5)
    assert ">now<" in rendered("{% ago moment %}", moment=moment)
    assert 'data-ago="past"' in rendered("{% ago moment %}", moment=moment)
    assert ">in 5 s<" in rendered("{% until moment %}", moment=moment)
    assert 'data-ago="any"' in rendered("{% until moment %}", moment=moment)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("no code", "no code"),
        ("ask `GET /x` for `a < b`.", "ask <code>GET /x</code> for <code>a &lt; b</code>."),
        ("`first`", "<code>first</code>"),
        ("an open ` one", "an open ` one"),
        ("<b> `<i>`", "&lt;b&gt; <code>&lt;i&gt;</code>"),
    ],
)
def test_backticks_in_texts_of_the_code_become_code(text: str, shown: str) -> None:
    assert rendered("{{ text|code_words }}", text=text) == shown


def test_a_long_path_is_cut_in_the_middle_and_copied_whole() -> None:
    path = "/efs/spoolers/ada/" + "x" * 80 + "/output"
    shown = rendered("{% copyable path %}", path=path)
    assert f'data-copy="{path}"' in shown
    assert f'title="{path}"' in shown
    assert "…" in shown
    assert f">{path}<" not in shown


@pytest.mark.parametrize(
    "tag", ["{% copyable evil %}", "{{ evil|code_words }}", "{% icon evil %}", "{{ evil|browser_name }}"]
)
def test_nothing_of_a_user_becomes_markup(tag: str) -> None:
    assert "<script" not in rendered(tag, evil='"><script>alert(1)</script>')


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Windows"),
        ("Mozilla/5.0 (Linux; Android 15) Chrome/140.0 Mobile Safari/537.36", "Chrome on Android"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/18.0 Safari/605.1.15", "Safari on macOS"),
        ("curl/8.0", "curl/8.0"),
        ("", "unknown"),
    ],
)
def test_people_recognise_their_browsers(agent: str, name: str) -> None:
    assert tags.browser_name(agent) == name


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (1023, "1023 bytes"),
        (1024, "1.0 KiB"),
        (70_000, "68.4 KiB"),
        (5 << 20, "5.0 MiB"),
        (3 << 40, "3072.0 GiB"),
    ],
)
def test_an_amount_is_said_in_the_units_of_the_field(number: int, words: str) -> None:
    assert tags.amount(number) == words
