"""The commands for the environment on this machine."""

import signal
import sys

import pytest

from tandem.cli.local import interruptible

ENDINGS = {signal.SIGHUP, signal.SIGINT, signal.SIGTERM}


def test_a_second_interrupt_does_nothing() -> None:
    with interruptible():
        with pytest.raises(KeyboardInterrupt, match="SIGINT"):
            signal.raise_signal(signal.SIGINT)
        for ending in ENDINGS:
            signal.raise_signal(ending)


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
