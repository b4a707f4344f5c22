"""What an EC2 instance type stands for: its CPUs (vCPUs) and memory in GiB.

Only families that people compute on. A type that is not here can still be used: the queue then gives `cpus` and
`memory_gib` beside it.
"""

from typing import NamedTuple


class Hardware(NamedTuple):
    """What a node has."""

    cpus: int
    memory_gib: float


def _family(names: str, gib_per_cpu: float, sizes: dict[str, int]) -> dict[str, Hardware]:
    return {
        f"{name}.{size}": Hardware(cpus, cpus * gib_per_cpu) for name in names.split() for size, cpus in sizes.items()
    }


_SMALL = {"large": 2, "xlarge": 4, "2xlarge": 8, "4xlarge": 16}
_FIFTH = _SMALL | {"8xlarge": 32, "12xlarge": 48, "16xlarge": 64, "24xlarge": 96}
_SIXTH = _FIFTH | {"32xlarge": 128}
_SEVENTH = _FIFTH | {"48xlarge": 192}
_ARM = {"medium": 1} | _SMALL | {"8xlarge": 32, "12xlarge": 48, "16xlarge": 64}
_ARM_EIGHTH = _ARM | {"24xlarge": 96, "48xlarge": 192}

INSTANCE_TYPES: dict[str, Hardware] = {
    # General purpose, burstable: always-on queues, portal nodes.
    "t3.small": Hardware(2, 2),
    "t3.medium": Hardware(2, 4),
    "t3.large": Hardware(2, 8),
    "t3.xlarge": Hardware(4, 16),
    "t3.2xlarge": Hardware(8, 32),
    "t4g.small": Hardware(2, 2),
    "t4g.medium": Hardware(2, 4),
    "t4g.large": Hardware(2, 8),
    "t4g.xlarge": Hardware(4, 16),
    # Compute: 2 GiB a CPU.
    **_family("c5", 2, _SMALL | {"9xlarge": 36, "12xlarge": 48, "18xlarge": 72, "24xlarge": 96}),
    **_family("c5a", 2, _FIFTH),
    **_family("c6i c6id c6in", 2, _SIXTH),
    **_family("c6a", 2, _SIXTH | {"48xlarge": 192}),
    **_family("c7i c7a", 2, _SEVENTH),
    **_family("c6g c6gn c7g c7gn", 2, _ARM),
    **_family("c8g", 2, _ARM_EIGHTH),
    "c5n.large": Hardware(2, 5.25),
    "c5n.xlarge": Hardware(4, 10.5),
    "c5n.2xlarge": Hardware(8, 21),
    "c5n.4xlarge": Hardware(16, 42),
    "c5n.9xlarge": Hardware(36, 96),
    "c5n.18xlarge": Hardware(72, 192),
    # General purpose: 4 GiB a CPU.
    **_family("m5 m5a", 4, _FIFTH),
    **_family("m6i", 4, _SIXTH),
    **_family("m6a", 4, _SIXTH | {"48xlarge": 192}),
    **_family("m7i m7a", 4, _SEVENTH),
    **_family("m6g m7g", 4, _ARM),
    **_family("m8g", 4, _ARM_EIGHTH),
    # Memory: 8 GiB a CPU.
    **_family("r5 r5a", 8, _FIFTH),
    **_family("r6i", 8, _SIXTH),
    **_family("r6a", 8, _SIXTH | {"48xlarge": 192}),
    **_family("r7i r7a", 8, _SEVENTH),
    **_family("r6g r7g", 8, _ARM),
    # HPC: one size each, with the fast network.
    "hpc6a.48xlarge": Hardware(96, 384),
    "hpc6id.32xlarge": Hardware(64, 1024),
    "hpc7a.12xlarge": Hardware(24, 768),
    "hpc7a.24xlarge": Hardware(48, 768),
    "hpc7a.48xlarge": Hardware(96, 768),
    "hpc7a.96xlarge": Hardware(192, 768),
    "hpc7g.4xlarge": Hardware(16, 128),
    "hpc7g.8xlarge": Hardware(32, 128),
    "hpc7g.16xlarge": Hardware(64, 128),
    # GPUs.
    "g4dn.xlarge": Hardware(4, 16),
    "g4dn.2xlarge": Hardware(8, 32),
    "g4dn.4xlarge": Hardware(16, 64),
    "g4dn.8xlarge": Hardware(32, 128),
    "g4dn.12xlarge": Hardware(48, 192),
    "g5.xlarge": Hardware(4, 16),
    "g5.2xlarge": Hardware(8, 32),
    "g5.4xlarge": Hardware(16, 64),
    "g5.8xlarge": Hardware(32, 128),
    "g5.12xlarge": Hardware(48, 192),
    "g5.48xlarge": Hardware(192, 768),
    "p3.2xlarge": Hardware(8, 61),
    "p3.8xlarge": Hardware(32, 244),
    "p3.16xlarge": Hardware(64, 488),
    "p4d.24xlarge": Hardware(96, 1152),
    "p5.48xlarge": Hardware(192, 2048),
}
