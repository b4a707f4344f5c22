"""The bundle, which `make test` builds first."""

import json
import re
from pathlib import Path

import pytest
from django.test import Client

from tandem.site import bundle
from tandem.site.templatetags.tandem import STATES

FRONTEND = Path(bundle.__file__).parent / "frontend"


@pytest.fixture(scope="module")
def manifest() -> dict[str, str]:
    file = bundle.DIST / "manifest.json"
    if not file.exists():
        pytest.skip("the bundle is not built: make bundle")
    found: dict[str, str] = json.loads(file.read_text())
    return found


def test_without_a_bundle_a_page_loses_its_looks_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, db: None
) -> None:
    monkeypatch.setattr(bundle, "DIST", tmp_path)
    assert bundle.asset_url("app.css") == "/static/dist/app.css"
    assert Client().get("/sign-in", secure=True).status_code == 200


def test_files_are_named_after_their_content_and_kept_for_ever(manifest: dict[str, str]) -> None:
    for name in manifest:
        response = Client().get(bundle.asset_url(name), secure=True)
        assert response.status_code == 200
        assert "immutable" in response["Cache-Control"]
        assert response["Content-Security-Policy"]


def test_files_are_sent_compressed(manifest: dict[str, str]) -> None:
    for encoding in ("br", "gzip"):
        response = Client().get(bundle.asset_url("app.css"), secure=True, headers={"Accept-Encoding": encoding})
        assert response["Content-Encoding"] == encoding


def test_no_source_map_leaves_the_house(manifest: dict[str, str]) -> None:
    assert not list(bundle.DIST.glob("**/*.map"))
    for name in ("app.js", "early.js", "app.css"):
        assert "sourceMappingURL" not in (bundle.DIST / manifest[name]).read_text()


def test_the_bundle_loads_nothing_from_another_host(manifest: dict[str, str]) -> None:
    style = (bundle.DIST / manifest["app.css"]).read_text()
    assert not re.findall(r"url\(\s*[\"']?(?:https?:)?//", style)
    assert "@import" not in style


def test_every_state_has_its_icon_in_the_bundle(manifest: dict[str, str]) -> None:
    sprite = (bundle.DIST / manifest["icons.svg"]).read_text()
    assert not [look.icon for look in STATES.values() if f'id="{look.icon}"' not in sprite]


def test_packages_are_pinned_and_name_no_registry() -> None:
    lock = (FRONTEND / "package-lock.json").read_text()
    package = json.loads((FRONTEND / "package.json").read_text())
    versions = {**package["dependencies"], **package["devDependencies"]}.values()
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in versions)
    assert '"resolved"' not in lock
    assert "omit-lockfile-registry-resolved=true" in (FRONTEND / ".npmrc").read_text()
    assert all("integrity" in entry for name, entry in json.loads(lock)["packages"].items() if name)


def test_htmx_evaluates_nothing(db: None) -> None:
    page = Client().get("/sign-in", secure=True).content.decode()
    config = json.loads(re.findall(r"name=\"htmx-config\" content='([^']*)'", page)[0])
    assert config["allowEval"] is False
    assert config["includeIndicatorStyles"] is False
    assert config["allowScriptTags"] is False
    assert config["selfRequestsOnly"] is True
