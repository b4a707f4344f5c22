"""Tags for every template, without `{% load %}`: icons, the bundle's files, state badges, times, things to copy."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django import template
from django.template.loader_tags import BLOCK_CONTEXT_KEY
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from tandem.rules import FINAL_STATES
from tandem.site.bundle import asset_url

register = template.Library()


@dataclass(frozen=True, slots=True)
class Look:
    """How a state is shown: word, icon and colour together, never colour alone."""

    word: str
    icon: str
    style: str


STATES = {
    "ACCEPTED": Look("Accepted", icon="inbox", style="accepted"),
    "PENDING": Look("Pending", icon="hourglass", style="pending"),
    "RUNNING": Look("Running", icon="player-play", style="running"),
    "SUSPENDED": Look("Suspended", icon="player-pause", style="pending"),
    "COMPLETED": Look("Completed", icon="check", style="completed"),
    "FAILED": Look("Failed", icon="x", style="failed"),
    "TIMEOUT": Look("Timed out", icon="clock-x", style="failed"),
    "CANCELLED": Look("Cancelled", icon="ban", style="cancelled"),
    "UNKNOWN": Look("Unknown", icon="question-mark", style="unknown"),
}
CANCELLING = Look("Cancelling", icon="ban", style="cancelled")


@register.simple_tag
def asset(name: str) -> str:
    """The address of a file of the bundle: `{% asset "app.css" %}`."""
    return asset_url(name)


@register.simple_tag(takes_context=True)
def repeat_block(context: template.Context, name: str) -> str:
    """A block of this page once more: Django lets a template define one only once. The heading repeats the title."""
    block = context.render_context[BLOCK_CONTEXT_KEY].get_block(name)
    rendered: str = block.render(context)
    return rendered


@register.simple_tag
def icon(name: str, style: str = "") -> SafeString:
    """One of Tabler's outline icons: `{% icon "download" %}`. The bundle holds those that some template names."""
    return format_html(
        '<svg class="icon {}" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>',
        style,
        asset_url("icons.svg"),
        name,
    )


@register.simple_tag
def state_badge(job: Any) -> SafeString:
    """A job's state (or a task's, or just the state's name), the same wherever it is shown."""
    state = str(getattr(job, "state", job))
    look = STATES[state]
    if state not in FINAL_STATES and getattr(job, "cancel_wanted_at", None):
        look = CANCELLING
    scheduler_state = getattr(job, "scheduler_state", "")
    since = getattr(job, "last_seen_at", None)
    return format_html(
        '<span class="badge state state-{}"{}>{}{}{}</span>',
        look.style,
        format_html(' title="{}"', f"The scheduler says {scheduler_state}") if scheduler_state else "",
        icon(look.icon),
        look.word,
        format_html('<span class="state-age"> · seen {}</span>', ago(since)) if since else "",
    )


@register.simple_tag(takes_context=True)
def without(context: template.Context, *names: str) -> str:
    """This page's query without some of its fields: `{% without filter.name "cursor" %}`."""
    query = context["request"].GET.copy()
    for name in names:
        query.pop(name, None)
    return f"?{query.urlencode()}" if query else ""


# What is not a job's state but said in the same way: icon, word and colour.
CONDITIONS = {
    "UP": Look("up", icon="check", style="completed"),
    "SUSPECT": Look("no answer", icon="alert-triangle", style="pending"),
    "DOWN": Look("down", icon="x", style="failed"),
    "RECOVERING": Look("recovering", icon="rotate", style="pending"),
    "closed": Look("closed", icon="lock", style="pending"),
    # A node's.
    "idle": Look("idle", icon="circle", style="completed"),
    "busy": Look("busy", icon="player-play", style="running"),
    "starting": Look("starting", icon="rotate", style="pending"),
    "stopping": Look("stopping", icon="rotate", style="accepted"),
    "off": Look("off", icon="power", style="accepted"),
    "draining": Look("draining", icon="player-pause", style="pending"),
    "drained": Look("drained", icon="ban", style="cancelled"),
    "no answer": Look("no answer", icon="alert-triangle", style="failed"),
    "down": Look("down", icon="x", style="failed"),
    "unknown": Look("unknown", icon="question-mark", style="unknown"),
    # A person's.
    "enabled": Look("enabled", icon="check", style="completed"),
    "disabled": Look("disabled", icon="ban", style="cancelled"),
    "held": Look("held", icon="check", style="completed"),
    "free": Look("nobody's", icon="x", style="failed"),
    "writable": Look("writable", icon="check", style="completed"),
    "read-only": Look("read-only", icon="lock", style="failed"),
}


