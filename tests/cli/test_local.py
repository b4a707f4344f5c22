"""The commands for the environment on this machine."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tandem.cli import local
from tandem.cli.local import interruptible
from tandem.environment import load_environment
from tandem.local.state import State

ENDINGS = {signal.SIGHUP, signal.SIGINT, signal.SIGTERM}


def test_a_second_interrupt_does_nothing() -> None:
    with interruptible():
        with pytest.raises(KeyboardInterrupt, match="SIGINT"):
            signal.raise_signal(signal.SIGINT)
        for ending in ENDINGS:
            signal.raise_signal(ending)


def test_logs_are_followed_as_they_grow_until_interrupted(tmp_path: Path) -> None:
    file = Path(__file__).parents[2] / "tandem.yaml"
    log = State(load_environment(file).name, tmp_path).zone("eu-central-1a") / "log" / "web.out"
    log.parent.mkdir(parents=True)
    log.write_text("one\ntwo\nthree\n")
    command = [sys.executable, "-m", "tandem", "logs", "--file", str(file), "web"]
    environment = os.environ | {"TANDEM_STATE": str(tmp_path)}
    last = subprocess.run([*command, "-n", "1"], env=environment, capture_output=True, text=True, check=True)
    assert last.stdout == "three\n"
    with subprocess.Popen(
        [*command, "--follow", "-n", "1"], env=environment, stdout=subprocess.PIPE, text=True
    ) as tail:
        assert tail.stdout
        assert tail.stdout.readline() == "three\n"
        with log.open("a") as more:
            more.write("four\n")
        assert tail.stdout.readline() == "four\n"
        tail.send_signal(signal.SIGINT)
        assert tail.wait(60) == 130


def test_a_log_that_is_not_there_is_said(tmp_path: Path) -> None:
    file = Path(__file__).parents[2] / "tandem.yaml"
    command = [sys.executable, "-m", "tandem", "logs", "--file", str(file), "nothing"]
    done = subprocess.run(command, env=os.environ | {"TANDEM_STATE": str(tmp_path)}, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (66, "")
    assert "nothing" in done.stderr


def test_interrupts_that_come_together_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    complaints: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", complaints.append)
    with interruptible():
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDINGS)
        for ending in ENDINGS:
            signal.raise_signal(ending)
        with pytest.raises(KeyboardInterrupt):
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDINGS)
    assert complaints == []


def test_a_plan_of_what_does_not_run_installs_and_writes_nothing(tandem, home, monkeypatch) -> None:
    text = (Path(__file__).parents[2] / "tandem.yaml").read_text()
    (home / "tandem.yaml").write_text(text.replace("name: tandem\n", "name: nobody\n"))
    monkeypatch.setattr(local, "problems", lambda *_: [])
    monkeypatch.setattr(local.Up, "plan", lambda _: pytest.fail("it was begun"))
    outcome = tandem("up", "--plan")
    assert outcome.status == 0
    assert "Nothing of nobody runs" in outcome.stderr
