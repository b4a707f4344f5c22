"""What is handed to a cluster: the user's own commands (the payload), and the batch script that carries them.

The batch script is Tandem's wrapper with a few values before it. The payload travels in it as a here-document behind a
delimiter that nobody can guess, and is run from a file of its own: whatever a person wrote in it stays in it.
"""

import re
import secrets
import shlex
import uuid
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources

from tandem.clusters.request import Request, batch_variables, launcher_words
from tandem.environment import Failover
from tandem.jobs.submission import Submission

WRAPPER_FORMAT = 1
OUTPUT, ERROR = "output", "error"
# What stands in a spooler by itself: streams, of tasks too, and a directory for each attempt.
OWN_NAMES = re.compile(rf"(?:{OUTPUT}|{ERROR})(?:\.\d+)?\.txt|attempt(?:\.\d+){{1,2}}")

_CHECK = """\
if ! command -v -- "$tandem_program" >/dev/null 2>&1; then
    case $tandem_program in
        */*) if [ -e "$tandem_program" ]; then
                 echo "tandem: $tandem_program cannot be executed on $HOSTNAME: no permission, or a directory" >&2
                 exit 126
             fi
             echo "tandem: there is no $tandem_program on $HOSTNAME" >&2 ;;
        *)   echo "tandem: command not found on $HOSTNAME: $tandem_program" >&2 ;;
    esac
    exit 127
fi
"""


def payload_for(submission: Submission) -> str:
    """The user's script: as given, or made from the form's fields.

    Application Options are put in as they are: the node's shell reads them as it would read them in a terminal, with
    the user's own rights and nobody else's.
    """
    if submission.script:
        return submission.script if submission.script.endswith("\n") else submission.script + "\n"
    lines = ["#!/bin/bash", f"tandem_program={shell_path(submission.executable)}", _CHECK.rstrip()]
    return "\n".join([*lines, program_line(submission, '"$tandem_program"')]) + "\n"


def program_line(submission: Submission, program: str) -> str:
    """The shell's line that starts the executable, whose name stands in `program` as a shell reads it."""
    line = [*launcher_words(submission.launcher), program]
    if submission.options:
        line.append(_with_input(submission.options))
    if submission.input_file and "{input}" not in submission.options:
        line.append('"$INPUT_FILE"')
    return " ".join(line)


def shell_path(path: str) -> str:
    """Quoted for a shell, except that ~/ stays one's home directory."""
    if path == "~":
        return '"$HOME"'
    return f'"$HOME"/{shlex.quote(path[2:])}' if path.startswith("~/") else shlex.quote(path)


def _with_input(options: str) -> str:
    """Puts the input file where `{input}` stands: one word, whatever its name, whichever quotes are around it."""
    parts: list[str] = []
    quote = ""
    position = 0
    while position < len(options):
        character = options[position]
        if options.startswith("{input}", position):
            parts.append({"": '"$INPUT_FILE"', '"': "${INPUT_FILE}", "'": "'\"$INPUT_FILE\"'"}[quote])
            position += len("{input}")
            continue
        if character == "\\" and quote != "'":
            parts.append(options[position : position + 2])
            position += 2
            continue
        if character in "'\"" and quote in ("", character):
            quote = "" if quote else character
        parts.append(character)
        position += 1
    return "".join(parts)


@dataclass(frozen=True, slots=True)
class Ticket:
    """What the wrapper of one placement has to know of it."""

    job: uuid.UUID
    placement: uuid.UUID
    cluster: str
    control_path: str
    spooler: str


@cache
def _wrapper() -> str:
    return resources.files("tandem.payload").joinpath("wrapper.sh").read_text()


def batch_script(ticket: Ticket, submission: Submission, payload: str, times: Failover) -> str:
    """The whole text that goes to the scheduler: a few values, the payload, the wrapper."""
    return _render(ticket, submission, payload, times, secrets.token_hex(16))


def _render(ticket: Ticket, submission: Submission, payload: str, times: Failover, delimiter: str) -> str:
    values: dict[str, object] = {
        "tandem_format": WRAPPER_FORMAT,
        "tandem_job": ticket.job,
        "tandem_placement": ticket.placement,
        "tandem_cluster": ticket.cluster,
        "tandem_control": ticket.control_path,
        "tandem_spooler": ticket.spooler,
        "tandem_project": submission.project,
        "tandem_restartable": int(submission.restartable),
        "tandem_array": int(bool(submission.array)),
        "tandem_heartbeat": times.heartbeat,
        "tandem_fence": times.self_fence,
        "tandem_take_over": times.take_over,
        "tandem_tools": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
    }
    lines = [f"{name}={shlex.quote(str(value))}" for name, value in values.items()]
    lines.append(f"tandem_input={shell_path(submission.input_file) if submission.input_file else ''}")
    directory = shell_path(submission.execution_directory) if submission.execution_directory else ""
    lines.append(f"tandem_directory={directory}")
    lines += [f"{name}={value}" for name, value in batch_variables().items()]
    head = "\n".join(["#!/bin/sh", "# A job of Tandem: this placement's values, one's commands, the wrapper.", *lines])
    carried = f"tandem_payload() {{\n    cat <<'{delimiter}'\n{payload}{delimiter}\n}}"
    return f"{head}\n\n{carried}\n\n{_wrapper()}"


def request_for(ticket: Ticket, submission: Submission, account: str | None) -> Request:
    """What the scheduler is asked for: resources, and where output goes."""
    task = bool(submission.array)
    return replace(
        resources_of(submission),
        account=account,
        directory=ticket.spooler,
        output=output_name(OUTPUT, task),
        error=output_name(ERROR, task),
    )


def resources_of(submission: Submission) -> Request:
    """What the scheduler is asked for, with no place for output yet."""
    return Request(
        name=submission.title,
        # A script may say in its head how many; one that does not gets one anyway.
        processors=None if submission.script and submission.processors == 1 else submission.processors,
        nodes=1 if submission.restartable else submission.nodes,
        memory=submission.memory,
        time_limit=submission.time_limit,
        array=submission.array,
        queue=submission.queue,
        hosts=submission.hosts,
        restartable=submission.restartable,
        directory="",
        output="",
        error="",
        extra=tuple(submission.extra_options()),
    )


def output_name(stream: str, is_array: bool, task: int | None = None) -> str:
    """The file of a stream in the spooler; for an array without `task`, with a `*` where each task's index goes."""
    if not is_array:
        return f"{stream}.txt"
    return f"{stream}.{'*' if task is None else task}.txt"


def preview(submission: Submission, times: Failover | None = None) -> str:
    """The batch script as it would go out, for people to read before they submit."""
    nothing = uuid.UUID(int=0)
    cluster = submission.cluster
    ticket = Ticket(nothing, nothing, cluster, "/efs/spoolers/you/.tandem/job", "/efs/spoolers/you/spooler")
    return _render(ticket, submission, payload_for(submission), times or Failover(), "END OF YOUR COMMANDS")
