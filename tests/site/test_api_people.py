"""People through the API: administrators only, links that work once."""

import pytest

from tandem.accounts.models import OneTimeLink, Person

PASSWORD = "a-Good-Passw0rd!"

EVERY_CALL = [
    ("GET", "/people", None),
    ("POST", "/people", {"username": "eve"}),
    ("POST", "/people/tom/invite", None),
    ("POST", "/people/tom/reset", None),
    ("POST", "/people/tom/disable", None),
    ("POST", "/people/tom/enable", None),
]


@pytest.mark.parametrize(("method", "path", "body"), EVERY_CALL)
def test_people_are_for_administrators_alone(nobody, as_mia, tom, is_problem, method, path, body):
    is_problem(nobody(method, path, body), 401)
    is_problem(as_mia(method, path, body), 403)
    assert not Person.objects.filter(username="eve").exists()
    assert not OneTimeLink.objects.exists()
    assert Person.objects.get(username="tom").is_active


def test_somebody_is_added_with_the_next_free_uid(as_administrator):
    answer = as_administrator.post("/people", {"username": "eve", "full_name": "Eve Adams", "groups": ["physics"]})
    assert answer.status_code == 201
    person = answer.json()
    assert person["uid"] >= 2000
    assert (person["username"], person["groups"], person["enabled"]) == ("eve", ["physics"], True)
    assert "eve" in [row["username"] for row in as_administrator.get("/people").json()]
    assert not Person.objects.get(username="eve").has_usable_password()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("username", "root"),
        ("username", "Eve Adams"),
        ("username", "x" * 40),
        ("uid", 12),
        ("full_name", "Eve:0:0\nroot"),
        ("email", "nowhere"),
        ("groups", ["tandem-web"]),
    ],
)
def test_what_the_clusters_could_not_take_is_refused_by_field(as_administrator, is_problem, field, value):
    problem = is_problem(as_administrator.post("/people", {"username": "eve", field: value}), 422)
    assert field in problem["errors"]
    assert not Person.objects.filter(username="eve").exists()


def test_a_link_is_shown_once_and_only_its_hash_is_kept(as_administrator, tom):
    for verb in ("invite", "reset"):
        link = as_administrator.post("/people/tom/" + verb).json()
        secret = link["link"].rsplit("#", 1)[-1]
        assert len(secret) > 40
        assert secret not in str(list(OneTimeLink.objects.values()))


def test_disabling_lets_somebody_in_no_more_until_enabled(as_administrator, as_tom, nobody, is_problem):
    assert as_administrator.post("/people/tom/disable").json()["enabled"] is False
    is_problem(as_tom.get("/clusters"), 401)
    is_problem(nobody.post("/tokens", {"username": "tom", "password": PASSWORD}), 401)
    is_problem(as_administrator.post("/people/tom/invite"), 409)
    assert as_administrator.post("/people/tom/enable").json()["enabled"] is True
    assert nobody.post("/tokens", {"username": "tom", "password": PASSWORD}).status_code == 201


def test_the_last_administrator_cannot_lock_everybody_out(as_administrator, root, is_problem):
    is_problem(as_administrator.post(f"/people/{root.username}/disable"), 409)


@pytest.mark.parametrize("verb", ["invite", "reset", "disable", "enable"])
def test_nobody_of_that_name_is_a_404_that_says_so(verb, as_administrator, is_problem):
    assert is_problem(as_administrator.post(f"/people/ghost/{verb}"), 404)["detail"] == "There is nobody called ghost."