@register.simple_tag
def condition(word: str) -> SafeString:
    """How a part of the environment is doing, as a badge."""
    look = CONDITIONS[str(word)]
    return format_html('<span class="badge state state-{}">{}{}</span>', look.style, icon(look.icon), look.word)


def in_words(seconds: float) -> str:
    """A time span from now, as short as it can be said. `frontend/src/ago.ts` says the same."""
    if seconds < 0:
        return "in " + _span(-seconds, math.ceil)
    if seconds < 1:
        return "now"
    return _span(seconds) + " ago"


def _span(seconds: float, whole: Callable[[float], int] = math.floor) -> str:
    """What is past is rounded down and what is to come is rounded up: 30 days from a moment ago are 30 days."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{whole(seconds / size)} {unit}"
    return f"{max(1, whole(seconds))} s"


@register.simple_tag
def ago(moment: datetime | None) -> SafeString:
    """When something happened, relative to now; it keeps counting in the page, exact on hover.

    Never ahead of now: where the clock that took the time is ahead of this one, it has just happened.
    """
    return _time(moment, "past")


@register.simple_tag
def until(moment: datetime | None) -> SafeString:
    """The same for when something is over, which may be ahead."""
    return _time(moment, "any")


def _time(moment: datetime | None, which: str) -> SafeString:
    if moment is None:
        return format_html('<span class="text-secondary">{}</span>', "–")
    utc = moment.astimezone(UTC)
    seconds = (timezone.now() - moment).total_seconds()
    return format_html(
        '<time datetime="{}" title="{}" data-ago="{}">{}</time>',
        utc.isoformat(),
        f"{utc:%Y-%m-%d %H:%M:%S} UTC",
        which,
        in_words(max(seconds, 0) if which == "past" else seconds),
    )


@register.filter
def code_words(text: str) -> SafeString:
    """A text of the code, in which words between backticks are code, for a page."""
    words, *rest = str(text).split("`")
    # Code and words take turns; a last backtick that is not closed is one.
    pairs = [(code, after) for code, after in zip(rest[::2], rest[1::2], strict=False)]
    left = format_html("`{}", rest[-1]) if len(rest) % 2 else ""
    return format_html("{}{}{}", words, format_html_join("", "<code>{}</code>{}", pairs), left)


@register.simple_tag
def copyable(text: object, length: int = 48) -> SafeString:
    """A path, an id or a command, with a button to copy all of it; a long one is cut in the middle, whole on hover."""
    whole = str(text)
    half = (length - 1) // 2
    shown = whole if len(whole) <= length else f"{whole[:half]}…{whole[-half:]}"
    return format_html(
        '<span class="copyable"><code title="{}">{}</code><button type="button" class="copy" data-copy="{}" '
        'aria-label="Copy {}" title="Copy">{}{}</button></span>',
        whole,
        shown,
        whole,
        shown,
        icon("copy", "copy-icon"),
        icon("check", "copied-icon"),
    )


@register.filter
def grouped(number: int) -> str:
    """65000 as 65,000."""
    return f"{number:,}"


@register.filter
def mebibytes(number: int) -> str:
    """So many MiB, as people say it."""
    return f"{number / 1024:.1f} GiB" if number >= 1024 else f"{number} MiB"


@register.filter
def amount(number: int) -> str:
    """So many bytes, as people say it; `amount.ts` says it in the same way."""
    if number < 1024:
        return "1 byte" if number == 1 else f"{number} bytes"
    for unit, size in (("KiB", 1 << 10), ("MiB", 1 << 20)):
        if number < size << 10:
            return f"{number / size:.1f} {unit}"
    return f"{number / (1 << 30):.1f} GiB"


@register.filter
def time_limit(seconds: int | None) -> str:
    """How long a job may run: `2 d 12 h`, `30 min`; without a limit, that."""
    if seconds is None:
        return "none"
    sizes = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
    words = []
    for size, unit in sizes:
        if seconds >= size:
            words.append(f"{seconds // size} {unit}")
            seconds %= size
    return " ".join(words[:2]) or "0 s"


# Each browser claims to be those below it as well.
_BROWSERS = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


@register.filter
def browser_name(agent: str) -> str:
    """A browser's name out of what it says of itself, as far as people need it to recognise their own."""
    browser = next((name for mark, name in _BROWSERS if mark in agent), agent[:40] or "unknown")
    system = next((name for mark, name in _SYSTEMS if mark in agent), "")
    return f"{browser} on {system}" if system and browser != agent[:40] else browser
