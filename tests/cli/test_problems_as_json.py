"""With --json, a failure is one JSON document on standard output, like those of the API, and says the exit status."""

import pytest

from tandem.cli.console import Exit


def is_problem(outcome, status):
    problem = outcome.json
    assert (outcome.status, problem["exit_status"], problem["type"]) == (status, status, "about:blank")
    assert problem["title"]
    assert problem["detail"].strip()
    assert unbroken(problem["detail"]) in unbroken(outcome.stderr), "people read other words"
    return problem


def unbroken(text):
    """Without what breaks it into lines and puts a frame around them."""
    return "".join(text.replace("│", "").split())


def test_without_a_sign_in(tandem, home):
    is_problem(tandem("job", "list", "--json"), Exit.NOT_ALLOWED)


def test_what_the_portal_refuses_keeps_its_status_and_fields(tandem, signed_in):
    problem = is_problem(tandem("job", "submit", "--json", "--options=--uid=root", "/bin/true"), Exit.REFUSED)
    assert problem["status"] == 422
    assert "--uid" in problem["errors"]["additional_options"][0]


def test_what_is_not_there(tandem, signed_in):
    is_problem(tandem("job", "show", "--json", "0" * 8), Exit.NOTHING_THERE)
    assert is_problem(tandem("job", "show", "--json", "0" * 32), Exit.NOTHING_THERE)["status"] == 404


@pytest.mark.parametrize("words", [["show"], ["list", "--limit", "none"], ["list", "--no-such-option"]])
def test_a_command_that_is_not_understood(tandem, home, words):
    is_problem(tandem("job", *words, "--json"), Exit.USAGE)


def test_a_broken_environment_file(tandem, home):
    is_problem(tandem("status", "--json"), Exit.FAILED)


def test_people_get_words_alone(tandem, home):
    outcome = tandem("job", "list")
    assert (outcome.status, outcome.stdout) == (Exit.NOT_ALLOWED, "")
