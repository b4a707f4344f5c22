"""The environment that `tandem.yaml` describes: read and checked here; everything else takes it from here."""

from tandem.environment.instances import INSTANCE_TYPES, Hardware
from tandem.environment.loading import load_environment
from tandem.environment.model import (
    Administrator,
    AwsSettings,
    Cluster,
    Database,
    Environment,
    Failover,
    LocalSettings,
    Portal,
    Queue,
    Scratch,
    Shared,
    Storage,
    User,
    Zone,
)
from tandem.environment.problems import EnvironmentFileError, Problem

__all__ = [
    "INSTANCE_TYPES",
    "Administrator",
    "AwsSettings",
    "Cluster",
    "Database",
    "Environment",
    "EnvironmentFileError",
    "Failover",
    "Hardware",
    "LocalSettings",
    "Portal",
    "Problem",
    "Queue",
    "Scratch",
    "Shared",
    "Storage",
    "User",
    "Zone",
    "load_environment",
]
