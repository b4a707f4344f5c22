"""The search of the top bar."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tandem.accounts.models import Person
from tandem.clusters.models import Cluster
from tandem.jobs.models import Job, Spooler


def job(owner: Person, name: str) -> Job:
    spooler = Spooler.objects.create(owner=owner, name=f"spooler of {name}")
    return Job.objects.create(
        owner=owner, spooler=spooler, name=name, application="", submission={}, state_since=timezone.now()
    )


def found(person: Person, words: str, **headers: str) -> str:
    browser = Client(headers=headers)
    browser.force_login(person)
    answer: Any = browser.get("/search", {"q": words}, secure=True)
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_what_is_called_so_is_found_whatever_it_is(mia: Person) -> None:
    mine = job(mia, "Flying wing")
    Cluster.objects.create(name="wing1", zone="zone-a")
    shown = found(mia, "WING")
    assert f"/jobs/{mine.pk}/" in shown
    assert f"/spoolers/{mine.spooler_id}/" in shown
    assert "/clusters/wing1/" in shown
    assert "/applications/job-submission/" in found(mia, "submission")
    assert f"/jobs/{mine.pk}/" in found(mia, str(mine.pk)[:8])


@pytest.mark.parametrize("words", ["secret", "tom"])
def test_nobody_finds_what_is_not_theirs(mia: Person, tom: Person, root: Person, words: str) -> None:
    job(tom, "secret")
    shown = found(mia, words).partition('id="search-hits"')[2]
    assert "/jobs/" not in shown
    assert "/people/" not in shown
    assert ("/jobs/" if words == "secret" else "/people/tom/") in found(root, words).partition('id="search-hits"')[2]


def test_pages_of_administrators_are_theirs_alone(mia: Person, root: Person) -> None:
    assert 'href="/status/"' not in found(mia, "status").partition('id="search-hits"')[2]
    assert 'href="/status/"' in found(root, "status").partition('id="search-hits"')[2]


def test_of_many_a_few_are_shown_with_the_way_to_the_others(mia: Person) -> None:
    for number in range(7):
        job(mia, f"sweep {number}")
    shown = found(mia, "sweep")
    assert shown.count("sweep 6</span>") == 2  # the job, and its spooler
    assert ">sweep 1<" not in shown
    assert 'href="/jobs/?search=sweep"' in shown
    assert 'href="/spoolers/?search=sweep"' in shown


def test_the_top_bar_asks_for_what_is_found_alone(mia: Person) -> None:
    job(mia, "wing")
    shown = found(mia, "wing", **{"HX-Request": "true"})
    assert "wing" in shown
    assert "<html" not in shown


@pytest.mark.parametrize("words", ["", "w", "\0", "x" * 5000, "<script>alert(1)</script>"])
def test_any_words_are_answered_with_a_page(mia: Person, words: str) -> None:
    shown = found(mia, words)
    assert "<script>alert" not in shown
    assert ("Type two characters or more" in shown) == (len(words) < 2)


def test_a_search_costs_the_same_queries_however_much_is_found(
    root: Person, mia: Person, tom: Person, django_assert_max_num_queries: Any
) -> None:
    for number in range(12):
        job(mia if number % 2 else tom, f"sweep {number}")
    browser = Client()
    browser.force_login(root)
    with django_assert_max_num_queries(15):
        browser.get("/search", {"q": "sweep"}, secure=True)
