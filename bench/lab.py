"""The environment that is measured: the reference one, under a name and a port of its own."""

import http.client
import json
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from tandem.environment import Environment, load_environment
from tandem.local.enter import portal_command
from tandem.local.layout import Layout
from tandem.local.names import PYTHON
from tandem.local.release import current_release
from tandem.local.state import State

ROOT = Path(__file__).parents[1]
NAME, PORT = "bench", 8543


class Lab:
    """One environment on this machine, driven by the `tandem` command as people drive it."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.environment: Environment = load_environment(file)
        self.state = State(self.environment.name)
        self.person = self.environment.administrator.name
        self.cluster = self.environment.clusters[0].name

    def tandem(self, *words: str, stdin: str = "") -> str:
        """Run a `tandem` command on this environment; its standard output. What goes wrong ends the benchmark."""
        command = [sys.executable, "-m", "tandem", *words[:1], "--file", str(self.file), *words[1:]]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, cwd=ROOT, check=False)
        if done.returncode:
            raise SystemExit(f"tandem {' '.join(words[:2])} failed ({done.returncode}):\n{done.stdout}{done.stderr}")
        return done.stdout

    def up(self) -> None:
        """Bring it up and wait until the portal answers; without the first jobs, which are not what is measured."""
        self.tandem("up", "--no-first-job")

    def down(self, *, purge: bool = False) -> None:
        """Stop it; with `purge` remove its state too."""
        self.tandem("down", *(["--purge", "--yes"] if purge else []))

    def on_head(self, script: str, *arguments: str) -> Any:
        """Run a Python script on the cluster's head node as the person; the JSON it prints."""
        words = ["--user", self.person, f"head-{self.cluster}", "--", "/usr/bin/python3", "-c", script, *arguments]
        return json.loads(self.tandem("shell", *words))

    @contextmanager
    def told_on_head(self, script: str) -> Iterator[Callable[[], float]]:
        """A Python script on the head node that prints a number for each line it reads; call it for the next number."""
        words = ["shell", "--file", str(self.file), "--user", self.person, f"head-{self.cluster}"]
        command = [sys.executable, "-m", "tandem", *words, "--", "/usr/bin/python3", "-c", script]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
            told, heard = process.stdin, process.stdout
            assert told is not None
            assert heard is not None

            def once() -> float:
                told.write("\n")
                told.flush()
                return float(heard.readline())

            yield once

    def on_portal(self, script: str, *arguments: str) -> Any:
        """Run a Python script on a portal node as its worker; the JSON it prints."""
        zone = self.environment.zones[0].name
        release = current_release(self.state)
        if release is None:
            raise SystemExit("the environment is not up")
        argv = [PYTHON, "-c", script, *arguments]
        command = portal_command(Layout(self.environment), zone, "worker", argv, release)
        return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])

    def sign_in(self) -> str:
        """A token of the administrator."""
        password = (self.state.root / "secrets" / "administrator").read_text().strip()
        with Requests(self) as portal:
            answer = portal("POST", "/tokens", {"username": self.person, "password": password, "name": "bench"})
        return str(answer["secret"])


class Requests:
    """One connection to the portal that is kept, through the load balancer and TLS, as a program would hold it.

    Not httpx: on two cores the time a client takes is time that is measured.
    """

    def __init__(self, lab: Lab, token: str = "", seconds: float | None = None) -> None:
        trust = ssl.create_default_context(cafile=str(lab.state.root / "ca.pem"))
        port = lab.environment.portal.port
        self._connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=seconds, context=trust)
        self._headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})

    def __enter__(self) -> "Requests":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def __call__(self, method: str, path: str, body: object = None) -> Any:
        """The JSON that comes back. What is not a success ends the benchmark."""
        data = None if body is None else json.dumps(body)
        self._connection.request(method, f"/api/v1{path}", data, self._headers)
        answer = self._connection.getresponse()
        content = answer.read()
        if not 200 <= answer.status < 300:
            raise SystemExit(f"{method} {path}: {answer.status} {content.decode(errors='replace')}")
        return json.loads(content) if content else None


@contextmanager
def laboratory() -> Iterator[Lab]:
    """The lab, with whatever an earlier run left of it removed, and nothing left of it afterwards."""
    description = yaml.safe_load((ROOT / "tandem.yaml").read_text())
    description["name"] = NAME
    description["portal"]["port"] = PORT
    # The elastic nodes of one round are to be gone before the next.
    description.setdefault("local", {})["idle_time"] = "20s"
    with TemporaryDirectory() as directory:
        file = Path(directory) / "tandem.yaml"
        file.write_text(yaml.safe_dump(description, sort_keys=False))
        lab = Lab(file)
        lab.down(purge=True)
        try:
            yield lab
        finally:
            lab.down(purge=True)
