"""People through the API: administrators only, links that work once."""

import pytest

from tandem.accounts.models import OneTimeLink, Person

PASSWORD = "a-Good-Passw0rd!"


def test_somebody_is_added_with_the_next_free_uid(as_administrator):
    answer = as_administrator.post("/people", {"username": "eve", "full_name": "Eve Adams", "groups": ["physics"]})
    assert answer.status_code == 201
    person = answer.json()
    assert person["uid"] >= 2000
    assert (person["username"], person["groups"], person["enabled"]) == ("eve", ["physics"], True)
    assert "eve" in [row["username"] for row in as_administrator.get("/people").json()["results"]]
    assert as_administrator.get("/people/eve").json() == person
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


def test_people_come_in_pages_by_name_and_are_searched(as_administrator):
    for number in range(5):
        Person.objects.create(username=f"p{number}", uid=3000 + number, full_name="Somebody Else")
    first = as_administrator.get("/people?page_size=4").json()
    rest = as_administrator.get(first["next"].partition("/api/v1")[2]).json()
    assert [row["username"] for row in [*first["results"], *rest["results"]]] == ["chief", "p0", "p1", "p2", "p3", "p4"]
    assert rest["next"] is None
    assert len(as_administrator.get("/people?search=somebody").json()["results"]) == 5


def test_groups_are_changed_without_touching_the_others(as_administrator, tom, is_problem):
    as_administrator.post("/people/tom/groups", {"add": ["physics", "cfd"]})
    changed = as_administrator.post("/people/tom/groups", {"add": ["chemistry"], "remove": ["physics"]})
    assert changed.json()["groups"] == ["cfd", "chemistry"]
    assert "groups" in is_problem(as_administrator.post("/people/tom/groups", {"add": ["sudo"]}), 422)["errors"]


def test_an_administrator_is_made_and_unmade_but_never_by_themselves(as_administrator, tom, is_problem):
    is_problem(as_administrator.post("/people/chief/demote"), 409)
    assert as_administrator.post("/people/tom/promote").json()["administrator"] is True
    is_problem(as_administrator.post("/people/chief/demote"), 409)
    is_problem(as_administrator.post("/people/chief/disable"), 409)
    assert as_administrator.post("/people/tom/demote").json()["administrator"] is False


@pytest.mark.parametrize("verb", ["invite", "reset", "disable", "enable", "promote", "demote"])
def test_nobody_of_that_name_is_a_404_that_says_so(verb, as_administrator, is_problem):
    assert is_problem(as_administrator.post(f"/people/ghost/{verb}"), 404)["detail"] == "There is nobody called ghost."
