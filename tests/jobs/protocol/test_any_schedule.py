"""Whatever happens in whatever order: no payload starts twice, no state is said that is not true, nothing is lost."""

import random
from dataclasses import replace

import pytest
from django.utils import timezone
from tests.jobs.protocol.world import TIMES, Run, World, state

from tandem.accounts.models import Person
from tandem.clusters.models import ClusterState
from tandem.clusters.scheduler import Ending, Phase
from tandem.jobs import actions
from tandem.jobs.models import FINAL_STATES, Job, Placement

pytestmark = pytest.mark.django_db

STEPS = 40
JOBS = 3
HEALED_AFTER = 60


class Chaos:
    """Does things at random, and keeps account of what really happened."""

    def __init__(self, world: World, owner: Person, seed: int) -> None:
        self.world = world
        self.owner = owner
        self.random = random.Random(seed)
        self.jobs: list[Job] = []
        self.starts: dict[object, list[Run]] = {}
        self.completed: set[object] = set()
        self.running: list[Run] = []
        self.log: list[str] = []

    # What can happen

    def submit(self) -> None:
        if len(self.jobs) < JOBS:
            job = self.world.submit(self.owner, cluster=self.random.choice(["cluster1", "any"]))
            self.jobs.append(job)
            self.starts[job.pk] = []

    def dispatch(self) -> None:
        self.world.dispatch()

    def poll(self) -> None:
        self.world.pass_time(self.random.choice([1, 2, 15]))
        for name in self.random.sample(list(self.world.clusters), 2):
            for run in self.running:
                run.beat()
            self.world.poll(name)

    def start(self) -> None:
        """A scheduler starts a wrapper, which runs if it wins the claim; the other gives way."""
        fake = self.world.clusters[self.random.choice(list(self.world.clusters))]
        waiting = [number for number, row in fake.jobs.items() if row.phase is Phase.WAITING]
        if not waiting:
            return
        number = self.random.choice(waiting)
        row = fake.jobs[number]
        placement = Placement.objects.filter(pk=row.placement).first()
        if placement is None:
            return
        self.world.runs += 1
        run = Run(self.world, placement.job, fake, number, 0, f"{self.world.runs:08x}-0000", placement.pk)
        try:
            run.path("claim").symlink_to(f"run:{fake.name}:{placement.pk}:{number}:{run.nonce}")
        except FileExistsError:
            fake.end(number, Ending.FAILED, 113)
            return
        assert state(placement.job) not in FINAL_STATES, "it started after it was said to be over"
        fake.jobs[number] = replace(row, phase=Phase.RUNNING, state="RUNNING", started_at=timezone.now())
        self.starts[placement.job_id].append(run)
        self.running.append(run)
        run.beat()

    def finish(self) -> None:
        if self.running:
            run = self.running.pop(self.random.randrange(len(self.running)))
            run.write_result(0)
            self.completed.add(run.job.pk)
            if run.number in run.cluster.jobs and run.cluster.jobs[run.number].placement == str(run.placement):
                run.end(0)

    def die(self) -> None:
        if self.running:
            run = self.running.pop(self.random.randrange(len(self.running)))
            if run.number in run.cluster.jobs and run.cluster.jobs[run.number].placement == str(run.placement):
                run.end(ending=self.random.choice([Ending.LOST_NODE, Ending.FAILED]), code=1)

    def lose_an_answer(self) -> None:
        self.world.clusters["cluster1"].lose_answers += 1

    def lose_a_request(self) -> None:
        self.world.clusters["cluster1"].lose_requests += 1

    def forget(self) -> None:
        """slurmctld is killed: what waits is forgotten, what runs goes on unseen."""
        self.random.choice(list(self.world.clusters.values())).forget()

    def fall_silent(self) -> None:
        self.random.choice(list(self.world.clusters.values())).silent = True

    def come_back(self) -> None:
        for name, fake in self.world.clusters.items():
            if fake.silent:
                fake.silent = False
                self.world.set_state(name, self.random.choice([ClusterState.UP, ClusterState.RECOVERING]))
            else:
                self.world.set_state(name, ClusterState.UP)

    def cancel(self) -> None:
        job = self.random.choice(self.jobs) if self.jobs else None
        if job is not None and state(job) not in FINAL_STATES:
            actions.cancel_job(job, self.owner)

    def forget_in_the_database(self) -> None:
        """A restore from a backup: placements that it did not have yet are gone."""
        Placement.objects.filter(task=None, job__in=self.random.sample(self.jobs, min(1, len(self.jobs)))).delete()

    def stop_what_was_cancelled(self) -> None:
        """What scancel and a closed claim do to a run."""
        for run in list(self.running):
            row = run.cluster.jobs.get(run.number)
            closed = (self.world.real(run.job.control_path) / "claim.0.1").is_symlink()
            ended = row is not None and row.placement == str(run.placement) and row.phase is Phase.ENDED
            if closed or ended:
                self.running.remove(run)
                if row is not None and row.placement == str(run.placement) and row.phase is not Phase.ENDED:
                    run.end(115, Ending.FAILED)

    # What has to be true

    def check(self) -> None:
        for job in self.jobs:
            job.refresh_from_db()
            assert len(self.starts[job.pk]) <= 1, f"{job.pk} started twice"
            if job.state == "COMPLETED":
                assert job.pk in self.completed
            if job.state == "CANCELLED":
                assert job.cancel_wanted_at is not None
                assert not any(run.job.pk == job.pk for run in self.running), "it still runs"
            if job.state == "FAILED":
                assert self.starts[job.pk], job.reason
                assert not any(run.job.pk == job.pk for run in self.running), "it still runs"

    def step(self) -> None:
        often = [self.dispatch, self.poll, self.poll, self.start]
        now_and_then = [self.submit, self.finish, self.come_back, self.stop_what_was_cancelled]
        seldom = [
            *[self.die, self.lose_an_answer, self.lose_a_request, self.forget],
            *[self.fall_silent, self.cancel, self.forget_in_the_database],
        ]
        act = self.random.choice([*often, *often, *now_and_then, *now_and_then, *seldom])
        self.log.append(act.__name__)
        act()
        self.check()

    def heal(self) -> None:
        """Everything works again: all jobs come to an end, and what they end as is true."""
        for fake in self.world.clusters.values():
            fake.silent, fake.lose_answers, fake.lose_requests = False, 0, 0
        for name in self.world.clusters:
            self.world.set_state(name, ClusterState.UP)
        for _ in range(HEALED_AFTER):
            self.stop_what_was_cancelled()
            self.world.dispatch()
            self.start()
            self.start()
            self.finish()
            self.world.pass_time(TIMES.self_fence)
            for name in self.world.clusters:
                self.world.poll(name)
            self.check()
            if all(state(job) in FINAL_STATES for job in self.jobs):
                return
        raise AssertionError([(job.state, job.reason, list(job.placements.values("state"))) for job in self.jobs])


@pytest.mark.parametrize("seed", range(6))
def test_any_schedule_keeps_the_promises(world: World, ada: Person, seed: int) -> None:
    chaos = Chaos(world, ada, seed)
    try:
        for _ in range(STEPS):
            chaos.step()
        chaos.heal()
    except AssertionError as broken:
        raise AssertionError(f"{broken} after {' '.join(chaos.log)}") from broken
