"""Tandem with one safeguard taken out: what the model check and the drills have to notice, or they prove nothing.

A mutant is a few exact replacements in the source. The model has the wrapper a second time, in Python: where a mutant
takes something out of the wrapper, it takes the same out of its twin, and both are held to each other by a test.
"""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tandem.drills.promises import LOST, OVERLAP, TWICE, WRONG

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "tandem"
TESTS = ROOT / "tests"
TWIN = "jobs/protocol/model/wrapper.py"


class DoesNotApply(Exception):
    """The text that a mutant replaces is not there (any more), or more than once."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One replacement; `file` is below src/tandem, or below tests for a twin."""

    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """A safeguard taken out. `shows`: the promise that is broken then, and whose count a drill must show."""

    shows: str
    edits: tuple[Edit, ...]
    twin: tuple[Edit, ...] = ()


MUTANTS = {
    # Whoever comes runs, whoever holds the claim, and also when it is closed.
    "claim": Mutant(
        TWICE,
        (Edit("payload/wrapper.sh", '    [ "$tandem_held" != "$tandem_own" ] || break\n', "    break\n"),),
        (Edit(TWIN, "            if held == self.own:\n                break\n", "            break\n"),),
    ),
    # A lost answer is taken for a no: `any` jobs are placed elsewhere at once, those for a named cluster fail without
    # having started.
    "look-up": Mutant(
        LOST,
        (
            Edit(
                "jobs/dispatch.py",
                "return Answered(outgoing, PlacementState.DOUBT, message=str(outcome))",
                "return Answered(outgoing, PlacementState.REFUSED, message=str(outcome))",
            ),
        ),
    ),
    # The scheduler may take any job from its node and put it back into the queue: it ends, and may not start again.
    "no-requeue": Mutant(
        LOST,
        (Edit("clusters/slurm_submit.py", '["--no-requeue"]', '["--requeue"]'),),
    ),
    # A restartable run that cannot reach the storage goes on while its successor starts.
    "self-fence": Mutant(
        OVERLAP,
        (
            Edit(
                "payload/wrapper.sh",
                '[ $((tandem_t - ${tandem_last:-0})) -lt "$tandem_fence" ] || { tandem_end_it; exit; }',
                ": $((tandem_t - ${tandem_last:-0}))",
            ),
        ),
        (
            Edit(
                TWIN,
                "if now - self.last_beat >= self.values.fence:\n            self._end_it",
                "if False:\n            self._end_it",
            ),
        ),
    ),
    # Who decided on an old state writes all the same: what was final is taken back. A pass that stands still is given
    # up for its person's sake, if only one person's jobs are in it: that would hide it, so patience is longer here.
    "compare-and-swap": Mutant(
        WRONG,
        (
            Edit("jobs/patience.py", "LONG = 5.0", "LONG = 500.0"),
            Edit(
                "jobs/settle.py",
                "if not Job.objects.filter(pk=job.pk, state=before).update(**differing):",
                "if not Job.objects.filter(pk=job.pk).update(**differing):",
            ),
            Edit(
                "jobs/placements.py",
                "rows = Placement.objects.filter(pk=placement.pk, state=placement.state)\n    # The scheduler",
                "rows = Placement.objects.filter(pk=placement.pk)\n    # The scheduler",
            ),
        ),
    ),
}


def copy_package(target: Path, package: Path = PACKAGE) -> Path:
    """A copy of the package to take something out of; answers the directory that belongs on PYTHONPATH."""
    shutil.copytree(package, target / "tandem", ignore=shutil.ignore_patterns("__pycache__"), symlinks=True)
    return target


def mutate(root: Path, edits: Iterable[Edit]) -> None:
    """Make these replacements in the tree at `root`. Raises DoesNotApply if one's text is not there exactly once."""
    for edit in edits:
        path = root / edit.file
        text = path.read_text()
        if text.count(edit.old) != 1:
            raise DoesNotApply(f"{edit.file} has this {text.count(edit.old)} times, not once: {edit.old}")
        path.write_text(text.replace(edit.old, edit.new))


def make_mutant(name: str, target: Path, package: Path = PACKAGE) -> Path:
    """Copy the package to `target`/tandem and take the safeguard out; answers what belongs on PYTHONPATH."""
    copy_package(target, package)
    mutate(target / "tandem", MUTANTS[name].edits)
    return target
