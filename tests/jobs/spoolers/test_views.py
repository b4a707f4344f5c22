"""Pages of spoolers: who sees which, what they say, and what can be done there."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tandem.accounts.models import Person
from tandem.jobs.models import Job, JobState, Spooler
from tandem.jobs.spoolers.actions import rename_spooler

pytestmark = pytest.mark.django_db


@pytest.fixture
def adas(ada: Person, signed_in: Callable[[Person], Client]) -> Client:
    return signed_in(ada)


def text(client: Client, address: str, **headers: str) -> str:
    response = client.get(address, headers=headers)
    assert response.status_code == 200
    return response.content.decode()


def test_the_list_shows_ones_own_newest_first(
    ada: Person, bob: Person, adas: Client, over: Callable[..., Spooler]
) -> None:
    over(ada, "alpha")
    over(ada, "beta")
    over(bob, "gamma")
    page = text(adas, "/spoolers/")
    assert page.index(">beta<") < page.index(">alpha<")
    assert "gamma" not in page


def test_an_administrator_sees_everybodys(
    bob: Person, chief: Person, signed_in: Callable[..., Client], over: Callable[..., Spooler]
) -> None:
    over(bob, "a study")
    page = text(signed_in(chief), "/spoolers/")
    assert "a study" in page
    assert "bob" in page


def test_an_empty_list_says_what_belongs_there(adas: Client) -> None:
    page = text(adas, "/spoolers/")
    assert "No spoolers yet" in page
    assert "Pick an application" in page
    assert "No spooler found" in text(adas, "/spoolers/?search=x")


def test_a_list_of_nothing_but_removed_ones_leads_to_them(
    ada: Person, adas: Client, over: Callable[..., Spooler]
) -> None:
    over(ada, "gone", removed_at=timezone.now())
    page = text(adas, "/spoolers/")
    assert "No files are left" in page
    assert 'href="/spoolers/?files=removed"' in page
    assert 'id="filter-files"' in page


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("search=mesh", {"mesh study"}),
        ("search=WIND", {"tunnel"}),
        ("state=RUNNING", {"tunnel"}),
        ("state=ENDED", {"mesh study", "kept one"}),
        ("state=ENDED&search=st", {"mesh study"}),
        ("cluster=cluster2&queue=long", {"tunnel"}),
        ("project=Wind", {"tunnel"}),
        ("files=kept", {"kept one"}),
        ("files=soon", {"mesh study"}),
        ("files=removed", {"gone"}),
        ("since=2999-01-01", set()),
        ("", {"mesh study", "tunnel", "kept one"}),
    ],
)
def test_the_list_can_be_narrowed(
    query: str,
    found: set[str],
    ada: Person,
    adas: Client,
    over: Callable[..., Spooler],
    make_job: Callable[..., Job],
) -> None:
    over(ada, "mesh study", expires_at=timezone.now() + timedelta(days=2))
    over(ada, "kept one", kept=True)
    over(ada, "gone", removed_at=timezone.now())
    make_job(ada, "tunnel", state=JobState.RUNNING, project="Wind", cluster="cluster2", queue="long")
    page = text(adas, f"/spoolers/?{query}")
    rows = page[page.index('id="list"') :]
    names = {"mesh study", "tunnel", "kept one", "gone"}
    assert {name for name in names if f'title="{name}">{name}</a>' in rows} == found


@pytest.mark.parametrize("few", [0, 1000])
@pytest.mark.parametrize(
    ("query", "found"),
    [("search=MESH", {"mesh study"}), ("search=finer", {"finer study"}), ("search=tunnel", {"finer study"})],
)
def test_a_spooler_is_found_by_its_own_name_and_by_its_jobs(
    few: int,
    query: str,
    found: set[str],
    ada: Person,
    bob: Person,
    adas: Client,
    over: Callable[..., Spooler],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However many jobs are found."""
    monkeypatch.setattr("tandem.jobs.spoolers.listing.FEW", few)
    over(ada, "mesh study")
    over(bob, "mesh tunnel")
    rename_spooler(over(ada, "tunnel"), ada, "Finer study")
    page = text(adas, f"/spoolers/?{query}").casefold()
    assert {name for name in ("mesh study", "finer study", "mesh tunnel") if f">{name}</a>" in page} == found


