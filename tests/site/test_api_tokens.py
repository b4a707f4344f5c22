"""Tokens: who gets one, who may use it, and what is kept of it."""

import hashlib
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from tandem.accounts import actions
from tandem.accounts.models import Token
from tandem.accounts.sign_in import TRIES_PER_ACCOUNT

PASSWORD = "a-Good-Passw0rd!"


def test_name_and_password_buy_a_token_that_opens_the_api(nobody, mia, as_person):
    answer = nobody.post("/tokens", {"username": "mia", "password": PASSWORD, "name": "laptop", "days": 7})
    assert answer.status_code == 201
    secret = answer.json()["secret"]
    assert answer.json()["token"]["name"] == "laptop"
    assert secret.startswith(answer.json()["token"]["prefix"])
    assert type(nobody)(secret).get("/tokens").json()[0]["name"] == "laptop"


def test_only_a_hash_of_a_token_is_kept(mia):
    token, secret = actions.create_token(mia, "laptop")
    row = Token.objects.filter(pk=token.pk).values().get()
    assert row["digest"] == hashlib.sha256(secret.encode()).hexdigest()
    assert not any(secret in str(value) for value in row.values())


def test_a_wrong_password_buys_nothing_and_does_not_tell_whether_the_account_exists(nobody, mia, is_problem):
    wrong = is_problem(nobody.post("/tokens", {"username": "mia", "password": "wrong"}), 401)
    unknown = is_problem(nobody.post("/tokens", {"username": "nobody", "password": "wrong"}), 401)
    assert wrong == unknown
    assert not Token.objects.exists()


def test_too_many_wrong_passwords_are_throttled_with_the_time_to_wait(nobody, mia, is_problem):
    for _ in range(TRIES_PER_ACCOUNT):
        is_problem(nobody.post("/tokens", {"username": "mia", "password": "wrong"}), 401)
    throttled = nobody.post("/tokens", {"username": "mia", "password": PASSWORD})
    is_problem(throttled, 429)
    assert 0 < int(throttled["Retry-After"]) <= 15 * 60 + 1


def test_neither_nobody_nor_a_token_makes_a_token(nobody, as_mia, is_problem):
    is_problem(nobody.post("/tokens", {"name": "x"}), 401)
    is_problem(as_mia.post("/tokens", {"name": "x"}), 401)


def test_a_session_makes_a_token_only_with_its_csrf_token(mia, is_problem):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(mia)

    def create(**headers):
        return browser.post(
            "/api/v1/tokens", {"name": "x"}, content_type="application/json", secure=True, headers=headers
        )

    is_problem(create(), 403)
    page = browser.get("/account", secure=True)
    secret = page.context["csrf_token"]
    assert create(**{"X-CSRFToken": str(secret), "Referer": "https://testserver/"}).status_code == 201


def test_a_session_reads_without_csrf(mia):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(mia)
    assert browser.get("/api/v1/tokens", secure=True).json() == []


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Bearer nonsense", "Basic bWlhOng=", "tandem_x"])
def test_what_is_no_token_is_refused_and_told_how_to_sign_in(nobody, is_problem, header):
    refused = nobody.get("/tokens", Authorization=header)
    is_problem(refused, 401)
    assert refused["WWW-Authenticate"].startswith("Bearer")


def test_a_bad_token_is_refused_even_beside_a_good_session(mia, is_problem):
    browser = Client()
    browser.force_login(mia)
    is_problem(browser.get("/api/v1/tokens", secure=True, headers={"Authorization": "Bearer nonsense"}), 401)


def test_expired_revoked_and_disabled_peoples_tokens_are_refused(mia, as_person, is_problem):
    for spoil in (
        lambda: Token.objects.update(expires_at=timezone.now() - timedelta(seconds=1)),
        lambda: Token.objects.update(revoked_at=timezone.now()),
        lambda: type(mia).objects.filter(pk=mia.pk).update(is_active=False),
    ):
        api = as_person(mia)
        assert api.get("/tokens").status_code == 200
        spoil()
        is_problem(api.get("/tokens"), 401)
        Token.objects.all().delete()


def test_disabling_somebody_ends_their_tokens_for_good(mia, as_mia, is_problem):
    actions.disable(mia)
    is_problem(as_mia.get("/tokens"), 401)
    actions.enable(mia)
    is_problem(as_mia.get("/tokens"), 401)


def test_ones_own_tokens_are_listed_and_revoked_and_nobody_elses(as_mia, as_tom, as_administrator, mia, is_problem):
    (token,) = as_mia.get("/tokens").json()
    for other in (as_tom, as_administrator):
        assert token["id"] not in [row["id"] for row in other.get("/tokens").json()]
        is_problem(other.delete(f"/tokens/{token['id']}"), 404)
    assert as_mia.delete(f"/tokens/{token['id']}").status_code == 204
    is_problem(as_mia.get("/tokens"), 401)


def test_the_last_use_is_recorded_at_most_once_a_minute(mia, as_mia, django_assert_num_queries):
    as_mia.get("/clusters")
    token = Token.objects.get(person=mia)
    assert token.last_used_at is not None
    with django_assert_num_queries(2):
        as_mia.get("/clusters")
    Token.objects.update(last_used_at=timezone.now() - timedelta(minutes=2))
    as_mia.get("/clusters")
    assert timezone.now() - Token.objects.get().last_used_at < timedelta(minutes=1)


@pytest.mark.parametrize("days", [0, 367, -1, "x"])
def test_a_token_lasts_a_day_to_a_year(nobody, mia, is_problem, days):
    problem = is_problem(nobody.post("/tokens", {"username": "mia", "password": PASSWORD, "days": days}), 422)
    assert list(problem["errors"]) == ["days"]
