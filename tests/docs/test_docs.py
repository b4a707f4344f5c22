"""What the documentation says to type can be typed, and what it links to is there."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.core import TyperGroup

from tandem.cli.main import SUB_COMMANDS
from tandem.environment import load_environment

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
WRITTEN = [page for page in PAGES if page.parent.name != "reference"]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


def commands_in(text: str) -> Iterator[list[str]]:
    """The `tandem` commands of a page's console blocks and inline code, as words."""
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        for line in re.sub(r"\\\n\s*", "", block).splitlines():
            if found := re.search(r"(?:^[#$>] +(?:.*\| *)?)((?:bin/)?tandem .*)", line):
                yield shlex.split(found[1], comments=True)[1:]
    for code in re.findall(r"`((?:bin/)?tandem [^`]*)`", text):
        yield shlex.split(code.replace("…", ""))[1:]


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
        if not target.startswith(("http:", "https:")):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", WRITTEN, ids=[str(page.relative_to(ROOT)) for page in WRITTEN])
def test_commands_exist_with_the_options_that_are_shown(page: Path) -> None:
    for words in commands_in(page.read_text()):
        if words[0].startswith("-"):
            continue
        command = SUB_COMMANDS[words[0]].load(words[0])
        rest = words[1:]
        while isinstance(command, TyperGroup) and rest:
            command = command.commands[rest.pop(0)]
        known = {name for parameter in command.params for name in parameter.opts} | {"--help"}
        # Behind `--`, and behind what is submitted, stand another program's options.
        own = rest[: rest.index("--")] if "--" in rest else rest
        if words[:2] == ["job", "submit"]:
            values = {name for p in command.params if not getattr(p, "is_flag", True) for name in p.opts}
            place = 0
            while place < len(own) and own[place].startswith("-"):
                place += 2 if own[place] in values else 1
            own = own[:place]
        for word in own:
            assert not word.startswith("-") or word in known, f"{' '.join(words)}: {word}"


def test_names_in_the_docs_are_those_of_the_default_file() -> None:
    environment = load_environment(ROOT / "tandem.yaml")
    text = "\n".join(page.read_text() for page in WRITTEN)
    assert set(re.findall(r"--cluster (cluster\w+)", text)) <= {cluster.name for cluster in environment.clusters}
    assert set(re.findall(r"zone (?:kill|cut|start) (eu-\S+)", text)) <= {zone.name for zone in environment.zones}
    assert set(re.findall(r"head-(cluster\w+)", text)) <= {cluster.name for cluster in environment.clusters}
    assert f"127.0.0.1:{environment.portal.port}" in (ROOT / "README.md").read_text()
