import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.db.models import QuerySet
from django.test import Client

from tandem.accounts import actions
from tandem.accounts.models import Person, SignIn, Token
from tandem.accounts.sign_in import TRIES_PER_ACCOUNT

NEW = "an-Other-Passw0rd"
OLD = "a-Good-Passw0rd!"


def change(browser: Any, old: str = OLD, new: str = NEW, repeated: str = NEW) -> Any:
    return browser.post("/account/password", {"old_password": old, "new_password": new, "repeated": repeated})


def test_changing_the_password_ends_sign_ins_in_other_browsers(ada: Person, new_browser: Any) -> None:
    here, there = new_browser("192.0.2.1"), new_browser("192.0.2.2")
    here.sign_in("ada")
    there.sign_in("ada")
    key = here.cookies["__Host-session"].value
    assert change(here).status_code == 302
    assert here.is_in()
    assert not there.is_in()
    assert here.cookies["__Host-session"].value != key
    there.sign_in("ada", NEW)
    assert there.is_in()


@pytest.mark.parametrize(
    ("old", "new", "repeated", "said"),
    [
        ("wrong", NEW, NEW, "not your current password"),
        (OLD, "short", "short", "needs at least 10"),
        (OLD, NEW, NEW + "x", "not the same as above"),
    ],
)
def test_a_change_that_is_not_right_changes_nothing(
    ada: Person, browser: Any, old: str, new: str, repeated: str, said: str
) -> None:
    browser.sign_in("ada")
    response = change(browser, old, new, repeated)
    assert response.status_code == 200
    assert said in response.content.decode()
    ada.refresh_from_db()
    assert ada.check_password(OLD)


def test_guesses_at_the_current_password_are_counted_as_at_sign_in(ada: Person, browser: Any) -> None:
    browser.sign_in("ada")
    said = [change(browser, "wrong").content.decode() for _ in range(TRIES_PER_ACCOUNT + 1)]
    assert "not your current password" in said[0]
    assert "Too many tries" in said[-1]
    assert "Too many tries" in change(browser).content.decode(), "the right one is not looked at any more"
    ada.refresh_from_db()
    assert ada.check_password(OLD)


def test_no_page_shows_a_password_that_was_typed(ada: Person, browser: Any) -> None:
    browser.sign_in("ada")
    assert "Wrong-0ne-typed" not in change(browser, old="Wrong-0ne-typed").content.decode()


def test_a_token_is_shown_once(ada: Person, browser: Any) -> None:
    browser.sign_in("ada")
    page = browser.post("/account/tokens", {"name": "laptop", "days": "30"}).content.decode()
    token = Token.objects.get()
    secret = page.partition('data-copy="tandem_')[2].partition('"')[0]
    assert len(secret) > 40
    again = browser.get("/account/").content.decode()
    assert token.prefix in again
    assert secret not in again


def test_a_token_can_be_revoked_by_its_owner_only(ada: Person, bob: Person, browser: Any, new_browser: Any) -> None:
    token, _ = actions.create_token(ada, "laptop")
    other = new_browser()
    other.sign_in("bob")
    assert other.post(f"/account/tokens/{token.pk}/revoke").status_code == 404
    browser.sign_in("ada")
    assert browser.post(f"/account/tokens/{token.pk}/revoke").status_code == 302
    assert not Token.objects.usable().exists()


def test_active_sign_ins_are_listed_and_the_others_can_be_ended(ada: Person, new_browser: Any) -> None:
    here, there = new_browser("192.0.2.1"), new_browser("192.0.2.2")
    here.sign_in("ada")
    there.sign_in("ada")
    page = here.get("/account/").content.decode()
    assert "192.0.2.1" in page
    assert "192.0.2.2" in page
    assert "Firefox on Linux" in page
    here.post("/account/sign-ins/end")
    assert here.is_in()
    assert not there.is_in()


def handles(page: str) -> list[str]:
    """What the page calls the sign-ins that it lists."""
    return re.findall(r'/account/sign-ins/([0-9a-f]+)/end"', page)


