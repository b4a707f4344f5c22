"""The options of sbatch that people may give, spelt exactly: one list for the form, the API and `#SBATCH` lines.

An allow-list, because sbatch accepts abbreviations (`--comm=`, `--wck=`) that would slip past a list of forbidden ones.
"""

import re
import shlex
from enum import Enum


class Takes(Enum):
    """Does an option take a value?"""

    VALUE = "value"
    NOTHING = "nothing"
    EITHER = "either"  # a value only behind `=`


class OptionRefused(ValueError):
    """An option that may not be given; `option` names it, the text says why."""

    def __init__(self, option: str, why: str) -> None:
        super().__init__(f"{option}: {why}" if option else why)
        self.option = option
        self.why = why


LONGEST_VALUE = 1000

_WITH_VALUE = (
    "account",
    "begin",
    "constraint",
    "core-spec",
    "cores-per-socket",
    "cpu-freq",
    "cpus-per-gpu",
    "cpus-per-task",
    "deadline",
    "delay-boot",
    "distribution",
    "exclude",
    "extra-node-info",
    "gpu-bind",
    "gpu-freq",
    "gpus",
    "gpus-per-node",
    "gpus-per-socket",
    "gpus-per-task",
    "gres",
    "gres-flags",
    "hint",
    "job-name",
    "licenses",
    "mail-type",
    "mail-user",
    "mcs-label",
    "mem",
    "mem-bind",
    "mem-per-cpu",
    "mem-per-gpu",
    "mincpus",
    "network",
    "nodes",
    "ntasks",
    "ntasks-per-core",
    "ntasks-per-gpu",
    "ntasks-per-node",
    "ntasks-per-socket",
    "power",
    "priority",
    "profile",
    "qos",
    "reservation",
    "sockets-per-node",
    "switches",
    "thread-spec",
    "threads-per-core",
    "time",
    "time-min",
    "tmp",
)

ALLOWED: dict[str, Takes] = {
    **dict.fromkeys(_WITH_VALUE, Takes.VALUE),
    **dict.fromkeys(["contiguous", "overcommit", "oversubscribe", "spread-job", "use-min-nodes"], Takes.NOTHING),
    **dict.fromkeys(["exclusive", "nice"], Takes.EITHER),
}

SHORT = {
    "A": "account",
    "b": "begin",
    "B": "extra-node-info",
    "c": "cpus-per-task",
    "C": "constraint",
    "G": "gpus",
    "J": "job-name",
    "L": "licenses",
    "m": "distribution",
    "n": "ntasks",
    "N": "nodes",
    "O": "overcommit",
    "q": "qos",
    "s": "oversubscribe",
    "S": "core-spec",
    "t": "time",
    "x": "exclude",
}

_SPOOLER = "a job's output goes to its spooler, where the portal shows it"
_TANDEM = "Tandem sets it, to know its jobs by"
_FIELD = "has a field of its own: {}"

WHY_NOT = {
    "array": _FIELD.format("Array"),
    "partition": _FIELD.format("Computing Queue"),
    "nodelist": _FIELD.format("List of Hosts"),
    "chdir": _FIELD.format("Execution Directory"),
    "requeue": _FIELD.format("Restartable"),
    "no-requeue": _FIELD.format("Restartable"),
    "clusters": _FIELD.format("Cluster"),
    "output": _SPOOLER,
    "error": _SPOOLER,
    "open-mode": _SPOOLER,
    "input": "a job's standard input is empty; give the file as Input File",
    "wckey": _TANDEM,
    "comment": _TANDEM,
    "parsable": _TANDEM,
    "dependency": "ids of jobs differ between clusters and may be given out again",
    "export": "jobs start with a clean environment; set variables in a script",
    "export-file": "jobs start with a clean environment; set variables in a script",
    "get-user-env": "jobs start with a clean environment; set variables in a script",
    "hold": "hold the job after submitting it",
    "signal": "would end Tandem's wrapper instead of reaching the program",
    "no-kill": "a job that goes on without a node would be taken for dead",
    "uid": "jobs run as who submits them",
    "gid": "jobs run as who submits them",
    "wrap": "give the command as executable or script",
    "wait": "would keep the submission waiting; see `tandem job wait`",
    "test-only": "nothing would be submitted",
}

SHORT_WHY_NOT = {
    "a": "array",
    "d": "dependency",
    "D": "chdir",
    "e": "error",
    "H": "hold",
    "i": "input",
    "k": "no-kill",
    "M": "clusters",
    "o": "output",
    "p": "partition",
    "w": "nodelist",
    "W": "wait",
}


def check_options(text: str) -> list[str]:
    """The options in `text`, words as in a shell, each as one word for sbatch. Raises `OptionRefused` for the first
    that may not be given. Comments as in a `#SBATCH` line are left out.
    """
    try:
        words = shlex.split(text, comments=True)
    except ValueError as problem:
        raise OptionRefused("", "a quote is not closed, or nothing follows a backslash") from problem
    options = []
    position = 0
    while position < len(words):
        word = words[position]
        following = words[position + 1] if position + 1 < len(words) else None
        option, taken = _read(word, following)
        options.append(option)
        position += taken
    return options


def _read(word: str, following: str | None) -> tuple[str, int]:
    """The option that starts with `word`, and how many words it takes."""
    if re.fullmatch(r"--[^=]+(=.*)?", word, re.DOTALL):
        shown, equals, value = word.partition("=")
        name = shown[2:]
        attached = value if equals else None
    elif re.fullmatch(r"-[A-Za-z].*", word, re.DOTALL):
        shown = word[:2]
        name = _long_name(word[1])
        attached = word[2:] or None
    else:
        raise OptionRefused(_shown(word), "is not an option")
    takes = ALLOWED.get(name)
    if takes is None:
        raise OptionRefused(_shown(shown), WHY_NOT.get(name, "is not one of the options that may be given here"))
    if takes is Takes.NOTHING:
        if attached is not None:
            raise OptionRefused(shown, "takes no value")
        return f"--{name}", 1
    if attached is not None:
        return f"--{name}={_value(shown, attached)}", 1
    if takes is Takes.EITHER:
        return f"--{name}", 1
    if following is None:
        raise OptionRefused(shown, "needs a value")
    return f"--{name}={_value(shown, following)}", 2


def _long_name(letter: str) -> str:
    return SHORT.get(letter) or SHORT_WHY_NOT.get(letter) or f"-{letter}"


def _value(option: str, value: str) -> str:
    if not value:
        raise OptionRefused(option, "needs a value")
    if not value.isprintable():
        raise OptionRefused(option, "its value has a control character in it")
    if len(value) > LONGEST_VALUE:
        raise OptionRefused(option, f"its value has more than {LONGEST_VALUE} characters")
    if value.startswith("-") and not re.fullmatch(r"-[0-9]+", value):
        raise OptionRefused(option, f"needs a value, and {_shown(value)} looks like an option")
    return value


def _shown(word: str) -> str:
    """Fit to be repeated in an error."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in word[:80])
