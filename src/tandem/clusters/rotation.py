"""Replacing the environment's SSH authority while people work: clusters hear of the new one before it signs anything.

Authority: the key that signs the door's certificates, known by its fingerprint (`SHA256:…`). In the records one is
*signing*; during a rotation there is also one that is *coming*, or one that is *leaving*.

    settled      signing                clusters trust this one alone
    introducing  signing and coming     clusters are told to trust both; the old one signs
    replacing    signing and leaving    the new one signs; clusters still trust both

A step changes the records in one instant, carries them to the clusters and signers, and looks whether they have arrived
before the next begins. So whatever interrupts it, doing it again goes on from there, and at no moment is a certificate
signed that a cluster does not trust. Where the records are and how they are carried is the environment's own
(`Ground`): here `tandem.local.keys`.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Protocol

from tandem.clusters.certificates import GOOD_UNTIL

ARRIVAL = 30.0  # seconds that what was carried has to arrive
LOOK_EVERY = 0.2
# For clocks that differ: a certificate's own beginning allows for as much.
AFTER_THE_LAST = timedelta(seconds=GOOD_UNTIL + 30)


class RotationRefused(Exception):
    """It cannot be done now; the text says why and what to do. What has been done so far stays and does no harm."""


class Stage(StrEnum):
    """How far a rotation is."""

    SETTLED = "settled"
    INTRODUCING = "introducing"
    REPLACING = "replacing"


@dataclass(frozen=True)
class Records:
    """The environment's authorities by fingerprint; `replaced_at`: since when the one that leaves signs no more."""

    signing: str
    coming: str | None = None
    leaving: str | None = None
    replaced_at: datetime | None = None

    @property
    def trusted(self) -> frozenset[str]:
        """What clusters should trust."""
        return frozenset(one for one in (self.signing, self.coming, self.leaving) if one)

    @property
    def stage(self) -> Stage:
        """How far a rotation is."""
        if self.coming:
            return Stage.INTRODUCING
        return Stage.REPLACING if self.leaving else Stage.SETTLED

    @property
    def finish_from(self) -> datetime | None:
        """From when on no certificate of the authority that leaves is good any more."""
        return self.replaced_at + AFTER_THE_LAST if self.leaving and self.replaced_at else None


class Ground(Protocol):
    """An environment whose authority can be replaced."""

    def fingerprints(self) -> Mapping[str, str | None]:
        """What the environment knows of `signing`, `coming` and `leaving`: whatever clusters and signers still do."""

    def replaced_at(self) -> datetime | None:
        """Since when the one that is leaving signs nothing any more."""

    def introduce(self) -> None:
        """Make a new authority, which is coming."""

    def replace(self) -> None:
        """The one that is coming signs; of the one that signed, which is leaving, the public half alone is kept."""

    def note_replaced(self) -> None:
        """The one that is leaving signs nothing any more from this moment on."""

    def drop(self) -> None:
        """Forget the one that is leaving."""

    def carry(self) -> None:
        """Take the records to all clusters and signers. Doing it again changes nothing."""

    def out_of_reach(self) -> list[str]:
        """Why they cannot be taken everywhere: a sentence for each place."""

    def trusted(self) -> Mapping[str, frozenset[str]]:
        """What each cluster trusts; nothing where it does not say."""

    def signing(self) -> Mapping[str, str]:
        """What each portal node's signer signs with; nothing where it does not say."""


def records_of(ground: Ground) -> Records:
    """What the environment knows."""
    known = ground.fingerprints()
    return Records(known["signing"] or "", known["coming"], known["leaving"], ground.replaced_at())


def rotate(ground: Ground, say: Callable[[str], None]) -> Records:
    """Begin a rotation, or go on with one, until the new authority signs and clusters trust both.

    Raises RotationRefused.
    """
    _require_all(ground)
    if records_of(ground).stage is Stage.SETTLED:
        say("making a new authority")
        ground.introduce()
    if records_of(ground).stage is Stage.INTRODUCING:
        say("telling the clusters of it")
        ground.carry()
        _wait_for_clusters(ground)
        ground.replace()
    say("signing with it")
    _let_signers_follow(ground)
    _wait_for_clusters(ground)
    return records_of(ground)


def finish(ground: Ground, say: Callable[[str], None], *, at_once: bool = False) -> Records:
    """End a rotation: clusters trust the new authority alone. Where none is under way, see that it is so.

    Raises RotationRefused, also while certificates of the old authority may be good, unless that is not to be waited
    for.
    """
    _require_all(ground)
    if records_of(ground).stage is Stage.INTRODUCING:
        raise RotationRefused("the new authority does not sign yet: `tandem keys rotate` goes on with that")
    say("making sure that nobody signs with another")
    _let_signers_follow(ground)
    until = records_of(ground).finish_from
    if until and datetime.now(UTC) < until and not at_once:
        raise RotationRefused(
            f"certificates of the old authority may be good until {until:%H:%M:%S} UTC; finish then, "
            "or with --now if it is in wrong hands"
        )
    if records_of(ground).stage is Stage.REPLACING:
        ground.drop()
    say("telling the clusters")
    ground.carry()
    _wait_for_clusters(ground)
    return records_of(ground)


def _require_all(ground: Ground) -> None:
    """Nothing is begun where somebody could not be told: they would be locked out, or go on trusting the old one."""
    missing = ground.out_of_reach()
    if not missing:
        silent = [node for node, authority in ground.signing().items() if not authority]
        missing = [
            f"the signer of {node} does not say which authority it signs with: `tandem up` first" for node in silent
        ]
    if missing:
        raise RotationRefused("; ".join(missing))


def _let_signers_follow(ground: Ground) -> None:
    wanted = records_of(ground).signing
    have_followed = all(one == wanted for one in ground.signing().values())
    ground.carry()
    if have_followed:
        return
    _wait(
        lambda: [node for node, one in ground.signing().items() if one != wanted],
        "still signs with another authority",
    )
    if records_of(ground).stage is Stage.REPLACING:
        ground.note_replaced()


def _wait_for_clusters(ground: Ground) -> None:
    wanted = records_of(ground).trusted
    _wait(
        lambda: [cluster for cluster, trusted in ground.trusted().items() if trusted != wanted],
        "has not heard of it",
    )


def _wait(late: Callable[[], list[str]], what: str) -> None:
    end = time.monotonic() + ARRIVAL
    while names := late():
        if time.monotonic() > end:
            raise RotationRefused(f"{', '.join(names)} {what} after {ARRIVAL:.0f} s; call the same again to go on")
        time.sleep(LOOK_EVERY)
