"""What runs of an environment: zones, clusters, services, portal; as data for people and for programs."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tandem.environment import Environment
from tandem.local.balancer import server_states
from tandem.local.certificates import RENEWED_BEFORE, certificate_end
from tandem.local.drill import Drill
from tandem.local.health import cluster_answers, portal_answers
from tandem.local.layout import Layout
from tandem.local.processes import find_init
from tandem.local.secrets import Secrets
from tandem.local.state import State
from tandem.local.supervise import ServiceState, Supervisor, UnreachableError


@dataclass(frozen=True)
class ClusterStatus:
    """One cluster."""

    name: str
    zone: str
    head: str
    address: str
    answers: bool


@dataclass(frozen=True)
class ZoneStatus:
    """One zone, or the core."""

    name: str
    condition: str
    services: list[ServiceState]

    @property
    def failing(self) -> list[str]:
        """Services that should run and do not."""
        return [one.name for one in self.services if one.state in ("BACKOFF", "FATAL", "EXITED", "UNKNOWN")]


@dataclass(frozen=True)
class Status:
    """All of it."""

    environment: str
    running: bool
    portal: str
    portal_answers: bool
    portal_nodes: dict[str, str]
    administrator: str
    password_file: Path
    authority: Path
    zones: list[ZoneStatus]
    clusters: list[ClusterStatus]
    notices: list[str]

    def document(self) -> dict[str, Any]:
        """For `--json`."""
        data = asdict(self)
        return {**data, "password_file": str(self.password_file), "authority": str(self.authority)}


def environment_status(environment: Environment) -> Status:
    """Look at everything once."""
    state, layout, drill = State(environment.name), Layout(environment), Drill(environment)
    core = find_init(environment.name, "core")
    places = [ZoneStatus("core", "up" if core else "down", _services(environment.name, "core"))]
    clusters = []
    for zone in layout.zones:
        condition = drill.condition(zone)
        services = [] if condition.frozen else _services(environment.name, zone.name)
        places.append(ZoneStatus(zone.name, condition.word, services))
        reachable = condition.running and not condition.frozen
        clusters += [
            ClusterStatus(
                head.cluster.name, zone.name, head.name, head.address, reachable and cluster_answers(layout, head)
            )
            for head in zone.heads
        ]
    states = server_states(core) if core else {}
    return Status(
        environment=environment.name,
        running=core is not None,
        portal=f"https://127.0.0.1:{environment.portal.port}",
        portal_answers=core is not None and portal_answers(state, environment.portal.port),
        portal_nodes={zone.portal: states.get(("web", zone.portal), "DOWN") for zone in layout.zones},
        administrator=environment.administrator.name,
        password_file=state.secrets / "administrator",
        authority=state.authority,
        zones=places,
        clusters=clusters,
        notices=_notices(state),
    )


def _notices(state: State) -> list[str]:
    """What works today and needs somebody all the same."""
    found = []
    end = certificate_end(state.secrets)
    if end and end < datetime.now(UTC) + RENEWED_BEFORE:
        found.append(f"The portal's certificate ends on {end:%Y-%m-%d}: `tandem up` renews it.")
    if Secrets(state.secrets).rotation_is_under_way():
        found.append(
            "The SSH authority is being replaced: `tandem keys show` says how far it is, "
            "`tandem keys rotate --finish` ends it."
        )
    return found


def _services(environment: str, place: str) -> list[ServiceState]:
    init = find_init(environment, place)
    if init is None:
        return []
    try:
        return Supervisor.of(init).services()
    except UnreachableError:
        return []
