"""What may happen, as rules: hypothesis makes schedules of them, and looks for the shortest that breaks a promise."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.jobs.protocol.model.cluster import FakeCluster
from tests.jobs.protocol.model.ledger import Broken
from tests.jobs.protocol.model.world import NAMES, World, a_world

from tandem.clusters.scheduler import Ending
from tandem.jobs import actions

MOST_JOBS = 3
JOBS: dict[str, dict[str, Any]] = {
    "single": {},
    "restartable": {"restartable": True},
    "array": {"array": "0-2"},
    "restartable array": {"array": "0-1", "restartable": True},
}
VERBS = {
    "cancel": actions.cancel_job,
    "hold": actions.hold_job,
    "release": actions.release_job,
    "requeue": actions.requeue_job,
}

clusters = st.sampled_from(NAMES)
workers = st.sampled_from((0, 1))
places = st.sampled_from(("any", "any", *NAMES))
picks = st.integers(0, 5)
# How many points a turn passes before it stands still: mostly all of them.
points = st.one_of(st.none(), st.none(), st.integers(0, 40))


def _flag(**flags: Any) -> "Trouble":
    def set_flags(world: World, cluster: FakeCluster, pick: int) -> None:
        for name, value in flags.items():
            setattr(cluster, name, value)

    return set_flags


def _fails(how: str) -> "Trouble":
    return lambda world, cluster, pick: cluster.fails.append(how)


def _lag(world: World, cluster: FakeCluster, pick: int) -> None:
    world.files.lag[cluster.name] = 10.0


def _unreadable(world: World, cluster: FakeCluster, pick: int) -> None:
    world.files.unreadable[cluster.name] += 1


def _lose(world: World, cluster: FakeCluster, pick: int) -> None:
    if not cluster.lost:
        cluster.lose()
        world.late = [(there, act) for there, act in world.late if there is not cluster]


def _kill_scheduler(world: World, cluster: FakeCluster, pick: int) -> None:
    if not cluster.lost and not cluster.scheduler_down:
        cluster.kill_scheduler()
        if pick:  # most often it is started again at once
            cluster.start_scheduler()


def _of_a_run(act: Callable[[FakeCluster, Any], None]) -> "Trouble":
    def fault(world: World, cluster: FakeCluster, pick: int) -> None:
        if cluster.runs and not cluster.lost and not cluster.frozen:
            act(cluster, cluster.runs[pick % len(cluster.runs)])

    return fault


def _out_of_memory(cluster: FakeCluster, run: Any) -> None:
    run.why = "ran out of memory"
    if found := cluster.part_of(run):
        found[1].ending_wanted, found[1].signal = Ending.FAILED, 9
    run.die(None)


def _half_link(cluster: FakeCluster, run: Any) -> None:
    """The server made the link, and the answer got lost: the client asks again and is told that it is there."""
    if run.is_linking:
        cluster.files.link(cluster.name, run.values.control, run._claim(), run.own)


def _operators_requeue(world: World, cluster: FakeCluster, pick: int) -> None:
    if cluster.works:
        for entry in list(cluster.entries.values()):
            cluster.put_back(entry)


def _scheduler_cancels(world: World, cluster: FakeCluster, pick: int) -> None:
    live = [entry for entry in cluster.entries.values() if entry.is_live]
    if cluster.works and live:
        cluster.cancel_by_itself(live[pick % len(live)])


def _cancel_a_task(*, by_root: bool) -> "Trouble":
    def fault(world: World, cluster: FakeCluster, pick: int) -> None:
        arrays = [entry for entry in cluster.entries.values() if entry.is_live and entry.is_array]
        if cluster.works and arrays:
            entry = arrays[pick % len(arrays)]
            task = list(entry.parts)[-1 - pick % len(entry.parts)]
            if not by_root:
                world.ledger.wished_tasks.add((entry.values.job, task))
            cluster.cancel_task(entry, task, by_root=by_root)

    return fault


def _cannot_launch(world: World, cluster: FakeCluster, pick: int) -> None:
    waiting = [part for entry in cluster.entries.values() for part in entry.parts.values() if part.waits]
    if cluster.works and waiting:
        waiting[pick % len(waiting)].is_stuck = True


def _owners_scancel(world: World, cluster: FakeCluster, pick: int) -> None:
    live = [entry for entry in cluster.entries.values() if entry.is_live]
    if cluster.works and live:
        entry = live[pick % len(live)]
        world.ledger.wished.add(entry.values.job)
        cluster._cancel(entry.values.placement, by_tandem=False)


def _any_worker(world: World, cluster: FakeCluster, pick: int) -> None:
    world.kill_worker(pick % 2)


def _wrong_clock(world: World, cluster: FakeCluster, pick: int) -> None:
    world.skews[pick % 2] = 45.0 if pick < 3 else -45.0


def _late_request(world: World, cluster: FakeCluster, pick: int) -> None:
    if world.late:
        world.deliver_late(pick)


def _restore(world: World, cluster: FakeCluster, pick: int) -> None:
    """To what it was at the last backup; without one, make it."""
    if world.has_backup:
        world.restore()
    else:
        world.back_up()


def _mend(world: World, cluster: FakeCluster, pick: int) -> None:
    world.mend(cluster)


WELL = "is well again"
UNSEEN = ("is cut off with its storage", "its storage hangs", "is cut off", "the zone freezes")
Trouble = Callable[[World, FakeCluster, int], None]
TROUBLES: dict[str, Trouble] = {
    "a worker is killed": _any_worker,
    "a worker's clock is wrong": _wrong_clock,
    "a late request is carried out": _late_request,
    "the database is backed up, or restored": _restore,
    "an answer gets lost": _fails("answer lost"),
    "a request gets lost": _fails("request lost"),
    "a request is carried out late": _fails("late"),
    "is cut off": _flag(cut=True),
    "is cut off with its storage": _flag(cut=True, storage_hangs=True),
    "its storage hangs": _flag(storage_hangs=True),
    "its storage is lost": _flag(storage_lost=True),
    "sees others' files late": _lag,
    "cannot read a link": _unreadable,
    "a link's answer gets lost": _of_a_run(_half_link),
    "the zone is lost": _lose,
    "the zone freezes": _flag(frozen=True),
    "kill -9 of slurmctld": _kill_scheduler,
    "slurmctld hangs": _flag(scheduler_hangs=True),
    "slurmdbd is down": _flag(history_down=True),
    "slurmctld is busy": _flag(busy=True),
    "killing takes long": _flag(slow_kill=True),
    "a node fails": _of_a_run(lambda cluster, run: cluster.node_fails(run, lives_on=False)),
    "a node is out of sight": _of_a_run(lambda cluster, run: cluster.node_fails(run, lives_on=True)),
    "a run is out of memory": _of_a_run(_out_of_memory),
    "orphans are ended": lambda world, cluster, pick: cluster.end_orphans(),
    "a run reaches its time limit": _of_a_run(lambda cluster, run: cluster.reach_limit(run)),
    "a run is suspended": _of_a_run(lambda cluster, run: cluster.suspend(run)),
    "what is suspended goes on": lambda world, cluster, pick: cluster.resume(),
    "the scheduler cancels what waits": _scheduler_cancels,
    "its payloads ignore SIGTERM": _flag(payloads_ignore_term=True),
    "reads late": _flag(reads_late=True),
    "the scheduler cannot launch what waits": _cannot_launch,
    "an operator requeues": _operators_requeue,
    "the owner uses scancel": _owners_scancel,
    "the owner uses scancel on one task": _cancel_a_task(by_root=False),
    "the scheduler cancels one task": _cancel_a_task(by_root=True),
    "has no capacity": _flag(no_capacity=True),
    "refuses a job": _flag(refuses="no"),
    "refuses a job and has it": _flag(refuses="no, but"),
}


# How a schedule begins: a job for some place, and the kinds of trouble that there will be. What lives on where nobody
# sees it is seldom met by chance alone: it takes a job that may start again elsewhere, and time.
_anything = st.tuples(
    st.sampled_from(sorted(JOBS)),
    places,
    st.lists(st.sampled_from(sorted(TROUBLES)), min_size=1, max_size=4, unique=True),
)
_unseen = st.tuples(
    st.sampled_from(("restartable", "restartable array")),
    st.just("any"),
    st.lists(st.sampled_from(UNSEEN), min_size=1, max_size=2, unique=True),
)
openings = st.one_of(_anything, _anything, _unseen)


class Model(RuleBasedStateMachine):
    """A schedule. `schedules` counts those that were run, for people to see.

    Few kinds of trouble come together in one schedule, and those again and again: it has to get somewhere in between.
    """

    schedules: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.world = self.stack.enter_context(a_world())
        self.is_broken = False
        self.troubles: list[str] = []
        type(self).schedules += 1
        if self.schedules % 500 == 0:
            print(f"{self.schedules} schedules so far", flush=True)

    def _do(self, words: str, act: Callable[[], Any]) -> None:
        self.world.log.append(f"{self.world.seconds % 1e8:6.0f} {words}")
        self.is_broken = True
        try:
            act()
        except Broken as broken:
            raise Broken("\n".join([str(broken), *self.world.log])) from broken
        self.is_broken = False

    @initialize(opening=openings)
    def begin(self, opening: tuple[str, str, list[str]]) -> None:
        kind, where, self.troubles = opening
        self.submit(kind, where)

    @precondition(lambda self: len(self.world.jobs) < MOST_JOBS)
    @rule(kind=st.sampled_from(sorted(JOBS)), where=places)
    def submit(self, kind: str, where: str) -> None:
        self._do(f"submit {kind} for {where}", lambda: self.world.submit(cluster=where, **JOBS[kind]))

    @rule(worker=workers, name=clusters, how_far=points, is_poll=st.sampled_from((True, True, False)))
    def turn(self, worker: int, name: str, how_far: int | None, is_poll: bool) -> None:
        what = f"{'poll' if is_poll else 'dispatch'} {name}"
        act = self.world.poll if is_poll else self.world.dispatch
        if not self.world.is_busy(worker, what):
            self._do(f"worker {worker}: {what}", lambda: act(worker, name, how_far))

    @precondition(lambda self: self.world.turns)
    @rule(pick=picks, how_far=points)
    def go_on(self, pick: int, how_far: int | None) -> None:
        turn = self.world.turns[pick % len(self.world.turns)]
        self._do(f"worker {turn.worker} goes on: {turn.what}", lambda: self.world.go_on(turn, how_far))

    @rule(worker=workers, name=clusters, how_far=st.integers(0, 60))
    def oversleep(self, worker: int, name: str, how_far: int) -> None:
        """It all comes together: what has just started is seen by a worker that stands still, and ends meanwhile."""
        what = f"poll {name}"
        if self.world.is_busy(worker, what) or self.world.is_busy(1 - worker, what):
            return

        def act() -> None:
            world = self.world
            started = world.clusters[name].start_waiting(4)
            for run in started * 12:
                run.step()
            world.poll(worker, name, how_far)
            for run in started:
                if run in world.active_runs():
                    run.finish(0)
            for run in started * 3:
                run.step()
            world.poll(1 - worker, name)
            world.ledger.check()
            for turn in [turn for turn in world.turns if (turn.worker, turn.what) == (worker, what)]:
                world.go_on(turn)

        self._do(f"worker {worker} oversleeps while {name} starts and ends", act)

    def work(self, worker: int, seconds: float) -> None:
        self._do(f"all work, {seconds:.0f} s", lambda: self.world.work(seconds, worker, finish=False))

    # All rules are chosen equally often. This one more often: without it nothing gets far.
    work_1 = rule(worker=workers, seconds=st.sampled_from((2.0, 8.0)))(work)
    work_2 = rule(worker=workers, seconds=st.sampled_from((8.0, 70.0)))(work)
    work_3 = rule(worker=workers, seconds=st.just(70.0))(work)

    @rule(seconds=st.sampled_from((1.0, 5.0, 20.0)))
    def pass_time(self, seconds: float) -> None:
        self._do(f"{seconds:.0f} s pass", lambda: self.world.pass_time(seconds))

    @rule(name=clusters, most=st.integers(1, 3))
    def start(self, name: str, most: int) -> None:
        self._do(f"{name} starts {most}", lambda: self.world.clusters[name].start_waiting(most))

    @precondition(lambda self: self.world.all_runs())
    @rule(pick=picks, steps=st.integers(1, 8))
    def run(self, pick: int, steps: int) -> None:
        runs = self.world.all_runs()
        run = runs[pick % len(runs)]
        self._do(f"run {run.nonce} goes {steps} steps", lambda: [run.step() for _ in range(steps)])

    @precondition(lambda self: self.world.active_runs())
    @rule(pick=picks, code=st.sampled_from((0, 0, 0, 1)))
    def finish(self, pick: int, code: int) -> None:
        runs = self.world.active_runs()
        run = runs[pick % len(runs)]
        self._do(f"the payload of {run.nonce} ends with {code}", lambda: run.finish(code))

    def trouble(self, which: int, name: str, pick: int) -> None:
        what = (*self.troubles, WELL)[which % (len(self.troubles) + 1)]
        act = TROUBLES.get(what, _mend)
        self._do(f"{name}: {what}", lambda: act(self.world, self.world.clusters[name], pick))

    trouble_1 = rule(which=picks, name=clusters, pick=picks)(trouble)
    trouble_2 = rule(which=picks, name=clusters, pick=picks)(trouble)

    @rule(verb=st.sampled_from(sorted(VERBS)), pick=picks)
    def wish(self, verb: str, pick: int) -> None:
        job = self.world.jobs[pick % len(self.world.jobs)]
        self._do(f"{verb} {job.pk}", lambda: self.world.wish(VERBS[verb], job))

    @invariant()
    def what_is_shown_is_true(self) -> None:
        self._do("check", self.world.ledger.check)
        self.world.log.pop()

    def teardown(self) -> None:
        with self.stack:
            if not self.is_broken:
                self._do("all is well again", self.world.heal)
