from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from tandem.accounts import actions, rights
from tandem.accounts.models import OneTimeLink, Person, SignIn, Token
from tandem.accounts.names import next_free_uid

NEW = "an-Other-Passw0rd"


def secret_of(link: actions.NewLink) -> str:
    return link.url.partition("#")[2]


def test_people_get_uids_from_2000_up(db: None) -> None:
    assert [actions.add_person(name).uid for name in ("ada", "bob", "eve")] == [2000, 2001, 2002]


def test_a_uid_is_not_given_again_after_higher_ones(db: None) -> None:
    actions.add_person("ada", uid=2500)
    assert actions.add_person("bob").uid == 2501


def test_uids_that_systems_keep_for_themselves_are_skipped() -> None:
    assert next_free_uid({1000, 59_999}) == 65_536
    assert next_free_uid({59_999, 65_536}) == 65_537


def test_an_uid_that_only_the_people_file_knows_is_taken(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "published_uids", lambda: {2000, 2007})
    assert actions.add_person("ada").uid == 2008


def test_two_people_added_at_once_get_two_uids(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    actions.add_person("ada")
    answers = iter([set(), {2000}])
    monkeypatch.setattr(actions, "_uids_in_use", lambda: next(answers))
    assert actions.add_person("bob").uid == 2001


@pytest.mark.parametrize(
    ("name", "extra", "field"),
    [
        ("root", {}, "username"),
        ("tandem-web", {}, "username"),
        ("Ada", {}, "username"),
        ("a b", {}, "username"),
        ("-rf", {}, "username"),
        ("x" * 33, {}, "username"),
        ("chief", {}, "username"),
        ("new", {"uid": 1000}, "uid"),
        ("new", {"uid": 65_534}, "uid"),
        ("new", {"uid": 2000}, "uid"),
        ("new", {"groups": ["sudo"]}, "groups"),
        ("new", {"groups": ["chief"]}, "groups"),
        ("new", {"groups": ["two words"]}, "groups"),
    ],
)
def test_nobody_is_added_who_could_be_taken_for_another(
    chief: Person, name: str, extra: dict[str, Any], field: str
) -> None:
    with pytest.raises(actions.PersonInvalid) as refused:
        actions.add_person(name, **extra)
    assert list(refused.value.errors) == [field]


def test_a_person_cannot_have_the_name_of_a_group(db: None) -> None:
    actions.add_person("ada", groups=["physics"])
    with pytest.raises(actions.PersonInvalid):
        actions.add_person("physics")


def test_a_one_time_link_is_good_once(ada: Person) -> None:
    secret = secret_of(actions.invite(ada))
    assert actions.use_link(secret, NEW) == ada
    ada.refresh_from_db()
    assert ada.check_password(NEW)
    with pytest.raises(actions.LinkNotGood):
        actions.use_link(secret, "yet-an0ther-one")


def test_of_two_that_use_a_link_at_once_one_gets_it(ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = secret_of(actions.invite(ada))
    link = actions.find_link(secret)
    actions.use_link(secret, NEW)
    monkeypatch.setattr(actions, "find_link", lambda _: link)
    with pytest.raises(actions.LinkNotGood):
        actions.use_link(secret, "yet-an0ther-one")
    ada.refresh_from_db()
    assert ada.check_password(NEW)


def test_a_link_survives_a_password_that_breaks_the_rule(ada: Person) -> None:
    secret = secret_of(actions.invite(ada))
    with pytest.raises(ValidationError):
        actions.use_link(secret, "short")
    assert actions.use_link(secret, NEW) == ada


def test_a_link_ends_after_24_hours(ada: Person) -> None:
    new = actions.reset(ada)
    good_for = new.link.expires_at - timezone.now()
    assert timedelta(hours=23, minutes=59) < good_for <= timedelta(hours=24)
    OneTimeLink.objects.update(expires_at=timezone.now())
    with pytest.raises(actions.LinkNotGood):
        actions.find_link(secret_of(new))


def test_a_new_link_takes_the_place_of_the_one_before(ada: Person) -> None:
    first, second = actions.invite(ada), actions.reset(ada)
    with pytest.raises(actions.LinkNotGood):
        actions.find_link(secret_of(first))
    assert actions.find_link(secret_of(second)).purpose == "reset"


def test_only_the_digest_of_a_link_is_kept(ada: Person) -> None:
    secret = secret_of(actions.invite(ada))
    assert len(secret) >= 40
    assert secret not in str(OneTimeLink.objects.values_list().get())


def test_the_secret_of_a_link_reaches_no_server_by_its_address(ada: Person) -> None:
    address, _, secret = actions.invite(ada).url.partition("#")
    assert address.endswith("/link")
    assert secret


def test_a_disabled_person_gets_no_link(ada: Person, chief: Person) -> None:
    actions.disable(ada)
    with pytest.raises(actions.AccountChangeRefused):
        actions.invite(ada)


def test_disabling_ends_sign_ins_tokens_and_links(ada: Person, chief: Person, browser: Any) -> None:
    browser.sign_in("ada")
    actions.create_token(ada, "laptop")
    secret = secret_of(actions.reset(ada))
    actions.disable(ada, by=chief)
    assert not SignIn.objects.filter(person=ada).exists()
    assert not Token.objects.usable().filter(person=ada).exists()
    with pytest.raises(actions.LinkNotGood):
        actions.find_link(secret)


def test_a_password_from_an_administrators_link_revokes_what_was_made_with_the_old_one(ada: Person) -> None:
    actions.create_token(ada, "laptop")
    secret = secret_of(actions.reset(ada))
    assert Token.objects.usable().filter(person=ada).exists()
    actions.use_link(secret, NEW)
    assert not Token.objects.usable().filter(person=ada).exists()


def test_tokens_outlive_a_password_that_their_owner_changes(ada: Person) -> None:
    actions.create_token(ada, "laptop")
    actions.set_password(ada, NEW)
    assert Token.objects.usable().filter(person=ada).exists()


def test_clusters_are_told_of_a_change_at_once_and_without_a_worker(
    ada: Person, chief: Person, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    told: list[list[str]] = []

    def publish() -> None:
        told.append([str(person) for person in Person.objects.enabled().order_by("username")])
        raise OSError("cannot be written here")

    monkeypatch.setattr(rights, "publish_people", publish)
    for change in (lambda: actions.disable(ada), lambda: actions.enable(ada), lambda: actions.add_person("eve")):
        with django_capture_on_commit_callbacks(execute=True):
            change()
    assert told == [["chief"], ["ada", "chief"], ["ada", "chief", "eve"]]


def test_enabling_does_not_bring_tokens_back(ada: Person, chief: Person, browser: Any) -> None:
    actions.create_token(ada, "laptop")
    actions.disable(ada)
    actions.enable(ada)
    assert not Token.objects.usable().exists()
    browser.sign_in("ada")
    assert browser.is_in()


def test_the_last_administrator_cannot_be_disabled(ada: Person, chief: Person) -> None:
    with pytest.raises(actions.AccountChangeRefused):
        actions.disable(chief)
    other = actions.add_person("other", administrator=True)
    actions.disable(chief)
    with pytest.raises(actions.AccountChangeRefused):
        actions.disable(other)


def test_only_the_digest_of_a_token_is_kept(ada: Person) -> None:
    token, secret = actions.create_token(ada, "laptop", 30)
    assert secret.startswith(token.prefix)
    assert secret not in str(Token.objects.values_list().get())
    assert len(secret) - len(token.prefix) > 35


@pytest.mark.parametrize("days", [0, -1, 367])
def test_no_token_is_good_for_ever(ada: Person, days: int) -> None:
    with pytest.raises(actions.AccountChangeRefused):
        actions.create_token(ada, "laptop", days)


def test_a_revoked_token_stays_revoked_since_the_first_time(ada: Person) -> None:
    token, _ = actions.create_token(ada, "laptop")
    actions.revoke_token(token)
    first = token.revoked_at
    actions.revoke_token(token)
    assert token.revoked_at == first


def test_what_is_past_is_forgotten_and_nothing_else(ada: Person, browser: Any) -> None:
    browser.sign_in("ada")
    SignIn.objects.create(session_key="past", session_data="", expire_date=timezone.now() - timedelta(seconds=1))
    actions.invite(ada)
    assert actions.forget_expired() == 1
    assert browser.is_in()
