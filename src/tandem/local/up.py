"""Bringing an environment up, or to what its file says now, step by step."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from tandem.environment import Environment
from tandem.local.apply import apply_to_core, apply_to_zone, restart_portal
from tandem.local.balancer import node_is_up
from tandem.local.bundle import build_bundle, bundle_is_fresh
from tandem.local.down import stop_gently
from tandem.local.firstjob import FirstJobs, PasswordChangedError
from tandem.local.health import cluster_answers, database_answers, portal_answers
from tandem.local.layout import Layout, ZoneLayout
from tandem.local.network import lay_cables
from tandem.local.packages import install, missing_packages
from tandem.local.plan import Plan, first_jobs_due, make_plan, remember_first_jobs, remember_people
from tandem.local.portal import migrate, sync_people
from tandem.local.prepare import install_database, prepare_state
from tandem.local.processes import CORE, inits, require_init
from tandem.local.progress import Progress, wait_until
from tandem.local.release import make_release, release_name, switch_release
from tandem.local.render import Tree
from tandem.local.state import State, ensure_directory
from tandem.local.zone import start_core, start_zone, stop_place


class Up:
    """One run of `tandem up`."""

    def __init__(self, environment: Environment, progress: Progress) -> None:
        self.environment = environment
        self.progress = progress
        self.layout = Layout(environment)
        self.state = State(environment.name)
        self.release = ""
        self.trees: dict[str, Tree] = {}

    def plan(self) -> Plan:
        """Install and write what does no harm to what runs, and say what is to be done."""
        ensure_directory(self.state.root.parent, 0o711)
        ensure_directory(self.state.root, 0o711)
        if missing := missing_packages():
            with self.progress.step(f"Installing {len(missing)} packages") as step:
                step.note(" ".join(missing))
                install(missing, self.state.root / "packages.log", step.note)
        if not bundle_is_fresh():
            with self.progress.step("Building the front-end bundle"):
                build_bundle(self.state.root / "bundle.log")
        with self.progress.step("Preparing") as step:
            step.note("secrets and settings")
            self.trees = prepare_state(self.layout, self.state)
            step.note("database files")
            install_database(self.state)
            step.note("the application's code")
            self.release = release_name()
            make_release(self.state, self.release)
            step.note("")
            return make_plan(self.layout, self.state, self.trees, self.release)

    def carry_out(self, plan: Plan, *, first_job: bool | None = None) -> None:
        """Do what the plan says; the environment must be locked.

        1. stop what is no longer wanted or must start anew
        2. start the core and the zones; the services in them wait for each other by themselves
        3. change what goes on running
        4. bring the portal's database to this release, tell it of the file's people
        5. restart portal nodes that run an older release, one after the other
        6. wait until clusters and portal answer
        7. run a job on each cluster, unless that has been done since the clusters were first made
        """
        self._stop(plan)
        if plan.from_nothing:
            switch_release(self.state, self.release)
        self._start(plan)
        self._change(plan)
        self._prepare_portal(plan)
        self._restart_portals(plan)
        self._wait()
        if first_job or (first_job is None and first_jobs_due(self.layout, self.state)):
            self.run_first_jobs(asked_for=bool(first_job))

    def run_first_jobs(self, *, asked_for: bool) -> None:
        """A job on each cluster. Nobody's new password is known here: without it they are left out, unless asked for.

        Left out once, they are no longer due: a wrong password at each `up` would lock the administrator out.
        """
        results, skipped = [], ""
        with self.progress.step("Running an MPI job on each cluster") as step:
            try:
                results = FirstJobs(self.layout, self.state).run(step)
            except PasswordChangedError as changed:
                if asked_for:
                    raise
                skipped = str(changed)
            remember_first_jobs(self.layout, self.state)
            step.note("skipped" if skipped else "")
        console = self.progress.console
        for result in results:
            console.print(f"  {result.line}", markup=False, highlight=False)
        if skipped:
            console.print(
                f"  No first jobs were run: {skipped}. The environment is up all the same. "
                "To run them, write the new password there and use `tandem up --first-job`.",
                style="yellow",
                markup=False,
                highlight=False,
            )

    def _stop(self, plan: Plan) -> None:
        zones = [*plan.stop_zones, *plan.restart_zones]
        for places in (zones, [CORE] if plan.restart_core else []):
            if places:
                with self.progress.step(f"Stopping {', '.join(places)}"):
                    stop_gently(self.state.name, places)

    def _start(self, plan: Plan) -> None:
        if plan.start_core or plan.restart_core:
            with self.progress.step("Starting the core"):
                self.trees["core"].write()
                start_core(self.state)
        zones = [self.layout.zone(name) for name in [*plan.restart_zones, *plan.start_zones]]
        if zones:
            with self.progress.step(f"Starting {', '.join(zone.name for zone in zones)}"):
                _at_once(self._start_zone, zones)
        for name in plan.reconnect:
            zone, core = self.layout.zone(name), require_init(self.state.name, "core")
            lay_cables(core, zone, require_init(self.state.name, name))

    def _start_zone(self, zone: ZoneLayout) -> None:
        self.trees[zone.name].write()
        start_zone(self.state, zone, self.environment)

    def _change(self, plan: Plan) -> None:
        if not plan.core and not any(plan.zones.values()):
            return
        with self.progress.step("Applying changes") as step:
            if plan.core:
                self._wait_for_database()
                apply_to_core(self.layout, self.state, self.trees["core"], plan.core, step)
            for name, changes in plan.zones.items():
                apply_to_zone(self.layout, self.state, self.layout.zone(name), changes, self.trees[name], step)
            step.note("")

    def _wait_for_database(self) -> None:
        log = self.state.core / "log/mysql/error.log"
        wait_until(lambda: database_answers(self.state), "the database does not answer", 240, log)

    def _prepare_portal(self, plan: Plan) -> None:
        if not plan.people and not plan.new_release and not plan.from_nothing:
            return
        with self.progress.step("Preparing the portal") as step:
            step.note("waiting for the database")
            self._wait_for_database()
            step.note("migrations")
            migrated = migrate(self.layout, self.state, self.release)
            if migrated or plan.people:
                step.note("people")
                sync_people(self.layout, self.state, self.release)
                remember_people(self.layout, self.state)
            step.note("")

    def _restart_portals(self, plan: Plan) -> None:
        switch_release(self.state, self.release)
        zones = [self.layout.zone(name) for name, changes in plan.zones.items() if changes.portal]
        if zones:
            with self.progress.step("Restarting the portal nodes") as step:
                for zone in zones:
                    restart_portal(self.state, zone, step)
                step.note("")

    def _wait(self) -> None:
        with self.progress.step("Waiting for the clusters") as step:
            for head in self.layout.heads:
                step.note(head.cluster.name)
                log = self.state.zone(head.zone) / f"log/slurmctld-{head.cluster.name}.out"
                answers = partial(cluster_answers, self.layout, head)
                wait_until(answers, f"{head.cluster.name} does not answer", 240, log)
            step.note(f"{len(self.layout.heads)} up")
        with self.progress.step("Waiting for the portal") as step:
            core = require_init(self.state.name, "core")
            for zone in self.layout.zones:
                step.note(zone.portal)
                log = self.state.zone(zone.name) / "log/web.out"
                wait_until(partial(node_is_up, core, zone.portal), f"{zone.portal} does not answer", 240, log)
            port = self.environment.portal.port
            wait_until(lambda: portal_answers(self.state, port), "the portal does not answer", 30)
            step.note(f"https://127.0.0.1:{port}")


def _at_once(work: Callable[[ZoneLayout], None], zones: list[ZoneLayout]) -> None:
    with ThreadPoolExecutor() as pool:
        list(pool.map(work, zones))


class Undo:
    """What an interrupted `up` takes back: all that was not there when it began."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.running = {init.place for init in inits(state.name)}
        self.existed = state.root.exists()

    def run(self) -> None:
        """Stop what was started; forget a state directory that was begun."""
        for init in list(inits(self.state.name)):
            if init.place not in self.running:
                stop_place(self.state.name, init.place)
        if not self.existed and self.state.root.exists():
            self.state.remove()
