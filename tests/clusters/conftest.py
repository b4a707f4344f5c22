"""A real sshd with people of its own, a real signer's certificates, and a door to it."""

import os
from collections.abc import Iterator

import asyncssh
import pytest
from tests.clusters.hosts import Host, door_to

from tandem.clusters.door import Door


@pytest.fixture(scope="session")
def authority() -> asyncssh.SSHKey:
    return asyncssh.generate_private_key("ssh-ed25519")


def _host(tmp_path_factory: pytest.TempPathFactory, authority: asyncssh.SSHKey, before: str = "") -> Iterator[Host]:
    if os.geteuid() != 0:
        pytest.skip("starting an sshd with people of its own needs root")
    host = Host(tmp_path_factory.mktemp("host"), authority, before)
    host.start()
    yield host
    host.stop()


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, authority: asyncssh.SSHKey) -> Iterator[Host]:
    """One for the tests of a module, which leave it as they found it."""
    yield from _host(tmp_path_factory, authority)


@pytest.fixture
def own_host(tmp_path_factory: pytest.TempPathFactory, authority: asyncssh.SSHKey) -> Iterator[Host]:
    """One that a test may break."""
    yield from _host(tmp_path_factory, authority)


@pytest.fixture(scope="module")
def door(host: Host) -> Iterator[Door]:
    door = door_to(host)
    yield door
    door.close()


@pytest.fixture
def own_door(own_host: Host) -> Iterator[Door]:
    door = door_to(own_host)
    yield door
    door.close()
