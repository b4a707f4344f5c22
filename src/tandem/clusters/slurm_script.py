"""What a job asks for, as it stands in the head of a script that `sbatch` takes."""

from tandem.clusters.request import Request
from tandem.clusters.slurm_submit import resource_options


def script_head(request: Request) -> list[str]:
    """A line for each thing that a request asks for, without where its output goes."""
    return [f"#SBATCH {_directive(option)}" for option in resource_options(request)]


def without_head(body: str) -> str:
    """The rest of a shell script, without what its head asks of the scheduler."""
    lines = body.split("\n")
    head = next((at for at, line in enumerate(lines) if line.strip() and not line.startswith("#")), len(lines))
    kept = [line for line in lines[:head] if not line.startswith("#SBATCH")]
    return "\n".join([*kept, *lines[head:]])


def _directive(option: str) -> str:
    """As sbatch reads a line of a script's head: with double quotation marks a backslash means what follows it."""
    name, equals, value = option.partition("=")
    if not value or all(character.isalnum() or character in "_-./:,%@+[]" for character in value):
        return option
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'{name}{equals}"{quoted}"'
