"""Handing batch scripts to sbatch: several of one person, one after the other, in one round trip through the door.

The answer to each stands between marks of its own, so that whatever happens on the way each has its own outcome.
Nothing is sent twice, and what one of them does is no other's business.
"""

import re
import shlex
from collections.abc import Sequence

from tandem.clusters.channel import Answer, new_nonce
from tandem.clusters.door import Door
from tandem.clusters.errors import AnswerLost, ClusterRefused, ClusterUnreachable, DoorError, SubmissionRefused
from tandem.clusters.frames import encode_argument
from tandem.clusters.request import ONE_NODE, BatchJob, Outcome, Request
from tandem.clusters.slurm_words import CLEAN_ENVIRONMENT, COMMAND_TIME, check, read_sections, words_of

STORAGE_FAILED, CUT_SHORT = 65, 66
ENDED_BY_TIMEOUT = 124  # this and the next as `timeout` says it
NOT_STARTED = {125, 126, 127, CUT_SHORT}
TRANSFER_TIME = 7.0  # seconds for getting there and back
EACH_FURTHER = 2  # seconds that a round trip may take longer for each submission after the first

# What runs on the cluster, in a clean environment. Standard input begins with two parts, as long as the arguments say.
# The first has a word on each line: a mark; how many submissions; all their directories; for each the number of its
# words, its directories, how many input files, their names and sizes, how its script begins, and sbatch's options.
# The second is what all scripts end with, mostly the wrapper, and a full stop, which keeps the shell from cutting off
# its last empty lines. The mark follows, and the files of each one, again with the mark behind them. Words that are
# not Tandem's own are written as frames.py does.
#
# Programs that are started cost more than all else, so besides sbatch none is started for one submission alone; and
# the shell reads single bytes from a pipe if it reads itself.
_EACH = r"""
# So many arguments, for eval: by their numbers, so that nothing of them is read as the shell's language.
refer_to() {
	references='' number=0
	while [ "$number" -lt "$1" ]; do
		number=$((number + 1))
		references="$references \"\${$number}\""
	done
}

submission() {
	refer_to "$1"
	eval "set -- $references"
	for word; do
		case $word in
		=*) word=${word#=} ;;
		%*) word=$(printf '%b.' "${word#%}") && word=${word%.} ;;
		esac
		set -- "$@" "$word"
		shift
	done
	spooler=$2 control=$3 files=$4
	shift 4
	umask 077
	if [ ! -d "$spooler" ] || [ ! -d "$control" ]; then
		[ ! -L "$control/removed" ] || { echo 'its files were removed' >&2; return 65; }
		mkdir -p -- "$spooler" "$control" || return 65
	fi
	cd -- "$spooler" || return 65
	if [ "$files" -gt 0 ]; then
		input_files "$@" || return
		shift $((2 * files))
	fi
	beginning=$1
	shift
	# Slurm hands the umask on to the job: what that writes elsewhere is as open as its person has it.
	umask "$mask"
	printf %s "$beginning" "${ending%.}" | sbatch "$@"
}

# Files are put in place only when everything has arrived, and never over an existing one: another placement of the same
# job may be running, and its person may have changed them.
input_files() (
	set +f
	incoming=$(mktemp -d ./.incoming.XXXXXX) || exit 65
	trap 'rm -rf -- "$incoming"' EXIT
	while [ "$files" -gt 0 ]; do
		head -c "$2" >"$incoming/$1" || exit 65
		shift 2
		files=$((files - 1))
	done
	read -r end && [ "$end" = "$mark" ] || exit 66
	for file in "$incoming"/* "$incoming"/.[!.]* "$incoming"/..?*; do
		[ ! -e "$file" ] || mv -n -- "$file" . || exit 65
	done
)

mask=$(umask)
set -f
IFS='
'
ending=$2
set -- $(head -c "$1")
ending=$(head -c "$ending")
mark=$1 count=$2
read -r end && [ "$end" = "$mark" ] || exit 66
shift 2
umask 077
# What was removed stays away, however late this comes: nobody would remove it a second time.
references='' number=0
while [ "$number" -lt $((2 * count)) ]; do
	number=$((number + 2))
	eval "[ -L \"\${$number}/removed\" ]" || references="$references \"\${$((number - 1))}\" \"\${$number}\""
done
[ -z "$references" ] || eval "mkdir -p -- $references" 2>/dev/null
shift $((2 * count))
which=0
while [ "$which" -lt "$count" ]; do
	which=$((which + 1))
	submission "$@"
	status=$?
	shift "$1"
	printf '\n%s section %s %s\n' "$mark" "$which" "$status" >&2
	printf '\n%s section %s %s\n' "$mark" "$which" "$status" || exit # nobody listens any more
done
"""

SUBMIT = f"""
timeout -k 1 "$1" {CLEAN_ENVIRONMENT} /bin/sh -c {shlex.quote(_EACH)} sh "$2" "$3"
"""


