"""What a person may ask for: the one check of a submission, for the form, the API and the command line alike.

Only an executable (or a script in its place) is needed. What is checked here is what is the same on every cluster; what
only the scheduler can know (does the queue take this, is there such a host) the scheduler answers itself.
"""

import re
import shlex
import unicodedata
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from tandem.clusters.options import OptionRefused, check_options
from tandem.clusters.request import ONE_NODE, fields_of_directives
from tandem.environment import Environment
from tandem.jobs.shell_words import ends_arguments

ANY_CLUSTER = "any"
COMMAND = "command"
LARGEST_ARRAY = 50_000
LARGEST_UPLOAD = 10 * 1024 * 1024
LARGEST_SCRIPT = 1024 * 1024

_ARRAY_PART = re.compile(r"(\d{1,9})(?:-(\d{1,9})(?::(\d{1,9}))?)?")
_MEMORY = re.compile(r"(\d{1,13}(?:\.\d{1,3})?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)
_CLOCK = re.compile(r"(?:(\d{1,4})-)?(\d{1,6})(?::(\d{1,2}))?(?::(\d{1,2}))?")
_SPANS = re.compile(r"(?:(\d{1,4})\s*d)?\s*(?:(\d{1,6})\s*h)?\s*(?:(\d{1,8})\s*m(?:in)?)?", re.IGNORECASE)
_MEBIBYTES = {"": 1.0, "K": 1 / 1024, "M": 1.0, "G": 1024.0, "T": 1024.0 * 1024}


class SubmissionInvalid(Exception):
    """What was asked for cannot be; `errors` says per field what is wrong, in words for the person who asked."""

    def __init__(self, errors: dict[str, list[str]]) -> None:
        super().__init__("; ".join(f"{field}: {' '.join(messages)}" for field, messages in errors.items()))
        self.errors = errors


def _wrong(words: str) -> PydanticCustomError:
    # The words go in as a value, so that braces typed by a person are no placeholders.
    return PydanticCustomError("submission", "{words}", {"words": words})


def _printable(value: str) -> str:
    """Refuses control characters and characters that change how a line reads: names with them only deceive."""
    for character in value:
        if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
            raise _wrong(f"may not contain control characters (found U+{ord(character):04X})")
    return value


def _path(value: str) -> str:
    if value and not value.startswith(("/", "~/")) and value != "~":
        raise _wrong("must be an absolute path, or start with ~/ for your home directory")
    return value


def _executable(value: str) -> str:
    if value.startswith("-"):
        raise _wrong("must be a program: a path, or a command that is found on the node")
    return value


def _shell_words(value: str) -> str:
    try:
        shlex.split(value)
    except ValueError as error:
        raise _wrong("a quotation mark or a backslash stands alone: the shell could not read this") from error
    return value


def _name_of(pattern: str, words: str) -> AfterValidator:
    def check(value: str) -> str:
        if value and not re.fullmatch(pattern, value):
            raise _wrong(words)
        return value

    return AfterValidator(check)


def _plain(value: object) -> str:
    """Text or a number as text; empty for anything else."""
    return str(value).strip() if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _memory(value: object) -> object:
    """`4G` as whole mebibytes with their unit; a bare number means mebibytes, as for the scheduler."""
    match = _MEMORY.fullmatch(_plain(value))
    if not match:
        raise _wrong("write memory per node as a number with a unit, such as 4G or 512M")
    mebibytes = -int(-float(match[1]) * _MEBIBYTES[match[2].upper()] // 1)
    if not 1 <= mebibytes <= 1 << 30:
        raise _wrong("must be between 1M and 1024T")
    return f"{mebibytes}M"


def _time_limit(value: object) -> object:
    """As `days-hours:minutes:seconds`, from what the scheduler takes (minutes, h:mm:ss, d-hh) or from `2h 30m`."""
    text = _plain(value)
    words = "write a time as 90 (minutes), 1:30:00, 2-12:00:00 or 2h 30m"
    if match := _CLOCK.fullmatch(text):
        days, first, second, third = match.groups()
        a, b, c = int(first), int(second or 0), int(third or 0)
        if days is not None:
            seconds = int(days) * 86400 + a * 3600 + b * 60 + c
        elif third is not None:
            seconds = a * 3600 + b * 60 + c
        else:
            seconds = a * 60 + b
        if b > 59 or c > 59:
            raise _wrong(words)
    elif (match := _SPANS.fullmatch(text)) and any(match.groups()):
        seconds = sum(int(part or 0) * unit for part, unit in zip(match.groups(), (86400, 3600, 60), strict=True))
    else:
        raise _wrong(words)
    if not 1 <= seconds <= 365 * 86400:
        raise _wrong("must be more than nothing and at most 365 days")
    days_, rest = divmod(seconds, 86400)
    return f"{days_}-{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"


def array_indices(array: str) -> list[int]:
    """The indices that `0-9:3,20%4` names, sorted, each once; [0] without array. Raises ValueError."""
    if not array:
        return [0]
    indices: set[int] = set()
    for part in array.split("%", 1)[0].split(","):
        match = _ARRAY_PART.fullmatch(part)
        if not match:
            raise ValueError(part)
        first, last, step = int(match[1]), int(match[2] or match[1]), int(match[3] or 1)
        if last < first or step < 1 or (last - first) // step >= LARGEST_ARRAY:
            raise ValueError(part)
        indices.update(range(first, last + 1, step))
    return sorted(indices)


def _array(value: str) -> str:
    value = value.replace(" ", "")
    if not value:
        return value
    spec, percent, most = value.partition("%")
    try:
        indices = array_indices(spec)
    except ValueError:
        raise _wrong("write an array as 0-9, 1,3,5 or 0-99:10, with %4 behind it for at most 4 at a time") from None
    if percent and not (most.isascii() and most.isdigit() and 1 <= int(most) <= LARGEST_ARRAY):
        raise _wrong("behind % stands how many tasks may run at a time, such as 0-99%4")
    if len(indices) > LARGEST_ARRAY or indices[-1] > LARGEST_ARRAY:
        raise _wrong(f"at most {LARGEST_ARRAY} tasks, numbered up to {LARGEST_ARRAY}")
    return value


def _hosts(value: object) -> object:
    if isinstance(value, list | tuple) and all(isinstance(host, str) for host in value):
        value = ",".join(value)
    return (
        ",".join(part for part in re.split(r"[\s,]+(?![^\[]*\])", value) if part) if isinstance(value, str) else value
    )


def _script(value: str) -> str:
    if "\0" in value:
        raise _wrong("this is not a script: it contains NUL bytes")
    if len(value.encode()) > LARGEST_SCRIPT:
        raise _wrong(f"may have at most {LARGEST_SCRIPT // 1024} KiB; put larger files on the cluster")
    return value.replace("\r\n", "\n")


Line = Annotated[str, AfterValidator(_printable)]
Path = Annotated[str, AfterValidator(_printable), AfterValidator(_path), Field(max_length=1000)]


class Submission(BaseModel):
    """What a person asks for. Stored with the job as checked; every value here reads back as itself."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    name: Annotated[Line, Field(max_length=200)] = Field("", description="Job Name; the executable's without one.")
    project: Annotated[
        Line, Field(max_length=80), _name_of(r"[\w.@+ -]+", "may have letters, digits, spaces and . _ @ + -")
    ] = Field("", description="Project Name: recorded, searchable, TANDEM_PROJECT; also the scheduler's account.")
    application: Annotated[
        str, Field(max_length=80), _name_of(r"[a-z0-9][a-z0-9._-]*", "is not the name of an application")
    ] = Field(COMMAND, description="The application whose form made this.")
    executable: Annotated[Line, AfterValidator(_executable), Field(max_length=1000)] = Field(
        "", description="Application Executable: a path on the cluster, or a command that is found on the node."
    )
    options: Annotated[Line, AfterValidator(_shell_words), Field(max_length=20_000)] = Field(
        "", description="Application Options, as typed in a terminal on the node; {input} stands for the input file."
    )
    input_file: Path = Field("", description="Input File: exported as INPUT_FILE; the last argument without {input}.")
    execution_directory: Path = Field("", description="Execution Directory; the job's spooler without one.")
    processors: int = Field(1, ge=1, le=1_000_000, description="Number of Processors.")
    cluster: Annotated[str, Field(max_length=40)] = Field(ANY_CLUSTER, description="A cluster's name, or any.")
    queue: Annotated[
        str, Field(max_length=80), _name_of(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", "is not the name of a queue")
    ] = Field("", description="Computing Queue; the cluster's default without one.")
    hosts: Annotated[
        str,
        BeforeValidator(_hosts),
        Field(max_length=4000),
        _name_of(r"[A-Za-z0-9_.,\[\]-]+", "write names of nodes, separated by commas, such as node1,node[3-5]"),
    ] = Field("", description="List of Hosts of the queue.")
    additional_options: Annotated[Line, Field(max_length=4000)] = Field(
        "", description="Additional Job Options, as behind the scheduler's own submit command."
    )
    nodes: int | None = Field(None, ge=1, le=100_000, description="Number of nodes.")
    memory: Annotated[str, BeforeValidator(_memory)] | None = Field(None, description="Memory per node, such as 4G.")
    time_limit: Annotated[str, BeforeValidator(_time_limit)] | None = Field(
        None, description="Longest run time, such as 1:30:00."
    )
    array: Annotated[str, Field(max_length=200), AfterValidator(_array)] = Field(
        "", description="Array of tasks, such as 0-9."
    )
    launcher: Literal["none", "srun", "mpirun"] = Field("none", description="How the executable's ranks are started.")
    restartable: bool = Field(False, description="May be started again when an earlier start was interrupted.")
    script: Annotated[str, AfterValidator(_script)] = Field("", description="A whole script, instead of an executable.")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        problems: dict[str, list[str]] = {}
        if not self.executable and not self.script.strip():
            problems["executable"] = ["is needed"]
        if self.executable and self.script:
            problems["executable"] = ["give an executable or a script, not both"]
        if self.script and (self.options or self.launcher != "none"):
            field = "options" if self.options else "launcher"
            problems[field] = ["belongs to an executable; a script starts its programs itself"]
        if "{input}" in self.options and not self.input_file:
            problems["options"] = ["{input} stands here, but no input file is given"]
        if self.input_file and "{input}" not in self.options and (end := ends_arguments(self.options)):
            problems["options"] = [f"the input file would come after {end}: write {{input}} where it is to stand"]
        if self.hosts and self.cluster == ANY_CLUSTER:
            problems["hosts"] = ["hosts belong to one cluster: choose it"]
        if self.nodes and self.nodes > self.processors:
            problems["nodes"] = [f"{self.nodes} nodes need at least as many processors"]
        if self.restartable and (self.nodes or 1) > 1:
            problems["restartable"] = ["a restartable job uses one node"]
        for field, words in self._option_problems():
            problems.setdefault(field, []).append(words)
        if problems:
            raise SubmissionInvalid(problems)
        return self

    def _option_problems(self) -> list[tuple[str, str]]:
        if not self.additional_options and not self._directives():
            return []
        found = []
        for field, texts in (("additional_options", [self.additional_options]), ("script", self._directives())):
            for text in texts:
                try:
                    words = check_options(text)
                except OptionRefused as refused:
                    found.append((field, str(refused)))
                    continue
                if self.restartable and any(word.startswith("--nodes=") and word != ONE_NODE for word in words):
                    found.append((field, "--nodes: a restartable job uses one node"))
        return found

    def _directives(self) -> list[str]:
        return fields_of_directives(self.script)[1]

    @property
    def title(self) -> str:
        """The job's name: as given, else the executable's."""
        return self.name or self.executable.rstrip("/").rsplit("/", 1)[-1][:200] or "script"

    def extra_options(self) -> list[str]:
        """The checked options of the script's head and of the field, the field's last, since the last one counts."""
        texts = [text for text in (*self._directives(), self.additional_options) if text]
        if not texts:
            return []
        return [word for text in texts for word in check_options(text)]


def stored_submission(data: Mapping[str, Any]) -> Submission:
    """A submission as a job keeps it. Raises SubmissionInvalid for one that today's rules do not let pass.

    Callers that go through many jobs must expect that: one such row must not stop the others.
    """
    try:
        return Submission.model_validate(data)
    except ValidationError as invalid:
        errors: dict[str, list[str]] = {}
        for error in invalid.errors(include_url=False, include_input=False):
            errors.setdefault(str(error["loc"][0]) if error["loc"] else "__all__", []).append(_in_words(error))
        raise SubmissionInvalid(errors) from invalid


def _in_words(error: Mapping[str, Any]) -> str:
    """A pydantic error as a person would say it."""
    context = error.get("ctx", {})
    match error["type"]:
        case "submission":
            return str(error["msg"])
        case "string_too_long":
            return f"may have at most {context['max_length']} characters"
        case "greater_than_equal":
            return f"must be at least {context['ge']}"
        case "less_than_equal":
            return f"must be at most {context['le']}"
        case "int_parsing" | "int_type" | "int_from_float" | "int_parsing_size":
            return "must be a whole number"
        case "bool_parsing" | "bool_type":
            return "must be yes or no"
        case "literal_error":
            return f"must be {context['expected']}"
        case "extra_forbidden":
            return "there is no such field"
        case "string_type":
            return "must be text"
        case _:
            return str(error["msg"])


def check_submission(
    data: Mapping[str, Any], environment: Environment | None, upload_name: str | None = None
) -> Submission:
    """The submission that `data` asks for; empty fields count as not given.

    `upload_name` is the name of a file that comes with it as its input file: `actions.submit_job`, given the file, puts
    its path in place. Without an environment (a development server) any cluster's name passes.
    Raises SubmissionInvalid, with an error for every field that has one.
    """
    given = {key: value for key, value in data.items() if value not in ("", None)}
    if isinstance(script := given.get("script"), str):
        given = {**fields_of_directives(script)[0], **given}
    if upload_name:
        given["input_file"] = f"/{upload_name}"
    errors: dict[str, list[str]] = {}
    cluster = given.get("cluster", ANY_CLUSTER)
    if environment is not None and cluster != ANY_CLUSTER:
        names = [known.name for known in environment.clusters]
        if cluster not in names:
            errors["cluster"] = [f"there is no such cluster; choose {ANY_CLUSTER} or {', '.join(names)}"]
    try:
        submission = stored_submission(given)
    except SubmissionInvalid as invalid:
        raise SubmissionInvalid({**invalid.errors, **errors}) from invalid
    if errors:
        raise SubmissionInvalid(errors)
    return submission
