"""Bringing an environment up, step by step."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tandem.environment import Environment
from tandem.local.health import cluster_answers, database_answers, portal_answers
from tandem.local.layout import Layout
from tandem.local.portal import migrate, sync_people
from tandem.local.prepare import install_database, prepare_state
from tandem.local.processes import find_init
from tandem.local.progress import Progress, wait_until
from tandem.local.release import current_release, make_release, release_name, switch_release
from tandem.local.state import State
from tandem.local.zone import start_core, start_zone


@dataclass(frozen=True)
class Up:
    """One run of `tandem up`."""

    environment: Environment
    file: Path
    progress: Progress

    def run(self) -> None:
        """Bring up what is not up.

        1. write the state directory
        2. start the core, wait for the database
        3. start the zones, wait for the clusters
        4. bring the portal's database to this release, wait for the portal
        """
        layout, state = Layout(self.environment), State(self.environment.name)
        with state.locked():
            with self.progress.step("Preparing the state directory"):
                prepare_state(self.environment, self.file, state)
                install_database(state)
                release = release_name()
                make_release(state, release)
                if current_release(state) is None:
                    switch_release(state, release)
            with self.progress.step("Starting the core"):
                if not find_init(state.name, "core"):
                    start_core(state)
                log = state.core / "log/mysql/error.log"
                wait_until(lambda: database_answers(state), "the database", 60, log)
            with self.progress.step("Starting the zones"):
                missing = [zone for zone in layout.zones if not find_init(state.name, zone.name)]
                with ThreadPoolExecutor() as pool:
                    list(pool.map(lambda zone: start_zone(state, zone, self.environment), missing))
            with self.progress.step("Waiting for the clusters"):
                for head in layout.heads:
                    log = state.zone(head.zone) / f"log/slurmctld-{head.cluster.name}.out"
                    wait_until(partial(cluster_answers, layout, head), head.cluster.name, 60, log)
            with self.progress.step("Preparing the portal"):
                if migrate(layout, state, release):
                    sync_people(layout, state, release)
                switch_release(state, release)
            with self.progress.step("Waiting for the portal"):
                port = self.environment.portal.port
                wait_until(lambda: portal_answers(state, port), "the portal", 60)
