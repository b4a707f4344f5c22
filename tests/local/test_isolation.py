"""A job sees nothing of this machine, of the services, or of the other zone."""

import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.region import Region

from tandem.local.layout import ACCOUNTING_PORT, CORE_ADDRESS, DATABASE_PORT, STREAMS_PORT, WEB_PORT
from tandem.local.processes import require_init

pytestmark = pytest.mark.region

PROBE = (Path(__file__).parent / "probe.py").read_text()
CHECKOUT = Path(__file__).parents[2]
EVERYBODY = ["alice", "bob", "carol", "ec2-user"]
SLURMD_PORT = 6818


@pytest.fixture(scope="module")
def machine() -> Iterator[dict[str, list[Any]]]:
    """Things of this machine that a job must not get at: a listener on every address, and one without a file."""
    own = socket.gethostbyname(socket.gethostname())
    with (
        socket.create_server(("0.0.0.0", 0)) as tcp,  # noqa: S104 - reachable from wherever it can be reached at all
        socket.socket(socket.AF_UNIX) as unix,
    ):
        port = tcp.getsockname()[1]
        unix.bind(f"\0tandem-isolation-{port}")
        unix.listen()
        addresses = {"127.0.0.1", own, *_addresses()}
        yield {"tcp": [[address, port] for address in sorted(addresses)], "unix": [f"\0tandem-isolation-{port}"]}


def _addresses() -> list[str]:
    """The machine's own addresses towards elsewhere."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return []
        return [probe.getsockname()[0]]


def _disks() -> list[str]:
    """The machine's block devices, whatever they are called."""
    found = [f"/dev/{path.name.replace('!', '/')}" for path in Path("/sys/class/block").iterdir()]
    return [name for name in found if Path(name).is_block_device()]


def forbidden(region: Region, zone_name: str, machine: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """What a job in a zone must not manage."""
    layout = region.layout
    zone = layout.zone(zone_name)
    secrets = ["munge/munge.key", "slurm/_accounting/slurmdbd.conf"]
    secrets += [f"secrets/{name}" for name in ("web", "worker", "signer")]
    secrets += [f"ssh/{head.cluster.name}/host_key" for head in zone.heads]
    tcp = [*machine["tcp"], ["127.0.0.1", region.environment.portal.port], [CORE_ADDRESS, DATABASE_PORT]]
    tcp += [[CORE_ADDRESS, region.environment.portal.port], [CORE_ADDRESS, 22]]
    for other in layout.zones:
        tcp += [[other.portal_address, port] for port in (WEB_PORT, STREAMS_PORT, 22)]
        if other.name != zone.name:
            tcp += [[other.address, ACCOUNTING_PORT]]
            tcp += [[head.address, port] for head in other.heads for port in (22, head.controller_port)]
            tcp += [[node.address, SLURMD_PORT] for _, node in other.nodes if not node.elastic]
    init = require_init(region.environment.name, zone_name)
    return {
        "read": [
            *(str(path) for path in (CHECKOUT, region.state.root, region.state.secrets, region.file, Path.home())),
            *(f"/etc/tandem/{name}" for name in secrets),
            *("/.storage/efs", "/etc/shadow", "/var/log/supervisord.log", "/dev/fuse", "/dev/mem"),
            *_disks(),
            *(f"/efs/home/{name}" for name in ("root", "nobody")),
            *(f"/proc/1/{name}" for name in ("root", "environ", "cwd/")),
            f"/proc/{init.pid}/root",
        ],
        "write": [
            *("/", "/etc", "/etc/tandem", "/usr/bin", "/run", "/run/nodes", "/run/accounts", "/opt/tandem/app"),
            *("/var/log", "/var/lib/slurm", "/var/lib/tandem/people", "/efs", "/efs/home", "/efs/spoolers", "/sys"),
        ],
        "tcp": tcp,
        "unix": [*machine["unix"], "/run/supervisor.sock", "/run/tandem/signer.sock"],
        "allowed": [[head.address, head.controller_port] for head in zone.heads],
    }


@pytest.mark.parametrize("user", EVERYBODY)
@pytest.mark.parametrize("cluster", ["cluster1", "cluster2"])
def test_a_job_gets_at_nothing_outside_its_cluster(
    region: Region, machine: dict[str, list[Any]], cluster: str, user: str
) -> None:
    zone = region.environment.cluster(cluster).zone
    wanted = forbidden(region, zone, machine)
    wanted["read"] += [f"/efs/{place}/{name}" for place in ("home", "spoolers") for name in EVERYBODY if name != user]
    argv = ["srun", "--partition", "always-on", "python3", "-c", PROBE]
    done = region.shell(f"head-{cluster}", user, argv, data=json.dumps(wanted), deadline=240)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["managed"] == []
    assert all(answer["able"])


@pytest.mark.parametrize("cluster", ["cluster1", "cluster2"])
def test_neither_does_somebody_signed_in_on_the_head_node(
    region: Region, machine: dict[str, list[Any]], cluster: str
) -> None:
    zone = region.environment.cluster(cluster).zone
    wanted = json.dumps(forbidden(region, zone, machine))
    done = region.shell(f"head-{cluster}", "alice", ["python3", "-c", PROBE], data=wanted, deadline=240)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["managed"] == []
    assert all(answer["able"])


@pytest.mark.parametrize("user", ["alice", "ec2-user"])
def test_somebody_of_this_machine_with_the_number_of_a_user_gets_at_none_of_the_users_files(
    region: Region, user: str
) -> None:
    environment, state = region.environment, region.state
    uid = next(one.uid for one in (environment.administrator, *environment.users) if one.name == user)
    own = [state.efs / "home" / user, state.efs / "spoolers" / user, state.scratch("cluster1") / user]
    assert {path.stat().st_uid for path in own} == {uid}
    for path in [*own, state.efs, state.efs / "apps", state.scratch("cluster2")]:
        as_them: dict[str, Any] = {"user": uid, "group": uid, "extra_groups": [], "cwd": "/"}
        done = subprocess.run(["ls", path], capture_output=True, text=True, check=False, **as_them)
        assert done.returncode != 0
        assert "Permission denied" in done.stderr


def test_the_machine_has_no_interface_of_the_environment(region: Region) -> None:
    names = {path.name for path in Path("/sys/class/net").iterdir()}
    assert not names & {"tandem", "head0", "head1", "portal0", "portal1", "uplink"}


def test_a_portal_node_has_no_storage_no_munge_and_no_way_to_the_nodes(region: Region) -> None:
    script = "ls /efs/home; ls /run/munge/munge.socket.2; cat /etc/tandem/secrets/signer/authority"
    done = region.shell("portal-eu-central-1a", "tandem-web", ["sh", "-c", script])
    assert done.stdout == ""
    assert done.stderr.count("Permission denied") + done.stderr.count("No such file") == 3
    layout = region.layout
    ports = [(head.address, head.controller_port) for head in layout.heads]
    ports += [(zone.address, ACCOUNTING_PORT) for zone in layout.zones]
    ports += [(zone.portal_address, WEB_PORT) for zone in layout.zones[1:]]
    for address, port in ports:
        probe = ["bash", "-c", 'exec 3<>"/dev/tcp/$0/$1"', address, str(port)]
        assert region.shell("portal-eu-central-1a", "tandem-web", probe).returncode != 0
