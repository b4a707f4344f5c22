"""The command line against real clusters, over TLS: from signing in to reading the output."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.region import Region

pytestmark = pytest.mark.region

Command = Callable[..., subprocess.CompletedProcess[str]]
QUEUE = ["--queue", "always-on"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, region: Region) -> Path:
    """Where somebody works who has the environment's file."""
    home = tmp_path_factory.mktemp("home")
    (home / "tandem.yaml").symlink_to(region.file)
    return home


@pytest.fixture(scope="module")
def tandem(home: Path) -> Command:
    """The `tandem` command, as that person."""

    def run(*words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tandem", *words],
            input=typed,
            capture_output=True,
            text=True,
            cwd=home,
            env=os.environ | {"XDG_CONFIG_HOME": str(home / "config")},
            timeout=600,
            check=False,
        )

    return run


@pytest.fixture(scope="module", autouse=True)
def signed_in(tandem: Command, region: Region) -> None:
    """Signed in with what the environment's own file and state say: address, authority, nothing else."""
    done = tandem("login", "--user", region.administrator, "--password-stdin", typed=region.password + "\n")
    assert done.returncode == 0, done.stderr


def test_the_portal_is_not_trusted_without_its_authority(tandem: Command, region: Region, tmp_path: Path) -> None:
    done = tandem("login", region.url, "--user", "x", "--password-stdin", typed="x\n")
    assert done.returncode == 69
    assert "cannot be trusted" in done.stderr


def test_a_job_runs_and_its_output_is_read(tandem: Command) -> None:
    done = tandem("job", "submit", *QUEUE, "--wait", "--json", "/bin/echo", "it's", "$HOME")
    job = json.loads(done.stdout)
    assert (done.returncode, job["state"], job["exit_code"]) == (0, "COMPLETED", 0), done.stderr
    assert tandem("job", "output", job["id"][:8]).stdout == "it's $HOME\n"
    shown = json.loads(tandem("job", "show", "--json", job["id"]).stdout)
    assert [placement["state"] for placement in shown["placements"]] == ["ENDED"]


def test_a_failing_job_fails_the_command_that_waits_for_it(tandem: Command) -> None:
    job = tandem("job", "submit", *QUEUE, "-", typed="#!/bin/sh\necho oh >&2\nexit 7\n").stdout.strip()
    assert tandem("job", "wait", job).returncode == 1
    assert json.loads(tandem("job", "show", "--json", job).stdout)["exit_code"] == 7
    assert "oh" in tandem("job", "output", "--error", job).stdout


def test_output_is_followed_to_the_end(tandem: Command) -> None:
    script = "#!/bin/bash\nfor i in 1 2 3 4; do echo line $i; sleep 0.5; done\n"
    job = tandem("job", "submit", *QUEUE, "-", typed=script).stdout.strip()
    assert tandem("job", "output", "--follow", job).stdout == "line 1\nline 2\nline 3\nline 4\n"


def test_the_directives_of_a_script_count(tandem: Command, home: Path) -> None:
    text = "#!/bin/bash\n#SBATCH --job-name=four --ntasks=4\necho $SLURM_JOB_NAME $SLURM_NTASKS\n"
    (home / "four.sh").write_text(text)
    done = tandem("job", "submit", *QUEUE, "--wait", "--json", "four.sh")
    assert done.returncode == 0, done.stderr
    assert tandem("job", "output", json.loads(done.stdout)["id"]).stdout.split()[-1] == "4"


def test_each_task_of_an_array_has_its_output(tandem: Command) -> None:
    done = tandem(
        "job", "submit", *QUEUE, "--array", "3-4", "--wait", "--json", "/bin/sh", "-c", "echo task $SLURM_ARRAY_TASK_ID"
    )
    assert done.returncode == 0, done.stderr
    job = json.loads(done.stdout)["id"]
    assert tandem("job", "output", "--task", "4", job).stdout == "task 4\n"


def test_a_cancelled_job_ends(tandem: Command) -> None:
    job = tandem("job", "submit", *QUEUE, "/bin/sleep", "600").stdout.strip()
    assert tandem("job", "cancel", job).returncode == 0
    assert tandem("job", "wait", "--timeout", "60", job).returncode == 3


def test_a_queue_that_is_not_there_is_told_in_slurms_words(tandem: Command) -> None:
    job = tandem("job", "submit", "--cluster", "cluster1", "--queue", "nowhere", "/bin/true").stdout.strip()
    done = tandem("job", "wait", job)
    assert done.returncode == 1
    assert "partition" in done.stderr


def test_somebody_invited_and_disabled(tandem: Command, region: Region) -> None:
    assert tandem("user", "invite", "bob").stdout.startswith(f"{region.url}/")
    assert tandem("user", "disable", "bob").returncode == 0
    assert tandem("user", "enable", "bob").returncode == 0
