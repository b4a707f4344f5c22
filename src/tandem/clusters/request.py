"""What a job asks of a scheduler, what is handed over for it, and what comes of that."""

import re
import shlex
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from tandem.clusters.errors import DoorError

ONE_NODE = "--nodes=1"


@dataclass(frozen=True, slots=True)
class Request:
    """What one job asks for. Values are checked before; None and empty mean: as the cluster does by default.

    `output` and `error` are names in `directory`; in an array, a `*` in them stands for each task's index.
    `extra` are a person's own options, each allowed by `options.check_options`; they count before all others.
    """

    name: str
    processors: int | None
    directory: str
    output: str
    error: str
    nodes: int | None = None
    memory: str | None = None
    time_limit: str | None = None
    array: str = ""
    queue: str = ""
    hosts: str = ""
    account: str | None = None
    restartable: bool = False
    extra: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BatchJob:
    """What goes to a scheduler for one placement: a batch script and what it asks for.

    The request's directory and `control` are made where they are missing; `files` are put into the former.
    """

    placement: uuid.UUID
    script: str
    request: Request
    control: str
    files: Mapping[str, bytes] = field(default_factory=dict)


# What came of handing one over: the scheduler's id, or why there is none; errors.py says what each may mean.
Outcome = str | DoorError


# Options in a script's head that are fields of a submission: sbatch's two spellings of each.
_FIELDS = {
    "partition": ("p", "queue"),
    "array": ("a", "array"),
    "nodelist": ("w", "hosts"),
    "chdir": ("D", "execution_directory"),
    "job-name": ("J", "name"),
    "ntasks": ("n", "processors"),
}
_LONG = {f"--{option}": field for option, (_, field) in _FIELDS.items()}
_SHORT = {f"-{letter}": field for letter, field in _FIELDS.values()}


def fields_of_directives(script: str) -> tuple[dict[str, str], list[str]]:
    """What a script asks for behind `#SBATCH` in its head: in comments up to its first command, as sbatch reads it.

    The fields of a submission that it sets, and the texts of its other options, which `options.check_options` judges.
    """
    fields: dict[str, str] = {}
    others: list[str] = []
    for line in script.splitlines():
        if line.strip() and not line.startswith("#"):
            break
        if re.match(r"#SBATCH\s", line):
            others.append(_take_fields(line[len("#SBATCH") :].strip(), fields))
    return fields, [text for text in others if text]


def _take_fields(text: str, fields: dict[str, str]) -> str:
    """Moves what is a field from one line's options into `fields`; the other options, as text."""
    try:
        words = shlex.split(text, comments=True)
    except ValueError:
        return text
    others = []
    while words:
        word = words.pop(0)
        option, equals, value = word.partition("=")
        if option in _LONG and (equals or words):
            fields[_LONG[option]] = value if equals else words.pop(0)
        elif word[:2] in _SHORT and not word.startswith("--") and (word[2:] or words):
            fields[_SHORT[word[:2]]] = word[2:] or words.pop(0)
        else:
            others.append(word)
    return shlex.join(others)


def launcher_words(launcher: str) -> list[str]:
    """What stands before a program on a shell's line so that its ranks are started."""
    return {
        "none": [],
        "srun": ["srun", "--mpi=pmix"],
        "mpirun": ["mpirun", "-n", '"$SLURM_NTASKS"'],
    }[launcher]


def batch_variables() -> dict[str, str]:
    """Shell words by which the wrapper learns, on the node, which of the scheduler's jobs it is."""
    return {
        "tandem_task": "${SLURM_ARRAY_TASK_ID:-0}",
        "tandem_scheduler_id": '"${SLURM_ARRAY_JOB_ID:-${SLURM_JOB_ID:-none}}"',
    }
