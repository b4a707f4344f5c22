"""Names on AWS, all derived from the environment's name, so that any number of environments stand in one account.

Imports nothing but Python's own: what runs on AWS's machines may bring it along.
"""

from dataclasses import dataclass
from hashlib import sha256

# In the order in which each needs those before it.
STACKS = ("VPC", "AuroraServerless", "EFS", "FSX", "ALB", "Clusters", "Portal")

DATABASE_PORT = 3306
WEB_PORT = 8000
STREAMS_PORT = 8001
READY_PATH = "/healthz"
STREAMS_READY_PATH = "/streams/healthz"
# Parameters hold 4 KiB each: who may enter the clusters is compressed and cut into so many.
PEOPLE_PARTS = 16
# What a parameter holds until the one who writes it has done so. An empty one cannot be made.
NOT_YET = "-"


@dataclass(frozen=True)
class Names:
    """The names of one environment."""

    environment: str

    def stack(self, stack: str) -> str:
        """The name of the stack with the id `stack`."""
        return f"{self.environment}-{stack}"

    def cluster(self, cluster: str) -> str:
        """ParallelCluster's name of a cluster, unique in an account and region; with accounting 40 characters fit."""
        name = f"{self.environment}-{cluster}"
        return name if len(name) <= 40 else f"{name[:31]}-{sha256(name.encode()).hexdigest()[:8]}"

    @property
    def parameters(self) -> str:
        """What the paths of all parameters begin with."""
        return f"/tandem/{self.environment}"

    @property
    def people(self) -> str:
        """Path of the parameters, named 0, 1 …, with who may enter the clusters. Written by the portal."""
        return f"{self.parameters}/people"

    @property
    def people_parts(self) -> list[str]:
        """The paths of these parameters."""
        return [f"{self.people}/{part}" for part in range(PEOPLE_PARTS)]

    @property
    def authority_public(self) -> str:
        """Parameter with the authority's public keys in OpenSSH's form, one a line."""
        return f"{self.parameters}/authority"

    @property
    def portal(self) -> str:
        """Parameter with what a portal node is told beside its user data, as JSON."""
        return f"{self.parameters}/portal"

    def host_key(self, cluster: str) -> str:
        """Parameter with a head node's public host key: the one that the head node writes."""
        return f"{self.parameters}/clusters/{cluster}/host-key"

    def content(self, cluster: str) -> str:
        """Parameter with where the set-up of a cluster's nodes is, and the path of their scratch file system."""
        return f"{self.parameters}/clusters/{cluster}/content"

    def address(self, cluster: str) -> str:
        """Parameter with a head node's private address."""
        return f"{self.parameters}/clusters/{cluster}/address"

    @property
    def secrets(self) -> str:
        """What the names of all secrets begin with."""
        return f"tandem/{self.environment}"

    @property
    def authority(self) -> str:
        """Secret with the private key of the authority."""
        return f"{self.secrets}/authority"

    @property
    def django(self) -> str:
        """Secret with the key that the portal signs cookies with."""
        return f"{self.secrets}/django"

    @property
    def administrator(self) -> str:
        """Secret with the administrator's password, where the operator named none of their own."""
        return f"{self.secrets}/administrator"

    @property
    def database_master(self) -> str:
        """Secret with the database's master account; nobody but the Lambda that makes the others reads it."""
        return f"{self.secrets}/database/master"

    @property
    def database_portal(self) -> str:
        """Secret with the password of the portal's account in the database, as plain text."""
        return f"{self.secrets}/database/portal"

    def database_accounting(self, cluster: str) -> str:
        """Secret with the password of a cluster's account in the database, as plain text."""
        return f"{self.secrets}/database/{cluster}"

    def munge(self, cluster: str) -> str:
        """Secret with a cluster's munge key."""
        return f"{self.secrets}/munge/{cluster}"

    @property
    def portal_database(self) -> str:
        """The portal's database, and its account there."""
        return "tandem"

    def accounting_database(self, cluster: str) -> str:
        """A cluster's accounting database, and its account there."""
        return "slurm_" + cluster.replace("-", "_")

    def logs(self, what: str) -> str:
        """The log group of `what`: `portal`, `loader` …"""
        return f"/tandem/{self.environment}/{what}"
