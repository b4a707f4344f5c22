"""Options of sbatch: exactly spelt ones pass, everything else is refused by name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.clusters.options import ALLOWED, SHORT, SHORT_WHY_NOT, WHY_NOT, OptionRefused, check_options


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("--nodes=2", ["--nodes=2"]),
        ("--nodes 2 --mem=3G", ["--nodes=2", "--mem=3G"]),
        ("-N 2 -n4", ["--nodes=2", "--ntasks=4"]),
        ("--exclusive --exclusive=user", ["--exclusive", "--exclusive=user"]),
        ("--nice=-5", ["--nice=-5"]),
        ("--constraint='a b' -J \"it's\"", ["--constraint=a b", "--job-name=it's"]),
        ("--time=1:00:00 # an hour", ["--time=1:00:00"]),
        ("--mail-user=a@b.c", ["--mail-user=a@b.c"]),
    ],
)
def test_each_option_becomes_one_word(text: str, words: list[str]) -> None:
    assert check_options(text) == words


@pytest.mark.parametrize(
    "option",
    [
        "--comm=x",
        "--commen=x",
        "--wck=x",
        "--wckey=x",
        "--comment=x",
        "--node=2",
        "--requeue",
        "--no-requeue",
        "--export=ALL",
        "--get-user-env",
        "--chdir=/",
        "-D/",
        "--output=x",
        "-ox",
        "--error=x",
        "--uid=0",
        "--gid=0",
        "--wrap=id",
        "--parsable",
        "--clusters=x",
        "-Mx",
        "--dependency=afterok:1",
        "--array=1-5",
        "--partition=x",
        "--hold",
        "-H",
        "--hetjob",
        "--ignore-pbs",
        "--bb=x",
        "--bcast",
        "--container=x",
        "--test-only",
        "--help",
        "-V",
        "-Q",
        "--prefer=x",
        "--propagate",
    ],
)
def test_what_is_not_on_the_list_is_refused_by_name(option: str) -> None:
    with pytest.raises(OptionRefused) as caught:
        check_options(f"--nodes=1 {option}")
    name = option[:2] if option[1] != "-" else option.partition("=")[0]
    assert caught.value.option == name
    assert str(caught.value).startswith(f"{name}: ")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("script.sh", "is not an option"),
        (":", "is not an option"),
        ("-- --nodes=1", "is not an option"),
        ("-", "is not an option"),
        ("--exclusive user", "is not an option"),
        ("--nodes", "needs a value"),
        ("--nodes=", "needs a value"),
        ("--nodes ''", "needs a value"),
        ("-N", "needs a value"),
        ("-n --mem=3", "looks like an option"),
        ("--contiguous=yes", "takes no value"),
        ("-sx", "takes no value"),
        ("--mem=1\x07", "control character"),
        ("--job-name='a\nb'", "control character"),
        ("--job-name='a\u2028b'", "control character"),
        ("--job-name=" + "x" * 2000, "more than"),
        ("'--nodes=1", "quote"),
        ("--mem=1\\", "backslash"),
    ],
)
def test_what_is_wrong_is_said(text: str, why: str) -> None:
    with pytest.raises(OptionRefused, match=why):
        check_options(text)


def test_no_name_is_both_allowed_and_refused() -> None:
    assert not set(ALLOWED) & set(WHY_NOT)
    assert not set(SHORT) & set(SHORT_WHY_NOT)
    assert set(SHORT.values()) <= set(ALLOWED)
    assert set(SHORT_WHY_NOT.values()) <= set(WHY_NOT)


@given(st.text(max_size=60))
def test_whatever_passes_is_words_of_allowed_options_alone(text: str) -> None:
    try:
        words = check_options(text)
    except OptionRefused:
        return
    for word in words:
        name, _, value = word.removeprefix("--").partition("=")
        assert word.startswith("--")
        assert name in ALLOWED
        assert value.isprintable()
