"""Handing batch scripts to sbatch: several of one person, one after the other, in one round trip through the door.

The answer to each stands between marks of its own, so that whatever happens on the way each has its own outcome.
Nothing is sent twice, and what one of them does is no other's business.
"""

import re
from collections.abc import Sequence

from tandem.clusters.channel import Answer, new_nonce
from tandem.clusters.door import Door
from tandem.clusters.errors import AnswerLost, ClusterRefused, ClusterUnreachable, DoorError, SubmissionRefused
from tandem.clusters.frames import encode_argument
from tandem.clusters.request import ONE_NODE, BatchJob, Outcome, Request
from tandem.clusters.slurm_words import CLEAN, COMMAND_TIME, check, read_sections, words_of

STORAGE_FAILED, CUT_SHORT, NOT_BEGUN = 65, 66, 67

# Each submission is read from standard input: a head, its words, script and files, and a mark at its end. Where one of
# them fails half-way, what follows has no head where one is expected, and is not carried out.
#
# Files are put in place only when everything has arrived, and never over an existing one: another placement of the same
# job may be running, and its person may have changed them.
SUBMIT = (
    CLEAN
    + """
mark=$1 left=$2 time=$3 number=0
read -r begun rest </proc/uptime

submission() (
	read -r head count && [ "$head" = "$mark" ] || exit 66
	set --
	while [ "$count" -gt 0 ]; do
		read_word || exit 66
		set -- "$@" "$word"
		count=$((count - 1))
	done
	spooler=$1 control=$2 size=$3 files=$4
	shift 4
	script=$(head -c "$size" && printf .)
	mask=$(umask)
	umask 077
	if ! { mkdir -p -- "$spooler" "$control" && cd -- "$spooler"; }; then
		[ "$files" -gt 0 ] || read -r end
		exit 65
	fi
	if [ "$files" -gt 0 ]; then
		incoming=$(mktemp -d ./.incoming.XXXXXX) || exit 65
		trap 'rm -rf -- "$incoming"' EXIT
		while [ "$files" -gt 0 ]; do
			head -c "$2" >"$incoming/$1" || exit 65
			shift 2
			files=$((files - 1))
		done
	fi
	read -r end && [ "$end" = "$mark" ] || exit 66
	if [ -n "${incoming-}" ]; then
		for file in "$incoming"/* "$incoming"/.[!.]* "$incoming"/..?*; do
			[ ! -e "$file" ] || mv -n -- "$file" . || exit 65
		done
	fi
	# Slurm hands the umask on to the job: what that writes elsewhere is as open as its person has it.
	umask "$mask"
	printf %s "${script%.}" | slurm sbatch "$@"
)

while [ "$left" -gt 0 ]; do
	read -r now rest </proc/uptime
	if [ $((${now%.*} - ${begun%.*})) -lt "$time" ]; then
		submission
		status=$?
	else
		status=67
	fi
	number=$((number + 1))
	printf '\\n%s section %s %s\\n' "$mark" "$number" "$status" >&2
	printf '\\n%s section %s %s\\n' "$mark" "$number" "$status" || exit # nobody listens any more
	left=$((left - 1))
done
"""
)

TRANSFER_TIME = 7.0  # seconds for getting there and back


def submit(door: Door, cluster: str, user: str, jobs: Sequence[BatchJob]) -> list[Outcome]:
    """Hand batch jobs of one person over, each once and in this order; what came of each.

    None is begun any more once the time of one command is over: then Slurm does not answer, and the caller waits.
    """
    mark = new_nonce()
    words = [mark, str(len(jobs)), str(COMMAND_TIME)]
    data = b"".join(_as_read(job, mark) for job in jobs)
    deadline = TRANSFER_TIME + COMMAND_TIME * min(len(jobs), 2)
    broken_off = AnswerLost(f"{cluster}: the answer broke off")
    try:
        answer = door.run(user, cluster, SUBMIT, words, data=data, deadline=deadline)
    except AnswerLost as problem:
        broken_off = problem
        answer = Answer(problem.stdout, problem.stderr, 0)
    except DoorError as problem:  # nothing was sent
        return [problem] * len(jobs)
    printed = read_sections(answer.text, mark)
    complaints = read_sections(answer.stderr.decode("utf-8", "replace"), mark)
    outcomes: list[Outcome] = []
    for number, job in enumerate(jobs, start=1):
        text, status = printed.get(str(number), ("", None))
        complaint, same = complaints.get(str(number), ("", None))
        if status == 0 or (status is not None and status == same):  # a no counts with all its words only
            outcomes.append(_outcome(cluster, user, job, text, Answer(b"", complaint.encode(), status)))
        else:
            outcomes.append(broken_off)
    return outcomes


def _outcome(cluster: str, user: str, job: BatchJob, printed: str, answer: Answer) -> Outcome:
    if answer.status == 0:
        found = re.fullmatch(r"([0-9]+)(;\S+)?\s*", printed)
        return found[1] if found else AnswerLost(f"{cluster}: sbatch printed {printed[:200]!r}")
    if answer.status == STORAGE_FAILED:
        return ClusterRefused(f"{cluster}: the spooler could not be made: {answer.complaint}")
    if answer.status == CUT_SHORT:
        return ClusterRefused(f"{cluster}: the submission did not arrive whole")
    if answer.status == NOT_BEGUN:
        return ClusterUnreachable(f"{cluster}: Slurm took too long over others before it")
    try:
        check(cluster, answer, [user, *(option.partition("=")[2] for option in sbatch_options(job.request))])
    except DoorError as problem:
        return problem
    return SubmissionRefused(words_of(answer))


def _as_read(job: BatchJob, mark: str) -> bytes:
    """One submission, as the script above reads it."""
    if any("/" in name or "\0" in name or name in {"", ".", ".."} for name in job.files):
        raise ValueError("an input file needs a plain name")
    script = job.script.encode("utf-8", "surrogateescape")
    sizes = [word for name, content in job.files.items() for word in (name, str(len(content)))]
    own = ["--parsable", "--ignore-pbs", f"--wckey={job.placement}", f"--comment={job.placement}"]
    places = [job.request.directory, job.control, str(len(script)), str(len(job.files))]
    words = [*places, *sizes, *sbatch_options(job.request), *own]
    head = b"\n".join([f"{mark} {len(words)}".encode(), *map(encode_argument, words)])
    return b"".join([head, b"\n", script, *job.files.values(), mark.encode(), b"\n"])


def sbatch_options(request: Request) -> list[str]:
    """The request as options of sbatch.

    Output is appended to, never truncated: a job may be handed over twice, and the one that loses must not wipe what
    the winner wrote. Slurm starts a job a second time by itself only where its owner said that it may.
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
    fixed = [
        f"--chdir={request.directory}",
        f"--output={request.directory}/{request.output.replace('*', '%a')}",
        f"--error={request.directory}/{request.error.replace('*', '%a')}",
        "--open-mode=append",
        # Last, so that nothing said before counts: only a run on one node ends itself for sure when it is cut off.
        *(["--requeue", ONE_NODE] if request.restartable else ["--no-requeue"]),
    ]
    return [*own, *request.extra, *fixed]
