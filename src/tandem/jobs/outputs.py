"""The files of a job's spooler, read through the door as the person who asks: the kernel there decides.

Plain files only, and only those that lie in the spooler itself: a link that leads elsewhere is not followed.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from tandem.accounts.models import Person
from tandem.clusters.door import Answer, ClusterRefused, DoorError, Lane, get_door
from tandem.clusters.models import Cluster, ClusterState
from tandem.jobs.file_names import name_of, readable, text_of
from tandem.jobs.models import Job
from tandem.jobs.page_seats import NoSeat, seat_to_read
from tandem.jobs.spoolers.words import gone

DEADLINE = 10.0
FILES_A_PAGE = 500
MOST_BYTES = 8 * 1024 * 1024

# Arguments: spooler, how many plain files are passed over, how many at most are told. How many there are, then a line
# per file in the order of the names' bytes; the name last and ended by a NUL, since names may hold anything else.
LIST = """
cd -- "$1" 2>/dev/null || { [ -e "$1" ] && exit 13; exit 2; }
find . -xdev -type f -printf . 2>/dev/null | wc -c
find . -xdev -type f -printf '%s %T@ %P\\0' 2>/dev/null | LC_ALL=C sort -z -t ' ' -k 3 |
    tail -z -n "+$(($2 + 1))" | head -z -n "$3"
"""

# Arguments: spooler, path in it, `from` or `last`, that number, most bytes. Answers `<size> <offset> <inode>`, then the
# bytes, all of one and the same file: a later attempt of the job may put its own in the place of it at any moment.
READ = """
root=$(realpath -e -- "$1" 2>/dev/null; echo .)
real=$(realpath -e -- "$1/$2" 2>/dev/null; echo .)
[ -e "$1/$2" ] || exit 2
[ "${real%??}" = "${root%??}/$2" ] && [ -f "$1/$2" ] && [ -r "$1/$2" ] || exit 13
command exec 9<"$1/$2" || exit 2
seen=$(stat -L -c '%s %i' /proc/self/fd/9) || exit 2
size=${seen% *}
case $3 in
    last) from=$((size > $4 ? size - $4 : 0)) ;;
    *) from=$4 ;;
esac
echo "$size $from ${seen#* }"
[ "$from" -ge "$size" ] || tail -c "+$((from + 1))" <&9 | head -c "$5"
"""
MISSING, FORBIDDEN = 2, 13


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A file of the spooler; `path` is relative to it, as `file_names` writes what is not UTF-8."""

    path: str
    size: int
    modified_at: datetime

    @property
    def shown_path(self) -> str:
        """As people read it."""
        return readable(self.path)


@dataclass(frozen=True, slots=True)
class OutputList:
    """Some of the spooler's files, in the order of their names, of `total`. `next`: how many come before the rest."""

    files: list[OutputFile]
    total: int
    next: int | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a file, and how large all of it was then. `file` is another one's when it was replaced meanwhile."""

    size: int
    offset: int
    data: bytes
    file: str


class OutputUnavailable(Exception):
    """No cluster lets the files be read now; the text says why, fit to be shown."""


class OutputMissing(Exception):
    """There is no such file."""


class OutputForbidden(Exception):
    """The person may not read it, or it is no plain file of the spooler."""


def list_outputs(job: Job, person: Person, after: int = 0, most: int = FILES_A_PAGE) -> OutputList:
    """The spooler's files behind the first `after`; none while there is no spooler.

    Files that come and go meanwhile move those behind them. Raises OutputMissing when they were removed,
    OutputUnavailable, OutputForbidden.
    """
    answer = _ask(job, person, LIST, (job.spooler.path, str(after), str(most)))
    if answer.status == MISSING:
        return OutputList([], 0)
    _check(answer, person.username)
    total, _, lines = answer.stdout.partition(b"\n")
    files = [_file(line) for line in lines.split(b"\0")[:-1]]
    reached = after + len(files)
    return OutputList(files, int(total), reached if files and reached < int(total) else None)


def read_output(
    job: Job, person: Person, path: str, *, offset: int = 0, last: int | None = None, most: int = MOST_BYTES
) -> Part:
    """At most `most` bytes from `offset`, or of the `last` so many.

    Raises OutputMissing, OutputForbidden, OutputUnavailable.
    """
    arguments = reading(job, path, offset=offset, last=last, most=most)
    return part_of(_ask(job, person, READ, arguments), person.username)


def reading(
    job: Job, path: str, *, offset: int = 0, last: int | None = None, most: int = MOST_BYTES
) -> tuple[str | bytes, ...]:
    """The arguments of READ. Raises OutputMissing for what cannot be a file of the spooler."""
    if "\0" in path or any(part in ("", ".", "..") for part in path.split("/")):
        raise OutputMissing("There is no file of that name.")
    where = ("from", str(offset)) if last is None else ("last", str(last))
    return (job.spooler.path, name_of(path), *where, str(most))


def part_of(answer: Answer, username: str) -> Part:
    """What READ answered. Raises OutputMissing, OutputForbidden, OutputUnavailable."""
    if answer.status == MISSING:
        raise OutputMissing("There is no such file, or not yet.")
    _check(answer, username)
    head, _, data = answer.stdout.partition(b"\n")
    size, start, file = head.split()
    return Part(int(size), int(start), data, file.decode())


def _ask(job: Job, person: Person, script: str, arguments: tuple[str | bytes, ...]) -> Answer:
    """The answer of the first cluster that gives one: the job's own, which sees first what it wrote, then any other."""
    if words := gone(job):
        raise OutputMissing(words)
    silent = "No cluster answers at the moment; the files are where they were."
    for cluster in answering_clusters(job):
        try:
            with seat_to_read():
                return get_door().run(person.username, cluster, script, arguments, deadline=DEADLINE, lane=Lane.PAGE)
        except NoSeat as full:
            raise OutputUnavailable(str(full)) from full
        except ClusterRefused as refused:
            silent = f"{cluster} refused: {refused}"
        except DoorError:
            # Reading changes nothing, so a lost answer is no reason not to ask elsewhere.
            silent = f"{cluster} does not answer; the files are where they were."
    raise OutputUnavailable(silent)


def answering_clusters(job: Job) -> list[str]:
    """The clusters to read a job's files through, the best first: that answer; of these the job's own."""
    order = {ClusterState.UP: 0, ClusterState.RECOVERING: 1, ClusterState.SUSPECT: 2}
    states = dict(Cluster.objects.filter(present=True, state__in=order).values_list("name", "state"))
    return sorted(states, key=lambda name: (order[ClusterState(states[name])], name != job.cluster, name))


def _check(answer: Answer, username: str) -> None:
    if answer.status == FORBIDDEN:
        raise OutputForbidden(f"On the cluster, {username} may not read this, or it is no plain file of the job.")
    if answer.status:
        raise OutputUnavailable(f"The cluster could not read it: {answer.complaint[:200]}")


def _file(line: bytes) -> OutputFile:
    size, changed, name = line.split(b" ", 2)
    return OutputFile(text_of(name), int(size), datetime.fromtimestamp(float(changed), UTC))
