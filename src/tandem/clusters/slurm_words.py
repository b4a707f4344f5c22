"""What Slurm's commands say when they fail, and which of the exceptions of errors.py that is."""

import re
from collections.abc import Sequence

from tandem.clusters.channel import Answer
from tandem.clusters.errors import AnswerLost, ClusterRefused, ClusterUnreachable

# Seconds for one command of Slurm. More than its usual MessageTimeout of 10: at its end sbatch says whether slurmctld
# could not be reached, and nothing was sent, or took the job and did not answer.
COMMAND_TIME = 12
TIMED_OUT = {124, 137}  # as `timeout` says it

# Nothing of SLURM_* or SBATCH_* that a login script may have set; what is set here is what jobs start with.
CLEAN_ENVIRONMENT = 'env -i HOME="$HOME" USER="$USER" LOGNAME="$LOGNAME" SHELL="$SHELL" PATH="$PATH" LANG=C.UTF-8'
CLEAN = f"""
slurm() {{
	timeout -k 1 {COMMAND_TIME} {CLEAN_ENVIRONMENT} "$@"
}}
"""

# slurm_strerror's words, looked for in this order. Not contacted: nothing was sent.
NOT_CONTACTED = re.compile(r"Unable to contact slurm controller \(connect failure\)")
# The request could not be signed, so nothing was sent either; it is not slurmctld that is silent.
NOT_SIGNED = re.compile(r"Munge encode failed|auth_g_create")
# Sent, or perhaps sent: slurmctld may have taken the job, or take it when it goes on.
IN_DOUBT = re.compile(
    r"timed out|Zero Bytes|(send|receive|shutdown|connection) failure|standby|Unexpected message|Transport"
    r"|Unspecified error|shutting down|sleeping and retrying|Munge decode|Protocol authentication",
    re.IGNORECASE,
)
# Slurm or its surroundings are out of order; says nothing about this job, and trying again later may help.
OUT_OF_ORDER = re.compile(
    r"authentication credential|temporarily|in maintenance|Unable to contact|accounting (database|storage)"
    r"|Invalid user id|No space left|fork|could not establish a configuration",
    re.IGNORECASE,
)
# What follows it is slurm_strerror's text, and nothing of the submission.
SLURMS_OWN = "Batch job submission failed: "


def check(cluster: str, answer: Answer, given: Sequence[str] = ()) -> None:
    """Raises for a command of Slurm's that failed without Slurm having decided anything.

    `given` are a person's own values, which Slurm may repeat: a queue called `standby` is no controller in standby.
    """
    words = words_of(answer)
    if answer.status in TIMED_OUT:
        raise AnswerLost(f"{cluster}: {words}")
    if answer.status in {125, 126, 127}:
        raise ClusterRefused(f"{cluster}: Slurm's commands cannot be run there: {words}")
    fixed = without_values(words, given)
    if NOT_CONTACTED.search(fixed):
        raise ClusterUnreachable(f"{cluster}: {words}")
    if NOT_SIGNED.search(fixed):
        raise ClusterRefused(f"{cluster}: {words}")
    if IN_DOUBT.search(fixed):
        raise AnswerLost(f"{cluster}: {words}")
    if OUT_OF_ORDER.search(fixed):
        raise ClusterRefused(f"{cluster}: {words}")


def words_of(answer: Answer) -> str:
    """Slurm's own words, without the names of its commands before each line."""
    lines = [re.sub(r"^\w+: (error: )?", "", line) for line in answer.complaint.splitlines()]
    if answer.status in TIMED_OUT:
        lines.append("Slurm did not answer in time")
    return "\n".join(line for line in lines if line) or f"status {answer.status} without a word"


def without_values(words: str, given: Sequence[str]) -> str:
    """Slurm's words without a person's values in them. Lines that only ever hold Slurm's own words stay whole."""
    parts = {part for value in given for part in (value, *re.split(r"[,:=]", value)) if len(part) > 1}
    if not parts:
        return words
    # Longest first: a value as a whole before its parts.
    alternatives = "|".join(re.escape(part) for part in sorted(parts, key=len, reverse=True))
    value = re.compile(rf"(?<!\w)(?:{alternatives})(?!\w)")
    return "\n".join(
        line if line.startswith(SLURMS_OWN) else value.sub("\N{HORIZONTAL ELLIPSIS}", line)
        for line in words.split("\n")
    )


def read_sections(text: str, nonce: str) -> dict[str, tuple[str, int]]:
    """What one answer says of several things: content and exit status of each, by name."""
    found: dict[str, tuple[str, int]] = {}
    start = 0
    for mark in re.finditer(f"\n{nonce} section (?P<name>[a-z0-9]+) (?P<status>[0-9]+)\n", text):
        found[mark["name"]] = (text[start : mark.start()], int(mark["status"]))
        start = mark.end()
    return found
