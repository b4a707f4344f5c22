"""What the real sshd lets in with the configuration that clusters get, even with the authority's own signature."""

import asyncio
import contextlib
import time
from typing import Any

import asyncssh
import pytest
from tests.clusters.hosts import Host

from tandem.clusters.certificates import WATCH_USER, make_certificate


def certificate(
    authority: asyncssh.SSHKey, key: asyncssh.SSHKey, *, after: int = -30, before: int = 300, **over: Any
) -> asyncssh.SSHCertificate:
    """By default one that is let in, with every power there is. Good `after` and `before` so many seconds from now."""
    now = int(time.time())
    said: dict[str, Any] = {
        "key_id": "test",
        "principals": ["alice@testing"],
        "valid_after": now + after,
        "valid_before": now + before,
        "source_address": ["127.0.0.1"],
        "permit_x11_forwarding": True,
        "permit_agent_forwarding": True,
        "permit_port_forwarding": True,
        "permit_pty": True,
        "permit_user_rc": True,
    }
    return authority.generate_user_certificate(key, **(said | over))


async def enter(
    host: Host, user: str = "alice", by: asyncssh.SSHKey | None = None, made: Any = None, **over: Any
) -> asyncssh.SSHClientConnection:
    key = asyncssh.generate_private_key("ssh-ed25519")
    return await asyncssh.connect(
        host.address.host,
        host.port,
        username=user,
        known_hosts=None,
        config=None,
        agent_path=None,
        client_keys=[(key, made(key) if made else certificate(by or host.authority, key, **over))],
    )


async def run(host: Host, command: str, **how: Any) -> str:
    async with await enter(host, **how) as connection:
        return str((await connection.run(command, stdin=asyncssh.DEVNULL)).stdout)


def test_a_good_certificate_is_let_in(host: Host) -> None:
    assert asyncio.run(run(host, "id -un")).strip() == "alice"


@pytest.mark.parametrize(
    "over",
    [
        {"after": -600, "before": -1},
        {"after": 120},
        {"principals": ["alice@elsewhere"]},
        {"principals": ["alice"]},
        {"principals": ["zed@testing"]},
        {"principals": ["*@testing"]},
        {"principals": []},
        {"source_address": ["192.0.2.7"]},
    ],
    ids=["expired", "not yet valid", "other environment", "bare name", "other person", "star", "any", "other address"],
)
def test_a_certificate_that_says_the_wrong_thing_is_refused(host: Host, over: dict[str, Any]) -> None:
    with pytest.raises(asyncssh.PermissionDenied):
        asyncio.run(run(host, "id", **over))


def test_another_authoritys_certificate_is_refused(host: Host) -> None:
    with pytest.raises(asyncssh.PermissionDenied):
        asyncio.run(run(host, "id", by=asyncssh.generate_private_key("ssh-ed25519")))


def test_two_authorities_are_trusted_from_the_moment_that_they_are_named_and_one_no_more_without_a_restart(
    own_host: Host,
) -> None:
    old, new = own_host.authority, asyncssh.generate_private_key("ssh-ed25519")

    def trust(*authorities: asyncssh.SSHKey) -> None:
        lines = "".join(authority.export_public_key().decode() for authority in authorities)
        own_host.inside("sh", "-c", 'printf %s "$1" >/etc/ssh/tandem_authority.pub', "sh", lines)

    trust(old, new)
    for authority in (old, new):
        assert asyncio.run(run(own_host, "id -un", by=authority)).strip() == "alice"
    trust(new)
    assert asyncio.run(run(own_host, "id -un", by=new)).strip() == "alice"
    with pytest.raises(asyncssh.PermissionDenied):
        asyncio.run(run(own_host, "id", by=old))


@pytest.mark.parametrize("user", ["root", "slurm", "munge", "daemon", "sshd", "nobody", "unlisted"])
def test_no_certificate_opens_an_account_that_is_not_listed(host: Host, user: str) -> None:
    names = [user, f"{user}@testing", "alice@testing", "root", "root@testing"]
    with pytest.raises(asyncssh.PermissionDenied):
        asyncio.run(run(host, "id", user=user, principals=names))


def test_a_key_without_a_certificate_is_refused_even_if_its_owner_authorized_it(host: Host) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    public = key.export_public_key().decode()
    host.inside("sh", "-c", 'install -d -m 700 -o alice "$1"; printf %s "$2" >"$1/authorized_keys"', "sh",
                "/home/alice/.ssh", public)  # fmt: skip

    async def with_key_alone() -> None:
        async with asyncssh.connect(
            "127.0.0.1", host.port, username="alice", known_hosts=None, config=None, agent_path=None, client_keys=[key]
        ):
            pass

    with pytest.raises(asyncssh.PermissionDenied):
        asyncio.run(with_key_alone())


