"""Whether the parts of an environment answer, seen from the machine."""

import http.client
import socket
import ssl
import subprocess

from tandem.local.enter import command_on, find_host
from tandem.local.layout import CORE_ADDRESS, DATABASE_PORT, HeadHost, Layout
from tandem.local.processes import Init, find_init
from tandem.local.state import State


def port_answers(init: Init, address: str, port: int) -> bool:
    """Whether something listens there, in the network of this init."""
    command = ["nsenter", "--target", str(init.pid), "--net", "--", "/bin/bash", "-c", 'exec 3<>"/dev/tcp/$0/$1"']
    done = subprocess.run([*command, address, str(port)], capture_output=True, check=False)
    return done.returncode == 0


def page_answers(init: Init, address: str, port: int, path: str) -> bool:
    """Whether a page is served there with status 200, in the network of this init."""
    script = (
        'exec 3<>"/dev/tcp/$0/$1" && printf "GET %s HTTP/1.0\\r\\n\\r\\n" "$2" >&3'
        ' && read -r -t 5 _ status _ <&3 && [ "$status" = 200 ]'
    )
    command = ["nsenter", "--target", str(init.pid), "--net", "--", "/bin/bash", "-c", script, address, str(port), path]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def database_answers(state: State) -> bool:
    """Whether the database takes connections."""
    core = find_init(state.name, "core")
    return core is not None and port_answers(core, CORE_ADDRESS, DATABASE_PORT)


def cluster_answers(layout: Layout, head: HeadHost) -> bool:
    """Whether a cluster's controller and OpenSSH server answer."""
    init = find_init(layout.environment.name, head.zone)
    if init is None or not port_answers(init, head.address, 22):
        return False
    command = command_on(layout, find_host(layout, head.name), ["scontrol", "ping"])
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except subprocess.TimeoutExpired:
        return False
    return "is UP" in done.stdout


def portal_answers(state: State, port: int, path: str = "/healthz") -> bool:
    """Whether a portal node answers through the load balancer, with a certificate of the environment's authority."""
    try:
        context = ssl.create_default_context(cafile=str(state.authority))
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=context)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == 200
        finally:
            connection.close()
    except (OSError, http.client.HTTPException):
        return False


def port_is_free(port: int) -> bool:
    """Whether the load balancer could listen there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
