"""What really happened, kept apart from all that Tandem knows, and whether Tandem's promises hold against it."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.utils import timezone
from tests.jobs.protocol.model.cluster import TIME_LIMIT
from tests.jobs.protocol.model.wrapper import Run

from tandem.jobs.models import FINAL_STATES, Job, JobState, Task
from tandem.jobs.submission import array_indices
from tandem.jobs.verdict import STARTS_GIVEN_UP_AFTER

if TYPE_CHECKING:
    from tests.jobs.protocol.model.cluster import Entry, FakeCluster
    from tests.jobs.protocol.model.world import World

Key = tuple[str, int]


class Broken(AssertionError):
    """A promise was broken."""


@dataclass
class Ledger:
    """Starts of payloads, wishes of people, refusals of schedulers; what jobs were last seen to be."""

    world: "World"
    starts: dict[Key, list[Run]] = field(default_factory=lambda: defaultdict(list))
    wished: set[str] = field(default_factory=set)
    wished_tasks: set[Key] = field(default_factory=set)
    refusals: set[str] = field(default_factory=set)
    vain: dict[Key, int] = field(default_factory=lambda: defaultdict(int))
    forgotten: set[str] = field(default_factory=set)
    seen: dict[str, str] = field(default_factory=dict)
    seen_tasks: dict[Key, str] = field(default_factory=dict)

    # What is told

    def started(self, run: Run) -> None:
        earlier = self.starts[run.key]
        earlier.append(run)
        if len(earlier) > 1 and not run.values.is_restartable:
            raise Broken(f"started twice: {run.key}")
        self.check_overlap(run.key)
        shown = [*Job.objects.filter(pk=run.values.job).values_list("state", flat=True)]
        shown += Task.objects.filter(job=run.values.job, index=run.task).values_list("state", flat=True)
        if over := FINAL_STATES & set(shown):
            raise Broken(f"started after it was {', '.join(over)}: {run.key}")

    def left(self, run: Run) -> None:
        if run.started_at is None and run.code is not None:
            self.vain[run.key] += 1

    def refused(self, control: str) -> None:
        self.refusals.add(control.rsplit("/", 1)[-1])

    def placed(self, cluster: "FakeCluster", entry: "Entry") -> None:
        """Nothing goes out again while its cluster has it and could be asked."""
        if entry.came_late or entry.values.is_restartable:
            return
        for other in cluster.entries.values():
            if other.values.job != entry.values.job or other.came_late or other.is_revived:
                continue
            if other.values.placement in self.forgotten:
                continue
            live = {task for task, part in other.parts.items() if part.phase != "ended"}
            if live & entry.parts.keys():
                raise Broken(f"placed twice on {cluster.name}: {entry.values.job}")

    def killed_by_tandem(self, run: Run) -> None:
        if run.values.job not in self.wished:
            raise Broken(f"a running payload was cancelled, and nobody wished it: {run.key}")

    def requeued(self, run: Run) -> None:
        raise Broken(f"a requeue ended a payload that may not start again: {run.key}")

    def closing(self, control: str, name: str, text: str) -> None:
        """A claim is about to be closed. Not over the head of a run that shows that it is alive."""
        if text.startswith("closed:cancel:"):
            return
        _, task, _ = name.split(".")
        for run in self.starts[control.rsplit("/", 1)[-1], int(task)]:
            silent = self.world.seconds - max(run.last_written, run.started_at or 0.0)
            if run.active and silent < run.values.fence:
                raise Broken(f"{text} over a run that is alive: {run.key}")

    # What is checked

    def check_overlap(self, key: Key) -> None:
        active = [run for run in self.starts[key] if run.active and not self._stands_still(run)]
        if len(active) > 1:
            raise Broken(f"overlapping restarts: {key}")

    def _stands_still(self, run: Run) -> bool:
        return run.is_suspended or self.world.clusters[run.values.cluster].frozen

    def check(self) -> None:
        """At any moment: what jobs are shown as is true."""
        for key in list(self.starts):
            self.check_overlap(key)
        shown = ("pk", "state", "reason", "correctable_until", "array", "restartable")
        for job in Job.objects.only(*shown) if self.world.jobs else ():
            self._check_job(job)
        for task in Task.objects.exclude(job__array="") if self.world.jobs else ():
            self._check_task(task)

    def _check_task(self, task: Task) -> None:
        """Of an array's tasks each is what it is shown as, whatever the others are."""
        key = (str(task.job_id), task.index)
        before = self.seen_tasks.get(key)
        self.seen_tasks[key] = task.state
        words = f"task {key} is {task.state} ({task.reason}), and was {before}"
        if before in FINAL_STATES and task.state != before and before != JobState.FAILED:
            raise Broken(f"a final state was taken back: {words}")
        if task.state not in FINAL_STATES:
            return
        runs = self.starts[key]
        hidden = task.correctable_until is not None
        for run in runs:
            if run.active and not (hidden and self.world.seconds - run.last_written >= run.values.take_over):
                raise Broken(f"it runs: {words}")
        match task.state:
            case JobState.COMPLETED:
                is_true = any(run.payload_code == 0 for run in runs)
            case JobState.CANCELLED:
                is_true = key in self.wished_tasks or key[0] in self.wished
            case JobState.FAILED:
                is_true = hidden or self._went_wrong(key)
            case _:
                is_true = any(run.why == TIME_LIMIT for run in runs)
        if not is_true:
            raise Broken(f"it is not: {words}")

    def _check_job(self, job: Job) -> None:
        name = str(job.pk)
        before = self.seen.get(name)
        self.seen[name] = job.state
        if before in FINAL_STATES and job.state != before:
            words = f"{name} was {before} and is {job.state}"
            corrected = FINAL_STATES if job.array else {JobState.COMPLETED, JobState.CANCELLED}
            if before != JobState.FAILED or job.state not in corrected:
                raise Broken(f"a final state was taken back: {words}")
        if not job.is_final:
            return
        keys = [(name, index) for index in array_indices(job.array)]
        runs = [run for key in keys for run in self.starts[key]]
        hidden = job.state == JobState.FAILED and job.correctable_until is not None
        for run in runs:
            if run.active and not (hidden and self.world.seconds - run.last_written >= run.values.take_over):
                raise Broken(f"{job.state} while it runs: {run.key}")
        completed = [any(run.payload_code == 0 for run in self.starts[key]) for key in keys]
        match job.state:
            case JobState.COMPLETED:
                if not all(completed):
                    raise Broken(f"COMPLETED, and it is not: {name}")
            case JobState.CANCELLED:
                if name not in self.wished and not self.wished_tasks & set(keys):
                    raise Broken(f"CANCELLED, and nobody wished it: {name}")
            case JobState.FAILED:
                self._check_failed(job, keys)
            case JobState.TIMEOUT:
                if not any(run.why == TIME_LIMIT for run in runs):
                    raise Broken(f"TIMEOUT, and no limit was reached: {name}")

    def _check_failed(self, job: Job, keys: list[Key]) -> None:
        stopped = [run for key in keys for run in self.starts[key] if run.why.startswith("found closed:cancel:")]
        if stopped and len(keys) == 1:
            raise Broken(f"FAILED ({job.reason}), and it was cancelled: {job.pk}")
        correctable = job.correctable_until is not None and job.correctable_until > timezone.now()
        if not correctable and not any(self._went_wrong(key) for key in keys):
            raise Broken(f"FAILED ({job.reason}), and nothing of it did: {job.pk}")

    def _went_wrong(self, key: Key) -> bool:
        runs = self.starts[key]
        if not runs:
            return key[0] in self.refusals or self.vain[key] >= STARTS_GIVEN_UP_AFTER
        return not any(run.wrote_result and run.payload_code == 0 for run in runs)

    def check_end(self, job: Job) -> None:
        """When all is well again: nothing was lost."""
        name = str(job.pk)
        if not job.is_final:
            raise Broken(f"lost: {job.pk} is {job.state} ({job.reason}) for ever")
        keys = [(name, index) for index in array_indices(job.array)]
        done = [any(self._completed(run) for run in self.starts[key]) for key in keys]
        if all(done) and job.state != JobState.COMPLETED:
            raise Broken(f"lost: {name} is {job.state}, and it completed")
        for task in Task.objects.filter(job=job) if job.array else ():
            if done[array_indices(job.array).index(task.index)] and task.state != JobState.COMPLETED:
                raise Broken(f"lost: task {task.index} of {name} is {task.state}, and it completed")
        killed = [run for key in keys for run in self.starts[key] if not run.wrote_result]
        if job.restartable and job.state == JobState.FAILED and killed and not self._failed_itself(keys):
            raise Broken(f"lost: {name} may start again, and did not: {job.reason}")

    @staticmethod
    def _completed(run: Run) -> bool:
        """What is restartable and was told to end may call it a success that it saved its state."""
        saved = run.values.is_restartable and run.got == "TERM"
        return run.wrote_result and run.payload_code == 0 and not saved

    def _failed_itself(self, keys: list[Key]) -> bool:
        return any(run.payload_code or run.why == "ran out of memory" for key in keys for run in self.starts[key])
