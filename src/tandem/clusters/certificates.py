"""What a certificate of the environment's SSH authority says. The signer makes them; nobody else holds the key.

Certificate: a short-lived statement, signed by the authority, that the holder of a key pair may enter as `principal`.
Principal: `<user>@<environment>`. A cluster admits it only where a root-owned file lists it for that very account.
"""

import re
import time
from collections.abc import Sequence

import asyncssh

WATCH_USER = "tandem-watch"
WATCH_COMMAND = "exec /bin/sh /opt/tandem/app/tandem/payload/watch.sh"

GOOD_FROM = -30  # seconds, for clocks that differ
GOOD_UNTIL = 5 * 60

USER_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
CONNECTION = re.compile(r"[A-Za-z0-9._:-]{1,80}")


def principal(user: str, environment: str) -> str:
    """The one principal in a certificate of `user`."""
    return f"{user}@{environment}"


def make_certificate(
    authority: asyncssh.SSHKey,
    public_key: asyncssh.SSHKey,
    *,
    user: str,
    environment: str,
    connection: str,
    addresses: Sequence[str],
    terminal: bool = False,
) -> asyncssh.SSHCertificate:
    """A certificate for one connection of `user`, from `addresses` only, that can do nothing but run commands.

    `terminal` adds the right to a pty. The watcher's certificate is bound to its one script.
    """
    if not addresses:
        raise ValueError("a certificate needs the addresses that it is good from")
    now = int(time.time())
    return authority.generate_user_certificate(
        public_key,
        key_id=f"{user} {connection}",
        serial=time.time_ns(),
        principals=[principal(user, environment)],
        valid_after=now + GOOD_FROM,
        valid_before=now + GOOD_UNTIL,
        source_address=list(addresses),
        force_command=WATCH_COMMAND if user == WATCH_USER else None,
        permit_pty=terminal and user != WATCH_USER,
        permit_x11_forwarding=False,
        permit_agent_forwarding=False,
        permit_port_forwarding=False,
        permit_user_rc=False,
    )