def submit(door: Door, cluster: str, user: str, jobs: Sequence[BatchJob]) -> list[Outcome]:
    """Hand batch jobs of one person over, each once and one after the other; what came of each, in the same order."""
    mark = new_nonce()
    scripts = [job.script.encode("utf-8", "surrogateescape") for job in jobs]
    ending = _common_ending(scripts)
    head = [mark, str(len(jobs)), *(place for job in jobs for place in (job.request.directory, job.control))]
    lines = [line.encode() for line in head]
    for job, script in zip(jobs, scripts, strict=True):
        lines += _words(job, script.removesuffix(ending))
    words = b"\n".join(lines)
    files = b"".join(_files(job, mark) for job in jobs)
    data = b"".join([words, ending, b".", mark.encode(), b"\n", files])
    sizes = [str(len(words)), str(len(ending) + 1)]
    time = COMMAND_TIME + EACH_FURTHER * (len(jobs) - 1)
    try:
        answer = door.run(user, cluster, SUBMIT, [str(time), *sizes], data=data, deadline=time + TRANSFER_TIME)
        in_time = answer.status != ENDED_BY_TIMEOUT
        lost = AnswerLost(f"{cluster}: the answer broke off" if in_time else f"{cluster}: Slurm did not answer in time")
    except AnswerLost as problem:
        lost, in_time = problem, True
        answer = Answer(problem.stdout, problem.stderr, 0)
    except DoorError as problem:  # nothing was sent
        return [problem] * len(jobs)
    printed = read_sections(answer.text, mark)
    complaints = read_sections(answer.stderr.decode("utf-8", "replace"), mark)
    if not printed and answer.status in NOT_STARTED:
        return [ClusterRefused(f"{cluster}: submissions cannot be made there: {answer.complaint}")] * len(jobs)
    outcomes: list[Outcome] = []
    begun = True
    for number, job in enumerate(jobs, start=1):
        text, status = printed.get(str(number), ("", None))
        complaint, same = complaints.get(str(number), ("", None))
        if status == 0 or (status is not None and status == same):  # a no counts with all its words only
            outcomes.append(_outcome(cluster, user, job, text, Answer(b"", complaint.encode(), status)))
        elif status is None and not begun:
            outcomes.append(ClusterUnreachable(f"{cluster}: Slurm took too long over others before it"))
        else:
            outcomes.append(lost)
            begun = in_time  # what was ended in time is known to have got no further
    return outcomes


def _outcome(cluster: str, user: str, job: BatchJob, printed: str, answer: Answer) -> Outcome:
    if answer.status == 0:
        found = re.fullmatch(r"([0-9]+)(;\S+)?\s*", printed)
        return found[1] if found else AnswerLost(f"{cluster}: sbatch printed {printed[:200]!r}")
    if answer.status == STORAGE_FAILED:
        return ClusterRefused(f"{cluster}: the spooler could not be made: {answer.complaint}")
    if answer.status == CUT_SHORT:
        return ClusterRefused(f"{cluster}: the submission did not arrive whole")
    try:
        check(cluster, answer, [user, *(option.partition("=")[2] for option in sbatch_options(job.request))])
    except DoorError as problem:
        return problem
    return SubmissionRefused(words_of(answer))


def _common_ending(scripts: Sequence[bytes]) -> bytes:
    """The longest that all of them end with; found by halves, as they are long."""
    shortest = min(scripts, key=len)
    least, most = 0, len(shortest)
    while least < most:
        length = (least + most + 1) // 2
        if all(script.endswith(shortest[-length:]) for script in scripts):
            least = length
        else:
            most = length - 1
    return shortest[len(shortest) - least :]


def _words(job: BatchJob, beginning: bytes) -> list[bytes]:
    """One submission's words for the script above."""
    if any("/" in name or "\0" in name or name in {"", ".", ".."} for name in job.files):
        raise ValueError("an input file needs a plain name")
    files = [word for name, content in job.files.items() for word in (name, str(len(content)))]
    own = ["--parsable", "--ignore-pbs", f"--wckey={job.placement}", f"--comment={job.placement}"]
    words: list[str | bytes] = [job.request.directory, job.control, str(len(job.files)), *files]
    words += [beginning, *sbatch_options(job.request), *own]
    return [str(len(words) + 1).encode(), *map(encode_argument, words)]


def _files(job: BatchJob, mark: str) -> bytes:
    return b"".join(job.files.values()) + f"{mark}\n".encode() if job.files else b""


def sbatch_options(request: Request) -> list[str]:
    """The request as options of sbatch.

    Output is appended to, never truncated: a job may be handed over twice, and the one that loses must not wipe what
    the winner wrote.
    """
    return [
        *resource_options(request),
        f"--chdir={request.directory}",
        f"--output={request.directory}/{request.output.replace('*', '%a')}",
        f"--error={request.directory}/{request.error.replace('*', '%a')}",
        "--open-mode=append",
    ]


def resource_options(request: Request) -> list[str]:
    """What the request asks for, without where its output goes. Slurm starts a job a second time by itself only where
    its owner said that it may.
    """
    given: dict[str, object | None] = {
        "job-name": request.name,
        "ntasks": request.processors,
        "nodes": None if request.restartable else request.nodes,
        "mem": request.memory,
        "time": request.time_limit,
        "array": request.array,
        "partition": request.queue,
        "nodelist": request.hosts,
        "account": request.account,
    }
    own = [f"--{option}={value}" for option, value in given.items() if value]
    # Behind a person's own, which do not count then: only a run on one node ends itself for sure when it is cut off.
    again = ["--requeue", ONE_NODE] if request.restartable else ["--no-requeue"]
    return [*own, *request.extra, *again]