@pytest.mark.parametrize("query", ["state=NONE", "cursor=x", "files=y", "since=z"])
def test_a_list_that_cannot_be_is_refused(query: str, adas: Client) -> None:
    assert adas.get(f"/spoolers/?{query}").status_code == 400


def test_pages_follow_each_other(
    ada: Person, adas: Client, over: Callable[..., Spooler], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(60):
        over(ada, f"study {number:02}")
    page = text(adas, "/spoolers/")
    assert "study 59" in page
    assert "study 05" not in page
    cursor = page.split("cursor=")[1].split('"')[0]
    behind = text(adas, f"/spoolers/?cursor={cursor}")
    assert "study 09" in behind
    assert "study 10" not in behind


def test_a_row_comes_again_as_it_is_now(ada: Person, bob: Person, adas: Client, over: Callable[..., Spooler]) -> None:
    mine, other = over(ada, "mine"), over(bob, "theirs")
    ids = "&".join(f"id={spooler.jobs.get().pk}" for spooler in (mine, other))
    page = text(adas, f"/spoolers/rows?{ids}")
    assert f'id="row-{mine.pk}"' in page
    assert "hx-swap-oob" in page
    assert "theirs" not in page
    assert adas.get("/spoolers/rows?id=x").status_code == 400


@pytest.mark.parametrize("address", ["", "status", "rename", "expiry", "delete"])
def test_somebody_elses_is_like_one_that_does_not_exist(
    address: str, bob: Person, adas: Client, over: Callable[..., Spooler]
) -> None:
    path = f"/spoolers/{over(bob).pk}/{address}"
    response = adas.get(path) if address in ("", "status") else adas.post(path, {"name": "x", "days": "ever"})
    assert response.status_code == 404


@pytest.mark.parametrize("address", ["rename", "expiry", "delete"])
def test_looking_changes_nothing(address: str, ada: Person, adas: Client, over: Callable[..., Spooler]) -> None:
    assert adas.get(f"/spoolers/{over(ada).pk}/{address}").status_code == 405


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"kept": True}, "kept"),
        ({"expires_at": timezone.now() + timedelta(hours=5)}, "These files expire"),
        ({"expires_at": timezone.now() - timedelta(hours=5)}, "as soon as a cluster answers"),
        ({"expires_at": timezone.now(), "delete_wanted_at": timezone.now()}, "to be deleted"),
        (
            {"expires_at": timezone.now() - timedelta(hours=1), "remove_problem": "cluster1: rm: no <b>"},
            "could not be removed: cluster1: rm: no &lt;b&gt;.",
        ),
        ({"removed_at": timezone.now()}, "These files are gone"),
    ],
    ids=["kept", "soon", "expired", "deleting", "failing", "gone"],
)
def test_the_page_says_what_becomes_of_the_files(
    fields: dict[str, Any], said: str, ada: Person, adas: Client, over: Callable[..., Spooler]
) -> None:
    assert said in text(adas, f"/spoolers/{over(ada, **fields).pk}/")


def test_what_is_gone_offers_nothing_to_do(ada: Person, adas: Client, over: Callable[..., Spooler]) -> None:
    page = text(adas, f"/spoolers/{over(ada, removed_at=timezone.now()).pk}/")
    assert "Download all" not in page
    assert 'id="delete-spooler"' not in page
    assert "job-files" not in page


def test_deleting_is_offered_to_the_owner_when_nothing_runs(
    ada: Person,
    chief: Person,
    adas: Client,
    signed_in: Callable[..., Client],
    over: Callable[..., Spooler],
    make_job: Callable[..., Job],
) -> None:
    button = 'id="delete-spooler"'
    ended, running = over(ada).pk, make_job(ada, state=JobState.RUNNING).spooler_id
    assert button in text(adas, f"/spoolers/{ended}/")
    assert button not in text(adas, f"/spoolers/{running}/")
    assert button not in text(signed_in(chief), f"/spoolers/{ended}/")


