"""Longer commands of the machine that a step runs, and that an interrupt must not leave behind."""

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path


def run_logged(command: Sequence[str], log: Path) -> int:
    """Run a command with its output in `log`; returns its exit status. An interrupt ends it and all that it started."""
    with log.open("w") as stream:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, cwd="/", start_new_session=True
        )
        try:
            return process.wait()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
