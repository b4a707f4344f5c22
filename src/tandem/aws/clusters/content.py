"""What a node of a cluster is set up with, as a directory: the set-up, and what the door needs on a cluster."""

from importlib.resources import files
from pathlib import Path

SETUP = ("setup.sh", "people.py")
PAYLOAD = ("sshd_config", "watch.sh")


def gather(directory: Path) -> Path:
    """Fill `directory` with it: a setup.sh with all that it takes."""
    payload = directory / "payload"
    payload.mkdir(parents=True, exist_ok=True)
    setup = files("tandem.aws.clusters").joinpath("runtime", "content")
    for name in SETUP:
        (directory / name).write_bytes(setup.joinpath(name).read_bytes())
    for name in PAYLOAD:
        (payload / name).write_bytes(files("tandem.payload").joinpath(name).read_bytes())
    return directory
