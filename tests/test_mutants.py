"""Mutants keep up with the source: one that changes nothing would be a drill that proves nothing."""

import ast
import subprocess
from pathlib import Path

import pytest
from tests.mutants import MUTANTS, TESTS, DoesNotApply, Edit, make_mutant, mutate


@pytest.mark.parametrize("name", MUTANTS)
def test_each_mutant_changes_the_source_as_it_is_now(name: str, tmp_path: Path) -> None:
    made = make_mutant(name, tmp_path) / "tandem"
    for edit in MUTANTS[name].edits:
        text = (made / edit.file).read_text()
        assert edit.new in text
        if edit.file.endswith(".py"):
            ast.parse(text)
        else:
            subprocess.run(["sh", "-n", made / edit.file], check=True)


@pytest.mark.parametrize("name", MUTANTS)
def test_each_twin_changes_the_models_wrapper_as_it_is_now(name: str) -> None:
    for edit in MUTANTS[name].twin:
        assert (TESTS / edit.file).read_text().count(edit.old) == 1, edit


def test_what_is_not_there_is_not_taken_out_silently(tmp_path: Path) -> None:
    (tmp_path / "some.py").write_text("twice twice\n")
    for old in ("never", "twice"):
        with pytest.raises(DoesNotApply):
            mutate(tmp_path, [Edit("some.py", old, "")])
