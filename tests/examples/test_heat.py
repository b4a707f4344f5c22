"""The heat example solves its equation on any number of ranks, and says what is wrong with a bad input file."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "examples" / "heat"


@pytest.fixture(scope="session")
def heat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, compiled as the tutorial does it."""
    build = tmp_path_factory.mktemp("heat")
    shutil.copytree(SOURCE, build, dirs_exist_ok=True)
    made = subprocess.run(
        ["make", "CFLAGS=-O2 -Wall -Wextra -Werror -std=c99"], cwd=build, capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr
    return build / "heat"


def run(heat: Path, directory: Path, ranks: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run on so many ranks in `directory`, also where there are fewer processors and as root."""
    environment = os.environ | {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    return subprocess.run(
        ["mpirun", "--oversubscribe", "-n", str(ranks), str(heat), *arguments],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )


def result_of(directory: Path) -> dict[str, str]:
    lines = (directory / "heat.result").read_text().splitlines()
    return {key: value for key, _, value in (line.partition(" = ") for line in lines)}


def test_the_error_is_as_expected_on_any_number_of_ranks(heat: Path, tmp_path: Path) -> None:
    errors = []
    for ranks in (1, 4):
        directory = tmp_path / str(ranks)
        directory.mkdir()
        done = run(heat, directory, ranks, str(SOURCE / "heat.in"))
        assert done.returncode == 0, done.stderr
        assert len(re.findall(r"^step \d+ of 1000", done.stdout, re.MULTILINE)) == 10
        result = result_of(directory)
        assert (result["ranks"], result["as_expected"]) == (str(ranks), "yes")
        assert float(result["error"]) == pytest.approx(float(result["error_expected"]), rel=1e-6)
        errors.append(result["error"])
        field = [line.split() for line in (directory / "heat.field").read_text().splitlines()[1:]]
        assert len(field) == 64 * 64
        assert max(abs(float(row[4])) for row in field) == pytest.approx(float(result["error"]), rel=1e-3)
        assert all(abs(float(u) - float(exact) - float(gap)) < 1e-7 for _, _, u, exact, gap in field)
    assert errors[0] == errors[1]


def test_rows_that_do_not_divide_evenly_are_shared_out_all_the_same(heat: Path, tmp_path: Path) -> None:
    text = (SOURCE / "heat.in").read_text().replace("ny = 64 ", "ny = 7 ").replace("nx = 64 ", "nx = 33 ")
    (tmp_path / "odd.in").write_text(text)
    assert run(heat, tmp_path, 3, "odd.in").returncode == 0
    assert result_of(tmp_path)["grid"] == "33 x 7"


BAD = {
    "unknown key": ("nx =", "nz =", "unknown key 'nz'"),
    "missing key": ("nx = 64 ", "#", "the key nx is missing"),
    "no number": ("nx = 64 ", "nx = many ", "nx = many, expected a whole number from 1"),
    "fraction": ("nx = 64 ", "nx = 1.5 ", "nx = 1.5, expected a whole number"),
    "not a number": ("diffusivity = 1.0", "diffusivity = nan", "expected a number from"),
    "negative": ("diffusivity = 1.0", "diffusivity = -1", "expected a number from"),
    "no equals sign": ("nx = 64 ", "nx 64 ", "expected key = number"),
    "twice": ("steps = 1000", "steps = 1000\nsteps = 1000", "steps is given twice"),
    "unstable": ("steps = 1000", "steps = 300", "300 steps are unstable here; take at least 676"),
    "too many half waves": ("mode_x = 1 ", "mode_x = 500 ", "cannot show that many half waves"),
    "too few rows": ("ny = 64 ", "ny = 1 ", "there are 2 ranks"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_input_file_is_named_with_what_is_wrong(heat: Path, tmp_path: Path, what: str) -> None:
    old, new, message = BAD[what]
    text = (SOURCE / "heat.in").read_text()
    assert old in text
    (tmp_path / "bad.in").write_text(text.replace(old, new))
    done = run(heat, tmp_path, 2, "bad.in")
    assert done.returncode == 2
    assert "heat: bad.in:" in done.stderr
    assert message in done.stderr
    assert not (tmp_path / "heat.result").exists()


def test_a_missing_input_file_is_named(heat: Path, tmp_path: Path) -> None:
    done = run(heat, tmp_path, 2, "none.in")
    assert done.returncode == 2
    assert "heat: none.in: No such file" in done.stderr
    assert "usage: heat INPUT" in run(heat, tmp_path, 1).stderr
