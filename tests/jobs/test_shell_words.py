"""When an input file may not simply be put behind the options."""

import pytest
from tests.jobs.protocol.world import ENVIRONMENT

from tandem.jobs.shell_words import ends_arguments
from tandem.jobs.submission import SubmissionInvalid, check_submission


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("a # b", "#"),
        ("# b", "#"),
        ("a | tee log", "|"),
        ("a; b", ";"),
        ("a &", "&"),
        ("a > log", ">"),
        ("a < more", "<"),
        ("'a' 2>&1", ">"),
        ('"it\'s" | b', "|"),
        ("", ""),
        ("a#b --colour=#fff", ""),
        ("'# | ; & < >' \"# | ; & < >\"", ""),
        ("\\| \\# \\; a\\ #b", ""),
        ('"\\"|"', ""),
        ("'\\' | b", "|"),
    ],
)
def test_what_ends_a_programs_arguments_is_found_where_the_shell_would_find_it(line: str, found: str) -> None:
    assert ends_arguments(line) == found


def test_an_input_file_that_would_not_reach_the_program_is_refused_with_the_way_out() -> None:
    for options in ("a # b", "a | sort"):
        with pytest.raises(SubmissionInvalid) as refused:
            check_submission({"executable": "x", "options": options, "input_file": "/efs/in"}, ENVIRONMENT)
        (words,) = refused.value.errors["options"]
        assert "{input}" in words


@pytest.mark.parametrize("fields", [{"options": "a {input} # b", "input_file": "/efs/in"}, {"options": "a | sort"}])
def test_options_that_say_where_it_stands_or_need_none_are_as_free_as_in_a_terminal(fields: dict[str, str]) -> None:
    assert check_submission({"executable": "x", **fields}, ENVIRONMENT).options == fields["options"]
