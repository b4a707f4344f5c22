from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tandem.accounts import actions, sign_in
from tandem.accounts.models import Person, SignIn, SignInFailure
from tandem.accounts.sign_in import TRIES_PER_ACCOUNT, TRIES_PER_ADDRESS, WRONG, network_of


def words(response: Any) -> str:
    return str(response.content.decode())


def test_who_knows_the_password_gets_in(ada: Person, browser: Any) -> None:
    assert not browser.is_in()
    response = browser.sign_in("ada")
    assert (response.status_code, response["Location"]) == (302, "/")
    assert browser.is_in()


def test_the_answer_does_not_tell_whether_an_account_exists(ada: Person, chief: Person, browser: Any) -> None:
    actions.add_person("invited")
    actions.disable(actions.add_person("gone"))
    answers = {name: browser.sign_in(name, "wrong-Passw0rd") for name in ("ada", "nobody", "invited", "gone")}
    assert {response.status_code for response in answers.values()} == {200}
    assert all(WRONG in words(response) for response in answers.values())


def test_a_disabled_person_does_not_get_in_with_the_right_password(ada: Person, chief: Person, browser: Any) -> None:
    actions.disable(ada)
    assert WRONG in words(browser.sign_in("ada"))
    assert not browser.is_in()


def test_tries_at_an_account_are_limited_whatever_addresses_they_come_from(
    ada: Person, new_browser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(TRIES_PER_ACCOUNT):
        assert new_browser(f"198.51.100.{number}").sign_in("ada", "wrong").status_code == 200
    # Not even the right password is looked at now, so that a guess cannot be told from a hit.
    monkeypatch.setattr(sign_in, "authenticate", lambda *args, **kwargs: pytest.fail("the password was looked at"))
    refused = new_browser("203.0.113.9").sign_in("ada")
    assert refused.status_code == 429
    assert 0 < int(refused["Retry-After"]) <= 15 * 60 + 1
    assert "Too many tries" in words(refused)


def test_tries_from_an_address_are_limited_whatever_accounts_they_are_at(
    ada: Person, new_browser: Any, browser: Any
) -> None:
    for number in range(TRIES_PER_ADDRESS):
        assert browser.sign_in(f"name{number}", "wrong").status_code == 200
    assert browser.sign_in("ada").status_code == 429
    assert new_browser("203.0.113.9").sign_in("ada").status_code == 302


def test_a_sign_in_ends_when_it_was_said_to_however_much_it_is_used(
    ada: Person, browser: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser.sign_in("ada")
    end = SignIn.objects.get().expire_date
    later = timezone.now() + timedelta(hours=6)
    monkeypatch.setattr("django.utils.timezone.now", lambda: later)
    session = browser.session
    session["anything"] = "a page may keep a message for the next one"
    session.save()
    assert abs(SignIn.objects.get().expire_date - end) < timedelta(minutes=1)


def test_limits_pass_with_time(ada: Person, browser: Any) -> None:
    for _ in range(TRIES_PER_ACCOUNT):
        browser.sign_in("ada", "wrong")
    assert browser.sign_in("ada").status_code == 429
    SignInFailure.objects.update(at=timezone.now() - sign_in.WINDOW - timedelta(seconds=1))
    assert browser.sign_in("ada").status_code == 302


def test_tries_count_by_the_clock_that_all_nodes_share(
    ada: Person, browser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now
    for ahead in range(TRIES_PER_ACCOUNT):
        # Each on a node whose clock is another hour ahead.
        monkeypatch.setattr(timezone, "now", lambda hours=ahead: now() + timedelta(hours=hours))
        browser.sign_in("ada", "wrong")
    assert browser.sign_in("ada").status_code == 429


def test_who_keeps_trying_is_let_in_when_the_time_is_over_all_the_same(ada: Person, browser: Any) -> None:
    for _ in range(TRIES_PER_ACCOUNT):
        browser.sign_in("ada", "wrong")
    counted = SignInFailure.objects.count()
    for _ in range(3):
        assert browser.sign_in("ada").status_code == 429
    assert SignInFailure.objects.count() == counted


def test_many_tries_at_once_cannot_slip_past_the_count(
    ada: Person, browser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each try is on record before its password is looked at, so another one in flight is counted."""
    seen = []
    monkeypatch.setattr(sign_in, "authenticate", lambda *args, **kwargs: seen.append(SignInFailure.objects.count()))
    browser.sign_in("ada", "wrong")
    assert seen == [1]


def test_a_success_forgets_ones_own_slips_but_not_others_guesses(ada: Person, browser: Any, new_browser: Any) -> None:
    browser.sign_in("ada", "wrong")
    new_browser("203.0.113.9").sign_in("ada", "guess")
    browser.sign_in("ada")
    assert [failure.address for failure in SignInFailure.objects.all()] == ["203.0.113.9"]


def test_the_name_counts_however_it_is_written(ada: Person, browser: Any) -> None:
    for _ in range(TRIES_PER_ACCOUNT // 2):
        browser.sign_in("ada", "wrong")
        browser.sign_in(" ADA ", "wrong")
    assert browser.sign_in("Ada").status_code == 429


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("", ""),
    ],
)
def test_an_ipv6_customer_counts_as_one_address(address: str, counted: str) -> None:
    assert network_of(address) == counted


def test_signing_in_gives_the_session_a_new_key(ada: Person, browser: Any) -> None:
    """A key that somebody slipped into the browser before is worth nothing afterwards."""
    session = browser.session
    session["planted"] = True
    session.save()
    planted = session.session_key
    browser.cookies["__Host-session"] = planted
    browser.sign_in("ada")
    assert browser.cookies["__Host-session"].value != planted
    other = Client()
    other.cookies["__Host-session"] = planted
    assert other.get("/").status_code == 302


def test_signing_in_again_gives_a_new_key_too(ada: Person, browser: Any) -> None:
    browser.sign_in("ada")
    before = browser.cookies["__Host-session"].value
    browser.sign_in("ada")
    assert browser.cookies["__Host-session"].value != before
    other = Client()
    other.cookies["__Host-session"] = before
    assert other.get("/").status_code == 302


def test_the_session_cookie_goes_to_this_host_over_tls_only(ada: Person, browser: Any) -> None:
    cookie = browser.sign_in("ada").cookies["__Host-session"]
    assert cookie["secure"]
    assert cookie["httponly"]
    assert cookie["path"] == "/"
    assert cookie["domain"] == ""
    assert cookie["samesite"] == "Lax"
    assert cookie["max-age"] == pytest.approx(12 * 3600, abs=60)


def test_the_csrf_cookie_goes_to_this_host_over_tls_only(browser: Any, db: None) -> None:
    cookie = browser.get("/sign-in").cookies["__Host-csrf"]
    assert cookie["secure"]
    assert cookie["httponly"]
    assert cookie["path"] == "/"
    assert cookie["domain"] == ""


def test_the_form_is_refused_without_its_csrf_token(ada: Person) -> None:
    client = Client(enforce_csrf_checks=True)
    response = client.post("/sign-in", {"username": "ada", "password": "a-Good-Passw0rd!"}, secure=True)
    assert response.status_code == 403
    assert "This page was too old" in words(response)


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "https:evil"])
def test_signing_in_leads_to_this_portal_only(ada: Person, browser: Any, elsewhere: str) -> None:
    assert browser.sign_in("ada", next=elsewhere)["Location"] == "/"


def test_signing_in_leads_back_to_where_one_was_going(ada: Person, browser: Any) -> None:
    to_sign_in = browser.get("/jobs/?state=RUNNING")
    assert to_sign_in["Location"] == "/sign-in?next=/jobs/%3Fstate%3DRUNNING"
    assert browser.sign_in("ada", next="/jobs/?state=RUNNING")["Location"] == "/jobs/?state=RUNNING"


def test_signing_out_ends_the_session_in_the_database(ada: Person, browser: Any) -> None:
    browser.sign_in("ada")
    key = browser.cookies["__Host-session"].value
    browser.post("/sign-out")
    other = Client()
    other.cookies["__Host-session"] = key
    assert other.get("/").status_code == 302


def test_signing_out_takes_more_than_a_link(ada: Person, browser: Any) -> None:
    browser.sign_in("ada")
    assert browser.get("/sign-out").status_code == 405
    assert browser.is_in()


def test_a_fragment_for_nobody_moves_the_whole_page_to_the_sign_in(db: None, browser: Any) -> None:
    response = browser.get("/cluster-pills", headers={"HX-Request": "true"})
    assert (response.status_code, response["HX-Redirect"]) == (204, "/sign-in")
