"""Names and numbers that both the machine's side and the processes inside a zone know. Imports nothing."""

from pathlib import Path

SIGNER_SOCKET = Path("/run/tandem/signer.sock")
PEOPLE_FILE = Path("/var/lib/tandem/people/people.json")
ZONE_FACTS = Path("/etc/tandem/zone.json")
ACCOUNTS = Path("/run/accounts")
SUPERVISOR_SOCKET = "/run/supervisor.sock"
# While this file is there, no elastic node of the zone starts.
NO_CAPACITY = Path("/run/no-capacity")
PYTHON = "/opt/tandem/venv/bin/python"
ADMINISTRATORS = "administrators"

# System accounts inside the zones and the core. The numbers are in a range that Debian gives to nobody by itself.
SERVICE_IDS = {
    "munge": 700,
    "slurm": 701,
    "mysql": 702,
    "haproxy": 703,
    "sshd": 704,
    "tandem": 709,
    "tandem-web": 710,
    "tandem-worker": 711,
    "tandem-signer": 712,
    "tandem-watch": 713,
    ADMINISTRATORS: 720,
}


def node_service(cluster: str, node: str) -> str:
    """The name of the program that is a compute node."""
    return f"node-{cluster}-{node}"