def test_one_sign_in_can_be_ended_and_the_others_go_on(ada: Person, new_browser: Any) -> None:
    here, there, elsewhere = (new_browser(f"192.0.2.{number}") for number in (1, 2, 3))
    for browser in (here, there, elsewhere):
        browser.sign_in("ada")
    theirs = SignIn.objects.get(address="192.0.2.2").handle
    page = here.get("/account/").content.decode()
    assert theirs in handles(page)
    assert not any(sign_in.session_key in page for sign_in in SignIn.objects.all()), "the key is what lets a browser in"
    here.post(f"/account/sign-ins/{theirs}/end")
    assert [browser.is_in() for browser in (here, there, elsewhere)] == [True, False, True]


def test_ending_the_sign_in_of_this_browser_is_signing_out(ada: Person, browser: Any) -> None:
    browser.sign_in("ada")
    answer = browser.post(f"/account/sign-ins/{SignIn.objects.get().handle}/end")
    assert answer["Location"] == "/sign-in"
    assert not browser.is_in()


def test_nobody_ends_somebody_elses_sign_in(ada: Person, bob: Person, new_browser: Any) -> None:
    adas, bobs = new_browser("192.0.2.1"), new_browser("192.0.2.2")
    adas.sign_in("ada")
    bobs.sign_in("bob")
    bobs.post(f"/account/sign-ins/{SignIn.objects.get(person=ada).handle}/end")
    assert adas.is_in()


def test_when_a_browser_was_last_seen_is_noted_now_and_then(ada: Person, browser: Any) -> None:
    browser.sign_in("ada")
    first = SignIn.objects.get().last_seen_at
    assert first is not None
    browser.get("/account/")
    assert SignIn.objects.get().last_seen_at == first, "not with every request"
    long_ago = first - timedelta(hours=1)
    SignIn.objects.update(last_seen_at=long_ago)
    browser.get("/account/")
    assert SignIn.objects.get().last_seen_at >= first


def test_a_page_can_be_read_while_the_database_takes_no_changes(
    ada: Person, browser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser.sign_in("ada")
    SignIn.objects.update(last_seen_at=None)

    def read_only(*args: object, **kwargs: object) -> None:
        raise OperationalError(1290, "running with --read-only")

    monkeypatch.setattr(QuerySet, "update", read_only)
    assert browser.get("/account/").status_code == 200


def test_a_disabled_person_loses_access_at_once(ada: Person, chief: Person, browser: Any) -> None:
    browser.sign_in("ada")
    assert browser.is_in()
    # Even if the sign-in itself were still there: the person is looked up with each request.
    Person.objects.filter(pk=ada.pk).update(is_active=False)
    assert not browser.is_in()


def secret_for(person: Person) -> str:
    return actions.invite(person).url.partition("#")[2]


def test_a_one_time_link_leads_to_a_password_and_in(db: None, browser: Any) -> None:
    secret = secret_for(actions.add_person("new"))
    asked = browser.post("/link/use", {"secret": secret})
    assert "new" in asked.content.decode()
    assert not browser.is_in()
    done = browser.post("/link/use", {"secret": secret, "new_password": NEW, "repeated": NEW})
    assert (done.status_code, done["HX-Redirect"]) == (204, "/")
    assert browser.is_in()
    again = browser.post("/link/use", {"secret": secret})
    assert "no longer good" in again.content.decode()


def test_looking_at_a_link_does_not_use_it_up(ada: Person, browser: Any) -> None:
    """Mail programs and chats look at links before people do."""
    secret = secret_for(ada)
    for _ in range(3):
        browser.get("/link")
        assert "no longer good" not in browser.post("/link/use", {"secret": secret}).content.decode()


def test_pages_of_a_link_tell_no_other_page_where_one_came_from(ada: Person, browser: Any) -> None:
    for response in (
        browser.get("/link"),
        browser.post("/link/use", {"secret": secret_for(ada)}),
        browser.post("/link/use", {"secret": "wrong"}),
    ):
        assert response["Referrer-Policy"] == "no-referrer"


def test_a_link_ends_the_sign_ins_of_its_person(ada: Person, browser: Any, new_browser: Any) -> None:
    browser.sign_in("ada")
    elsewhere = new_browser()
    elsewhere.post("/link/use", {"secret": secret_for(ada), "new_password": NEW, "repeated": NEW})
    assert elsewhere.is_in()
    assert not browser.is_in()


def test_using_a_link_needs_the_page_it_belongs_to(ada: Person) -> None:
    client = Client(enforce_csrf_checks=True)
    response = client.post("/link/use", {"secret": secret_for(ada)}, secure=True)
    assert response.status_code == 403
