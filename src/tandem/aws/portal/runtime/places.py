"""Where things are on a portal node, and who runs there."""

from pathlib import Path

PYTHON = Path("/opt/tandem/venv/bin/python")
ETC = Path("/etc/tandem")
NODE_FILE = ETC / "node.json"
ENVIRONMENT_FILE = ETC / "environment.yaml"
INSTANCE_FILE = ETC / "instance.json"
AWS_VARIABLES = ETC / "aws.env"
DATABASE_AUTHORITIES = ETC / "database-authorities.pem"
FIREWALL = ETC / "metadata.nft"
LOG_AGENT = ETC / "logs.json"
# In memory: a stopped instance's disk holds no secret.
SECRETS = Path("/run/tandem-secrets")
STATE = Path("/run/tandem-configured.json")
SIGNER_SOCKET = Path("/run/tandem/signer.sock")
PEOPLE = Path("/var/lib/tandem/people")
PEOPLE_FILE = PEOPLE / "people.json"
LOGS = Path("/var/log/tandem")
UNITS = Path("/etc/systemd/system")
SUDOERS = Path("/etc/sudoers.d")

GROUP = "tandem"
# Each service runs as a user of its own; streams are the web's.
ACCOUNTS = ("web", "worker", "signer")


def account(name: str) -> str:
    """The system account of one of ACCOUNTS."""
    return f"tandem-{name}"
