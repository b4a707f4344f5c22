"""What a person is told of their work while they look elsewhere."""

import re
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tandem.accounts.models import Person
from tandem.jobs.models import Event, Job, Spooler
from tandem.jobs.notifications import LOOKED_AT, SHOWN


@pytest.fixture
def mia(db: None) -> Person:
    return Person.objects.create(username="mia", uid=2001)


@pytest.fixture
def browser(mia: Person) -> Client:
    client = Client()
    client.force_login(mia)
    return client


def job(owner: Person, name: str) -> Job:
    spooler = Spooler.objects.create(owner=owner, name=name)
    return Job.objects.create(
        owner=owner, spooler=spooler, name=name, application="", submission={}, state_since=timezone.now()
    )


def tell(of: Job, kind: str = "job.state", **data: Any) -> Event:
    return Event.objects.create(owner=of.owner, job=of, kind=kind, data=data)


def bell(browser: Client) -> str:
    """The number on the bell; empty while there is none."""
    shown = browser.get("/cluster-pills", secure=True).content.decode()
    found = re.search(r'id="bell-count"[^>]*?( hidden)?>([^<]*)<', shown)
    assert found
    return "" if found[1] else found[2]


def opened(browser: Client) -> str:
    answer = browser.post("/notifications", secure=True)
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_a_job_that_ended_is_told_until_it_was_looked_at(browser: Client, mia: Person) -> None:
    assert bell(browser) == ""
    wing = job(mia, "wing")
    tell(wing, state="RUNNING")
    assert bell(browser) == ""
    tell(wing, state="FAILED")
    assert bell(browser) == "1"
    assert bell(browser) == "1", "that the number was shown is not that the news was"
    shown = opened(browser)
    assert f"/jobs/{wing.pk}/" in shown
    assert "Failed" in shown
    assert "notification-new" in shown
    assert bell(browser) == ""
    again = opened(browser)
    assert "wing" in again
    assert "notification-new" not in again


def test_files_that_expire_soon_lead_to_their_spooler(browser: Client, mia: Person) -> None:
    wing = job(mia, "wing")
    tell(wing, "spooler.expiring")
    assert bell(browser) == "1"
    assert f"/spoolers/{wing.spooler_id}/" in opened(browser)


def test_nobody_is_told_of_others_work(browser: Client, mia: Person) -> None:
    tell(job(Person.objects.create(username="tom", uid=2002, is_administrator=True), "secret"), state="COMPLETED")
    assert bell(browser) == ""
    assert "secret" not in opened(browser)
    Person.objects.update(is_administrator=True)
    assert "secret" not in opened(browser), "an administrator is told of their own"


def test_much_news_is_a_short_list_and_a_short_number(
    browser: Client, mia: Person, django_assert_max_num_queries: Any
) -> None:
    for number in range(SHOWN + 5):
        tell(job(mia, f"sweep {number}"), state="COMPLETED")
    assert bell(browser) == "9+"
    with django_assert_max_num_queries(5):
        shown = opened(browser)
    assert shown.count("notification-new") == SHOWN
    assert f"sweep {SHOWN + 4}<" in shown
    assert "sweep 0<" not in shown
    assert bell(browser) == "", "what is not listed is no news any more either"


def test_an_end_is_told_however_many_jobs_were_submitted_before_it(browser: Client, mia: Person) -> None:
    sweep = job(mia, "sweep")
    Event.objects.bulk_create(
        Event(owner=mia, job=sweep, kind="job.state", data={"state": "PENDING"}) for _ in range(LOOKED_AT)
    )
    tell(sweep, state="COMPLETED")
    assert bell(browser) == "1"


def test_what_is_news_in_two_browsers_at_once_is_looked_at_once(mia: Person, browser: Client) -> None:
    tell(job(mia, "wing"), state="COMPLETED")
    other = Client()
    other.force_login(mia)
    opened(other)
    assert bell(browser) == ""
