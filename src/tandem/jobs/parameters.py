"""What a submission's fields are called wherever people see them: on forms, on a job's page."""

from collections.abc import Iterator
from dataclasses import dataclass

from tandem.jobs.models import Job

LABELS = {
    "name": "Job Name",
    "project": "Project Name",
    "executable": "Application Executable",
    "script": "Script",
    "options": "Application Options",
    "input_file": "Input File",
    "execution_directory": "Execution Directory",
    "processors": "Number of Processors",
    "cluster": "Cluster",
    "queue": "Computing Queue",
    "hosts": "List of Hosts",
    "additional_options": "Additional Job Options",
    "nodes": "Number of Nodes",
    "memory": "Memory per Node",
    "time_limit": "Time Limit",
    "array": "Array",
    "launcher": "Launcher",
    "restartable": "Restartable",
}
PATHS = frozenset({"executable", "options", "input_file", "execution_directory", "additional_options"})
UNTOLD = (None, "", False, "none")


@dataclass(frozen=True, slots=True)
class Parameter:
    """A field of a submission as the job's page shows it; `exact` ones are set in monospace, to be copied."""

    label: str
    value: str
    exact: bool


def parameters_of(job: Job) -> Iterator[Parameter]:
    """What was asked for, in the order of the form, without what was left as it is."""
    for field, label in LABELS.items():
        value = job.submission.get(field)
        if value not in UNTOLD and field != "script":
            shown = "yes" if value is True else str(value).removeprefix("0-" if field == "time_limit" else "")
            yield Parameter(label, shown, field in PATHS)
