"""What a portal node is told when it starts: the one hand-over from `local/` or `aws/` to the portal.

`TANDEM_NODE` names a JSON file with these fields; `TANDEM_SECRETS` names the directory (one per service account)
with the files `database` (password) and `django` (key), each mode 0600.
"""

import os
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from tandem.environment import Environment, load_environment


class ClusterAddress(BaseModel):
    """Where a cluster's sshd listens, and the host keys it must show (OpenSSH's one-line public form)."""

    model_config = ConfigDict(extra="forbid")
    host: str
    port: int = 22
    host_keys: list[str] = Field(min_length=1)


class DatabaseAddress(BaseModel):
    """Where the portal's database is; the password is in the secrets directory."""

    model_config = ConfigDict(extra="forbid")
    host: str
    port: int = 3306
    name: str
    user: str
    authorities: Path | None = Field(
        None, description="whose certificate the server must show, as PEM; without it nothing is encrypted"
    )


class PortalNode(BaseModel):
    """One portal node's settings."""

    model_config = ConfigDict(extra="forbid")
    node: str = Field(description="this node's name, for leases and logs")
    zone: str
    environment: Path = Field(description="the environment file")
    public_url: str = Field(description="as people reach the portal, without a slash at the end")
    database: DatabaseAddress
    signer_socket: Path
    portal_addresses: list[str] = Field(
        description="addresses or networks of all portal nodes; certificates are good from these only"
    )
    balancer_addresses: list[str] = Field(description="addresses or networks whose X-Forwarded-For is believed")
    people_file: Path = Field(description="where the worker publishes who may enter the clusters")
    clusters: dict[str, ClusterAddress]


@lru_cache(maxsize=1)
def this_node() -> PortalNode | None:
    """The settings of the node that this process runs on, or None on a development server."""
    path = os.environ.get("TANDEM_NODE")
    return PortalNode.model_validate_json(Path(path).read_bytes()) if path else None


def this_environment() -> Environment | None:
    """The environment that this node is of, read again when its file has changed; None on a development server."""
    node = this_node()
    return _environment(node.environment, node.environment.stat().st_mtime_ns) if node else None


@lru_cache(maxsize=1)
def _environment(path: Path, changed: int) -> Environment:
    return load_environment(path)


def read_secret(name: str) -> str:
    """The secret `name` from this service account's secrets directory. Raises OSError when it is not readable."""
    return secret_file(name).read_text().strip()


def secret_file(name: str) -> Path:
    """Where the secret `name` of this service account is."""
    return Path(os.environ["TANDEM_SECRETS"]) / name
