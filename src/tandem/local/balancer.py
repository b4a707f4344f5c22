"""What the load balancer thinks of the portal nodes, asked over its own socket."""

import csv
import socket

from tandem.local.processes import Init

# Its own word for a node that answers, and is to get no new requests.
_WORDS = {"NOLB": "NOT READY"}


def server_states(core: Init) -> dict[tuple[str, str], str]:
    """Per backend (`web`, `streams`) and portal node: `UP`, `DOWN`, `NOT READY` or a word in between; empty when it
    does not run.
    """
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(2)
            connection.connect(f"{core.root}/run/haproxy/stats.sock")
            connection.sendall(b"show stat\n")
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
    except OSError:
        return {}
    rows = csv.DictReader(answer.decode().removeprefix("# ").splitlines())
    return {
        (row["pxname"], row["svname"]): _WORDS.get(word := row["status"].split()[0], word)
        for row in rows
        if row["svname"] not in ("FRONTEND", "BACKEND")
    }


def node_is_up(core: Init, portal: str) -> bool:
    """Whether the load balancer sends pages and streams to this portal node."""
    states = server_states(core)
    return all(states.get((backend, portal)) == "UP" for backend in ("web", "streams"))