def test_nothing_can_be_forwarded_even_with_a_certificate_that_permits_it(host: Host) -> None:
    async def attempts() -> list[str]:
        worked = []
        async with await enter(host) as connection:
            for name, forward in {
                "to a port": lambda: connection.open_connection("127.0.0.1", host.port),
                "to a socket": lambda: connection.open_unix_connection("/run/sshd/x"),
                "from a port": lambda: connection.forward_remote_port("127.0.0.1", 0, "127.0.0.1", 1),
                "from a socket": lambda: connection.forward_remote_path("/tmp/forwarded", "/tmp/x"),
                "a network device": lambda: connection.open_tun(),
            }.items():
                with contextlib.suppress(asyncssh.Error, asyncssh.ChannelListenError, OSError):
                    await asyncio.wait_for(forward(), 5)
                    worked.append(name)
            with contextlib.suppress(asyncssh.Error):
                await connection.run("true", x11_forwarding=True, x11_display=":0", stdin=asyncssh.DEVNULL)
                worked.append("X11")
        return worked

    assert asyncio.run(attempts()) == []


def test_an_agent_is_not_forwarded(host: Host) -> None:
    async def with_agent() -> str:
        key = asyncssh.generate_private_key("ssh-ed25519")
        async with asyncssh.connect(
            "127.0.0.1",
            host.port,
            username="alice",
            known_hosts=None,
            config=None,
            agent_forwarding=True,
            client_keys=[(key, certificate(host.authority, key))],
        ) as connection:
            return str((await connection.run("echo agent=$SSH_AUTH_SOCK")).stdout)

    assert asyncio.run(with_agent()) == "agent=\n"


def test_nothing_of_the_persons_runs_before_a_command(host: Host) -> None:
    host.inside("sh", "-c", "install -d -m 700 -o zed /home/zed/.ssh; echo 'echo rc' >/home/zed/.ssh/rc; "
                "echo SNEAKY=1 >/home/zed/.ssh/environment; chown -R zed /home/zed/.ssh")  # fmt: skip
    said = asyncio.run(run(host, "env", user="zed", principals=["zed@testing"]))
    assert "rc" not in said.splitlines()
    assert "SNEAKY" not in said


def test_environment_that_is_sent_along_is_dropped(host: Host) -> None:
    async def with_environment() -> str:
        async with await enter(host) as connection:
            sent = {"LD_PRELOAD": "/tmp/x.so", "SLURM_CONF": "/tmp/x", "SBATCH_PARTITION": "x", "BASH_ENV": "/tmp/x"}
            return str((await connection.run("env", env=sent)).stdout)

    assert not [
        name for name in ("LD_PRELOAD", "SLURM_", "SBATCH_", "BASH_ENV") if name in asyncio.run(with_environment())
    ]


@pytest.mark.parametrize("over", [{}, {"force_command": "id; cat /etc/passwd"}])
def test_the_watcher_can_run_nothing_but_its_script(host: Host, over: dict[str, Any]) -> None:
    said = asyncio.run(run(host, "id", user=WATCH_USER, principals=[f"{WATCH_USER}@testing"], **over))
    assert "uid=" not in said
    assert "root:" not in said
    assert "tandem door" in said


def test_the_watcher_gets_no_files(host: Host) -> None:
    async def files() -> None:
        connection = await enter(host, WATCH_USER, principals=[f"{WATCH_USER}@testing"])
        async with connection, connection.start_sftp_client() as client:
            await client.listdir("/")

    with pytest.raises((asyncssh.Error, OSError)):
        asyncio.run(asyncio.wait_for(files(), 10))


def test_the_signers_certificates_are_let_in_without_a_pty(host: Host) -> None:
    def made(terminal: bool) -> Any:
        return lambda key: make_certificate(
            host.authority,
            key,
            user="alice",
            environment="testing",
            connection="test",
            addresses=["127.0.0.1"],
            terminal=terminal,
        )

    async def terminal_of(allowed: bool) -> str:
        async with await enter(host, made=made(allowed)) as connection:
            return str((await connection.run("tty", term_type="xterm")).stdout)

    assert asyncio.run(terminal_of(True)).startswith("/dev/")
    with pytest.raises(asyncssh.ChannelOpenError):
        asyncio.run(terminal_of(False))
