"""The pages for looking after people."""

import re
from typing import Any

import pytest

from tandem.accounts import actions
from tandem.accounts.models import OneTimeLink, Person


@pytest.fixture
def pages(chief: Person, browser: Any) -> Any:
    """An administrator's browser."""
    browser.sign_in("chief")
    return browser


def text(response: Any) -> str:
    return str(response.content.decode())


def listed(response: Any) -> list[str]:
    """The names in the list."""
    return re.findall(r'href="/people/([^"/]+)/"', text(response))


def test_the_list_is_searched_and_narrowed(pages: Any, ada: Person) -> None:
    actions.add_person("eve", full_name="Eve Adams", email="eve@example.org", groups=["physics"])
    actions.add_person("gus", groups=["physics-two"])
    actions.disable(actions.add_person("zoe"))
    assert listed(pages.get("/people/")) == ["ada", "chief", "eve", "gus", "zoe"]
    assert listed(pages.get("/people/?search=LOVELACE")) == ["ada"]
    assert listed(pages.get("/people/?search=example.org")) == ["eve"]
    assert listed(pages.get("/people/?state=disabled")) == ["zoe"]
    assert listed(pages.get("/people/?state=administrator")) == ["chief"]
    assert listed(pages.get("/people/?state=new&search=e")) == ["ada", "eve", "zoe"]
    assert listed(pages.get("/people/?group=physics")) == ["eve"]
    assert "Nobody found" in text(pages.get("/people/?search=nonesuch"))


def test_the_list_comes_in_pages(pages: Any) -> None:
    for number in range(60):
        Person.objects.create(username=f"p{number:03}", uid=3000 + number)
    first = pages.get("/people/")
    following = re.search(r'href="(/people/\?cursor=[^"]+)"', text(first))
    assert following
    Person.objects.create(username="a-late-one", uid=4000)
    names = [*listed(first), *listed(pages.get(following[1]))]
    assert names == ["chief", *(f"p{number:03}" for number in range(60))]


def test_somebody_is_added_and_invited_with_a_link_that_is_shown_once(pages: Any, new_browser: Any) -> None:
    form = {"username": "eve", "full_name": "Eve Adams", "groups": "physics, cfd", "email": "", "uid": ""}
    assert pages.post("/people/add", form)["Location"] == "/people/eve/"
    eve = Person.objects.get(username="eve")
    assert (eve.groups, eve.full_name, eve.is_administrator) == (["physics", "cfd"], "Eve Adams", False)
    shown = text(pages.post("/people/eve/invite"))
    secret = re.search(r'data-copy="[^"#]+/link#([^"]+)"', shown)
    assert secret
    assert secret[1] not in text(pages.get("/people/eve/"))
    assert "A link to choose a first password is open" in text(pages.get("/people/eve/"))
    hers = new_browser("192.0.2.9")
    hers.post("/link/use", {"secret": secret[1], "new_password": "an-Other-Passw0rd", "repeated": "an-Other-Passw0rd"})
    assert hers.is_in()


@pytest.mark.parametrize(
    ("field", "typed", "said"),
    [
        ("username", "root", "belongs to the system"),
        ("username", "ada", "exists already"),
        ("username", "", "required"),
        ("full_name", "a:b", "text without colon"),
        ("email", "nowhere", "valid email"),
        ("groups", "physics, sudo", "sudo belongs to the system"),
        ("uid", "12", "greater than or equal to 2000"),
    ],
)
def test_what_the_clusters_could_not_take_is_told_beside_its_field(
    pages: Any, ada: Person, field: str, typed: str, said: str
) -> None:
    before = Person.objects.count()
    response = pages.post("/people/add", {"username": "eve", "full_name": "kept", field: typed})
    assert said in str(response.context["form"].errors[field])
    assert Person.objects.count() == before
    if field != "full_name":
        assert 'value="kept"' in text(response), "what was typed stays"


def test_somebody_is_disabled_and_enabled(pages: Any, ada: Person) -> None:
    pages.post("/people/ada/disable")
    assert not Person.objects.get(pk=ada.pk).is_active
    page = text(pages.get("/people/ada/"))
    assert "is disabled. Jobs go on" in page
    assert "/people/ada/enable" in page
    assert "/people/ada/reset" not in page
    pages.post("/people/ada/enable")
    assert Person.objects.get(pk=ada.pk).is_active


def test_a_refusal_is_told_and_nothing_is_changed(pages: Any, chief: Person) -> None:
    for verb in ("disable", "demote"):
        pages.post(f"/people/chief/{verb}")
        assert "Nothing was changed: chief is the only administrator left." in text(pages.get("/people/chief/"))
    chief.refresh_from_db()
    assert (chief.is_active, chief.is_administrator) == (True, True)


def test_a_disabled_person_gets_no_link(pages: Any, ada: Person) -> None:
    actions.disable(ada)
    pages.post("/people/ada/reset")
    assert "No link was made: ada is disabled" in text(pages.get("/people/ada/"))
    assert not OneTimeLink.objects.exists()


def test_groups_are_added_and_taken_away(pages: Any, ada: Person) -> None:
    pages.post("/people/ada/groups", {"add": "physics cfd"})
    pages.post("/people/ada/groups", {"remove": "physics"})
    assert Person.objects.get(pk=ada.pk).groups == ["cfd"]
    refused = pages.post("/people/ada/groups", {"add": "sudo"})
    assert "sudo belongs to the system" in text(refused)
    assert Person.objects.get(pk=ada.pk).groups == ["cfd"]


def test_ones_own_page_offers_nothing_that_shuts_oneself_out(pages: Any) -> None:
    page = text(pages.get("/people/chief/"))
    assert "another administrator decides" in page
    for verb in ("disable", "demote"):
        assert f"/people/chief/{verb}" not in page


def test_names_that_people_chose_are_only_text(pages: Any) -> None:
    Person.objects.create(username="eve", uid=2500, full_name="<script>alert(1)</script>")
    for address in ("/people/", "/people/eve/"):
        assert "<script>alert" not in text(pages.get(address))
