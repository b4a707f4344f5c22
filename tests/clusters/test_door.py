"""What people have in their home directories, and what they pass, cannot break the door."""

import os
import re

import pytest
from tandem.clusters.door import ClusterRefused, Door
from tests.clusters.hosts import Host, wait_until

EVERY_SHELL = ["alice", "noisy", "execer", "tina", "full", "greedy", "zed"]


@pytest.mark.parametrize("user", EVERY_SHELL)
def test_a_script_runs_as_the_person_whatever_their_login_scripts_do(door: Door, user: str) -> None:
    answer = door.run(user, "cluster1", 'id -un; echo "$1" >&2; exit 7', ["it's $HOME `date` !1"])
    assert (answer.stdout, answer.stderr, answer.status) == (f"{user}\n".encode(), b"it's $HOME `date` !1\n", 7)
