"""An earlier submission once more: as fields of a form, as a script for the cluster's own scheduler, as a `tandem job
submit` command.
"""

import shlex
from collections.abc import Mapping
from typing import Any

from tandem.clusters.request import batch_variables
from tandem.clusters.slurm_script import script_head, without_head
from tandem.jobs.script import payload_for, program_line, resources_of, shell_path
from tandem.jobs.submission import ANY_CLUSTER, Submission

# What a shell would do something about, outside quotation marks; and between double ones.
_ACTIVE = frozenset("$`*?[]~|&;<>(){}!#")
_ACTIVE_QUOTED = frozenset("$`")
_SHELLS = frozenset({"sh", "bash", "dash", "ksh", "zsh"})
_OPTIONS = {
    "name": "name",
    "project": "project",
    "input_file": "input-file",
    "execution_directory": "directory",
    "processors": "processors",
    "cluster": "cluster",
    "queue": "queue",
    "hosts": "hosts",
    "additional_options": "options",
    "nodes": "nodes",
    "memory": "memory",
    "time_limit": "time",
    "array": "array",
    "launcher": "launcher",
}
_AS_IT_IS = (None, "", "none")


def form_fields(submission: Mapping[str, Any]) -> dict[str, Any]:
    """What was submitted as a form is filled in: texts, and whether boxes are ticked."""
    fields = {name: value for name, value in submission.items() if value is not None}
    fields["time_limit"] = str(fields.get("time_limit", "")).removeprefix("0-")
    return {name: value if isinstance(value, bool) else str(value) for name, value in fields.items()}


def as_command(submission: Submission) -> str:
    """The `tandem job submit` that submits the same, to be pasted into a shell.

    Its arguments are words. Options that a shell has more to do with (`$HOME`, pipes, wildcards) travel in a script.
    """
    words = None if submission.script else plain_words(submission.options)
    in_script = words is None
    given = submission.model_dump() | {"name": submission.title}
    if in_script:
        given["launcher"] = "none"
    untold = {"processors": 1, "cluster": ANY_CLUSTER}
    options = [
        f"--{option}={given[field]}"
        for field, option in _OPTIONS.items()
        if given[field] not in _AS_IT_IS and given[field] != untold.get(field)
    ]
    options += ["--restartable"] if submission.restartable else []
    if words is not None:
        # Named as one on the clusters: a script here may have the same path.
        return shlex.join(["tandem", "job", "submit", *options, "--executable", submission.executable, *words])
    script = _commands(submission)
    end = _delimiter(script)
    return f"{shlex.join(['tandem', 'job', 'submit', *options, '-'])} <<'{end}'\n{script}{end}\n"


def plain_words(options: str) -> list[str] | None:
    """The words of Application Options if a shell would only split them; None if it would do more."""
    quote, escaped = "", False
    for character in options.replace("{input}", "input"):
        if escaped:
            escaped = False
        elif character == "\\" and quote != "'":
            if quote:  # what a backslash does between double quotation marks depends on what follows
                return None
            escaped = True
        elif quote:
            if character == quote:
                quote = ""
            elif quote == '"' and character in _ACTIVE_QUOTED:
                return None
        elif character in "'\"":
            quote = character
        elif character in _ACTIVE:
            return None
    return shlex.split(options)


def as_batch_script(submission: Submission) -> str:
    """A script that a cluster's scheduler takes without Tandem: the same resources, the same commands.

    It starts wherever it is submitted, once for each time; nothing of it is taken over when a zone is lost.
    """
    payload = _commands(submission)
    first, _, body = payload.partition("\n")
    interpreter = first.removeprefix("#!").split()
    lines = ["#!/bin/bash", *script_head(resources_of(submission)), ""]
    lines.append(f"export TANDEM_TASK={batch_variables()['tandem_task']}")
    if submission.project:
        lines.append(f"export TANDEM_PROJECT={shlex.quote(submission.project)}")
    if submission.input_file:
        lines.append(f"export INPUT_FILE={shell_path(submission.input_file)}")
    if submission.execution_directory:
        lines.append(f"cd -- {shell_path(submission.execution_directory)} || exit")
    lines.append("")
    if first.startswith("#!") and interpreter and interpreter[0].rsplit("/", 1)[-1] in _SHELLS:
        lines[0] = first
        return "\n".join(lines) + "\n" + without_head(body)
    # Another language: its text is handed to its interpreter.
    end = _delimiter(payload)
    words = shlex.join(interpreter) if first.startswith("#!") and interpreter else "/bin/sh"
    lines += ["commands=$(mktemp) || exit", "trap 'rm -f \"$commands\"' EXIT", f"cat >\"$commands\" <<'{end}'"]
    return "\n".join(lines) + f'\n{payload}{end}\n{words} "$commands"\n'


def _commands(submission: Submission) -> str:
    """A script of one's own that does what was submitted, and no more."""
    if submission.script:
        return payload_for(submission)
    return f"#!/bin/bash\n{program_line(submission, shell_path(submission.executable))}\n"


def _delimiter(text: str) -> str:
    """A line that ends a here-document and is none of the text's."""
    end, lines = "END_OF_COMMANDS", set(text.split("\n"))
    while end in lines:
        end += "_"
    return end
