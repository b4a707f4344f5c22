"""Pages of long lists."""

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import BadRequest
from django.utils import timezone

from tandem.accounts.models import Person
from tandem.lists import Filter, Toolbar, cursor_at, page_of


@pytest.fixture
def people(db: None) -> list[Person]:
    """Made at three moments, several at each."""
    now = timezone.now()
    made = [Person.objects.create(username=f"person{number:02}", uid=3000 + number) for number in range(10)]
    for number, person in enumerate(made):
        Person.objects.filter(pk=person.pk).update(created_at=now - timedelta(seconds=number // 4))
    return made


@pytest.mark.parametrize("order", [("-created_at", "-id"), ("created_at", "id"), ("username",), ("-username",)])
def test_pages_neither_skip_nor_repeat_a_row(people: list[Person], order: tuple[str, ...]) -> None:
    rows = Person.objects.order_by(*order)
    seen: list[Person] = []
    cursor = ""
    while True:
        page = page_of(rows, cursor, size=3)
        seen += page.rows
        if not page.next:
            break
        cursor = page.next
    assert seen == list(rows)


def test_what_comes_and_goes_moves_no_page(people: list[Person]) -> None:
    rows = Person.objects.order_by("-created_at", "-id")
    expected = list(rows)
    first = page_of(rows, size=4)
    Person.objects.create(username="newest", uid=5000)
    first.rows[-1].delete()
    assert page_of(rows, first.next, size=4).rows == expected[4:8]


def test_the_last_page_leads_no_further(people: list[Person]) -> None:
    rows = Person.objects.order_by("-id")
    assert page_of(rows, size=10).next == ""
    assert page_of(rows, cursor_at(rows, list(rows)[-1]), size=10).rows == []


@pytest.mark.parametrize("cursor", ["nonsense", "e30", "W10", "WyJ4Il0", "W1s", "é", "A" * 5000, "WyIxIiwiMiIsIjMiXQ"])
def test_a_cursor_that_was_never_given_is_refused(cursor: str, people: list[Person]) -> None:
    with pytest.raises(BadRequest):
        page_of(Person.objects.order_by("-created_at", "-id"), cursor)


@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-11-22T15:00:00", "2026-11-22", "\ud800"]
)
def test_so_is_one_with_a_time_that_no_row_has(moment: str, people: list[Person]) -> None:
    cursor = base64.urlsafe_b64encode(json.dumps([moment, "1"]).encode()).decode()
    with pytest.raises(BadRequest):
        list(page_of(Person.objects.order_by("-created_at", "-id"), cursor).rows)


def test_a_value_that_nobody_offers_can_still_be_seen_and_taken_away(rf: Any) -> None:
    typed = Filter("cluster", "Cluster", value="cluster9", choices=[("cluster1", "cluster1")])
    assert ("cluster9", "cluster9") in typed.options
    assert typed.word == "cluster9"
    assert Toolbar([typed]).is_narrowing
    assert not Toolbar([Filter("cluster", "Cluster")], search="").is_narrowing
