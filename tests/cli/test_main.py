"""The table of sub-commands and the sub-commands themselves agree."""

import inspect

import pytest
import typer
from typer.core import TyperGroup

from tandem.cli.main import SUB_COMMANDS, app


@pytest.mark.parametrize("name", SUB_COMMANDS)
def test_the_table_leads_to_the_command_that_it_describes(name: str) -> None:
    sub = SUB_COMMANDS[name]
    command = sub.load(name)
    assert command.name == name
    assert inspect.cleandoc(command.help).partition(".")[0] == sub.help.partition(".")[0]


def test_no_two_options_of_a_command_share_a_name() -> None:
    def walk(command: object, path: str) -> None:
        if isinstance(command, TyperGroup):
            for name, inner in command.commands.items():
                walk(inner, f"{path} {name}")
        options = [name for parameter in command.params for name in parameter.opts]  # type: ignore[attr-defined]
        assert len(options) == len(set(options)), path

    walk(TyperGroup(commands={name: sub.load(name) for name, sub in SUB_COMMANDS.items()}), "tandem")


def test_help_of_a_group_offers_no_installation_of_completion() -> None:
    group = typer.main.get_command(app)
    assert not any("completion" in option for parameter in group.params for option in parameter.opts)
    assert not any("completion" in str(parameter.name) for parameter in SUB_COMMANDS["job"].load("job").params)
