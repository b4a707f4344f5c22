"""What is wished for a job and not done yet, in words. A cluster that is silent is told once it answers again."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from tandem.jobs.models import LIVE_PLACEMENTS, Job, Placement, PlacementState


@dataclass(frozen=True, slots=True)
class Wish:
    """One wish: what it makes of the job, and how far that is."""

    what: str
    words: str

    def __str__(self) -> str:
        return f"{self.what}: {self.words}"


def wishes(job: Job, placements: Sequence[Placement], silent: Collection[str]) -> list[Wish]:
    """What somebody wished for the job and what still stands against it; empty when there is nothing to say."""
    if job.is_final:
        return []
    live = [placement for placement in placements if placement.state in LIVE_PLACEMENTS]
    if job.is_cancelling:
        return [_cancelling(job, [placement for placement in live if placement.cluster in silent])]
    found = []
    waiting = [placement for placement in live if not placement.phase or placement.waits_for]
    if job.hold_wanted and (not job.started_at or (job.array and (waiting or job.place_wanted is not None))):
        found.append(_held(job, [placement for placement in waiting if not placement.held], silent))
    still_held = [placement for placement in waiting if placement.held]
    if still_held and not job.hold_wanted:
        found.append(Wish("Released", _told(still_held, silent)))
    if job.requeue_wanted_at is not None:
        lost = [placement for placement in placements if placement.state == PlacementState.LOST]
        found.append(Wish("To start again", _of_lost(lost) if lost and not live else _told(live, silent)))
    return found


def _cancelling(job: Job, unseen: Sequence[Placement]) -> Wish:
    if not unseen:
        return Wish("Cancelling", "it counts as cancelled once it is certain that no run of it is left")
    return Wish("Cancelling", f"may still {'run' if job.started_at else 'start'} while {_names(unseen)} silent")


def _held(job: Job, open_: Sequence[Placement], silent: Collection[str]) -> Wish:
    unseen = [placement for placement in open_ if placement.cluster in silent]
    if unseen:
        return Wish("Held", f"may still start while {_names(unseen)} silent")
    what = "none of its tasks that wait starts" if job.started_at else "it does not start"
    return Wish("Held", _told(open_, silent) if open_ else f"{what} before it is released")


def _told(placements: Sequence[Placement], silent: Collection[str]) -> str:
    unseen = [placement for placement in placements if placement.cluster in silent]
    if unseen:
        return f"{_names(unseen)} silent and will be told"
    doubtful = [placement for placement in placements if placement.state == PlacementState.DOUBT]
    if doubtful:
        return f"{_names(doubtful)} being asked whether it arrived there, and told then"
    return f"{_names(placements)} being told" if placements else "it is being seen to"


def _of_lost(placements: Sequence[Placement]) -> str:
    names = " and ".join(sorted({placement.cluster for placement in placements}))
    return f"{names} no longer knows it and cannot be told; it starts again once its heartbeat is still"


def _names(placements: Sequence[Placement]) -> str:
    names = sorted({placement.cluster for placement in placements})
    return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'}"