def test_renaming_keeping_deleting(ada: Person, adas: Client, over: Callable[..., Spooler]) -> None:
    spooler = over(ada, expires_at=timezone.now() + timedelta(days=1))
    at = f"/spoolers/{spooler.pk}/"
    assert "Renamed" in adas.post(f"{at}rename", {"name": "finer"}, follow=True).content.decode()
    assert "kept for 30 days" in adas.post(f"{at}expiry", {"days": "30"}, follow=True).content.decode()
    assert "later than that" in adas.post(f"{at}expiry", {"days": "7"}, follow=True).content.decode()
    assert "for ever" in adas.post(f"{at}expiry", {"days": "ever"}, follow=True).content.decode()
    assert adas.post(f"{at}expiry", {"days": "5"}).status_code == 400
    assert "Nothing was done" in adas.post(f"{at}rename", {"name": " "}, follow=True).content.decode()
    assert "being deleted" in adas.post(f"{at}delete", follow=True).content.decode()
    spooler.refresh_from_db()
    assert spooler.name == "finer"
    assert spooler.delete_wanted_at is not None


def test_a_page_that_shows_all_of_it_already_is_left_alone(
    ada: Person, adas: Client, over: Callable[..., Spooler]
) -> None:
    spooler = over(ada, expires_at=timezone.now() + timedelta(days=3))
    at = f"/spoolers/{spooler.pk}/"
    seen = text(adas, at).split("seen=")[1].split('"')[0]
    assert adas.get(f"{at}status?seen={seen}").status_code == 204
    Job.objects.update(state=JobState.FAILED)
    changed = text(adas, f"{at}status?seen={seen}")
    assert "Failed" in changed
    assert 'id="spooler-jobs" data-live hx-swap-oob="true"' in changed


def test_the_jobs_page_says_that_its_files_are_gone(
    ada: Person, adas: Client, over: Callable[..., Spooler], fake_door: Any
) -> None:
    spooler = over(ada, removed_at=timezone.now())
    job = spooler.jobs.get()
    page = text(adas, f"/jobs/{job.pk}/")
    assert "The files of this job were removed on" in page
    assert "output-text" not in page
    assert "The files of this job were removed on" in text(adas, f"/jobs/{job.pk}/files")
    assert not fake_door.asked


def test_what_is_to_come_is_not_called_past(ada: Person, adas: Client, over: Callable[..., Spooler]) -> None:
    later = timezone.now() + timedelta(days=6, hours=20)
    spooler = over(ada, expires_at=later)
    soon = over(ada, expires_at=timezone.now() + timedelta(minutes=90))
    expected = 'data-ago="any">in 7 d</time>'
    assert "expires <time " in text(adas, "/spoolers/")
    assert expected in text(adas, "/spoolers/")
    assert expected in text(adas, f"/spoolers/{spooler.pk}/")
    assert 'data-ago="any">in 2 h</time>.' in text(adas, f"/spoolers/{soon.pk}/")


def test_the_files_leave_an_open_page_when_they_are_removed(
    ada: Person, adas: Client, over: Callable[..., Spooler]
) -> None:
    spooler = over(ada)
    emptied = '<div id="spooler-files" hx-swap-oob="true" hidden></div>'
    assert emptied not in text(adas, f"/spoolers/{spooler.pk}/status")
    Spooler.objects.update(removed_at=timezone.now())
    assert emptied in text(adas, f"/spoolers/{spooler.pk}/status")


def test_an_administrator_is_told_whose_the_files_are(
    bob: Person, chief: Person, signed_in: Callable[..., Client], over: Callable[..., Spooler]
) -> None:
    address = f"/spoolers/{over(bob).pk}/"
    words = "Only bob can read and delete these files"
    assert words in text(signed_in(chief), address)
    assert words not in text(signed_in(bob), address)
    assert 'id="delete-spooler"' not in text(signed_in(chief), address)


def test_a_page_is_told_of_its_own_job_alone(ada: Person, adas: Client, over: Callable[..., Spooler]) -> None:
    found = over(ada)
    assert f'sse-connect="/streams/events?job={found.jobs.get().pk}&amp;since=' in text(adas, f"/spoolers/{found.pk}/")
