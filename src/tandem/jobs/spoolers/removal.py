"""Removing a spooler's directory on a cluster, as its owner. Nothing else goes: no control directory, no link's aim.

The script is given a time after which it does nothing: a server that hung may carry it out long after it was sent, when
the owner has decided otherwise.
"""

import time
from dataclasses import dataclass

from tandem.clusters.door import Answer, AnswerLost, ClusterRefused, ClusterUnreachable, Door, Lane
from tandem.jobs.models import Job, Spooler

# Seconds. A large tree takes several calls, each of which gets some way.
WORK = 30
DEADLINE = WORK + 10.0
# A call that was given up is sure to be over after this long, wherever it hung.
OVER_AFTER = 120

# Arguments: spooler, last second in which to begin, seconds to work, control directories. In these it is noted first,
# for a submission that arrives after all to see. A directory that its owner may not write to keeps `rm` from its work:
# it is opened and tried again. What a link leads to is never touched, not even the spooler's own.
REMOVE = """
[ "$(date +%s)" -le "$2" ] || exit 4
cd -P -- "${1%/*}" 2>/dev/null || exit 3
name=${1##*/} seconds=$3
shift 3
for control; do
    [ ! -d "$control" ] || ln -sT removed "$control/removed" 2>/dev/null
done
timeout "$seconds" /bin/sh -c '
    rm -rf --one-file-system -- "./$1" 2>/dev/null && exit
    find "./$1" -xdev -type d ! -perm -u=rwx -exec chmod u+rwx {} \\; 2>/dev/null
    exec rm -rf --one-file-system -- "./$1"
' sh "$name"
"""
NO_STORAGE, TOO_LATE, MORE = 3, 4, 124


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one try. `problem` in words, empty for none.

    `done`: it is gone. `more`: some of it is, and there was no time for the rest. `unknown`: it may still be going on.
    `silent`: nothing was done, since no cluster let anybody in, and that is nobody's mistake.
    """

    problem: str = ""
    done: bool = False
    more: bool = False
    unknown: bool = False
    silent: bool = False


def remove(door: Door, spooler: Spooler, jobs: list[Job], clusters: list[str]) -> Outcome:
    """Try it through the first of `clusters` that lets its owner in. `jobs`: all that it is the spooler of."""
    outcome = Outcome("no cluster answers", silent=True)
    owner, last = spooler.owner.username, time.time() + OVER_AFTER - WORK
    for cluster in clusters:
        begin_by = str(int(min(time.time() + DEADLINE, last)))
        arguments = (spooler.path, begin_by, str(WORK), *(job.control_path for job in jobs))
        try:
            # Not on the lane of dispatch: large trees take long.
            answer = door.run(owner, cluster, REMOVE, arguments, deadline=DEADLINE, lane=Lane.PAGE)
            return read(answer, cluster)
        except AnswerLost as lost:
            return Outcome(str(lost), unknown=True)
        except ClusterUnreachable as silent:
            outcome = Outcome(str(silent), silent=True)
        except ClusterRefused as refused:
            outcome = Outcome(f"{cluster} refused: {refused}")
    return outcome


def read(answer: Answer, cluster: str) -> Outcome:
    """What REMOVE answered."""
    if not answer.status:
        return Outcome(done=True)
    if answer.status == MORE:
        return Outcome(more=True)
    if answer.status == NO_STORAGE:
        return Outcome(f"{cluster}: the spoolers' storage is not there")
    if answer.status == TOO_LATE:
        return Outcome(f"{cluster} was too slow, or its clock is wrong")
    said = "".join(character if character.isprintable() else " " for character in answer.complaint)
    return Outcome(f"{cluster}: {said[:400] or f'rm ended with status {answer.status}'}")
