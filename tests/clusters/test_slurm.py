"""What a failure of Slurm's commands means, with stand-ins for the commands and the real sshd between."""

import hashlib
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from tests.clusters.hosts import Host

from tandem.clusters import slurm_submit
from tandem.clusters.door import AnswerLost, ClusterRefused, ClusterUnreachable, Door, DoorError, SubmissionRefused
from tandem.clusters.request import BatchJob, Request
from tandem.clusters.scheduler import Cancel
from tandem.clusters.slurm import Slurm
from tandem.clusters.slurm_words import IN_DOUBT, OUT_OF_ORDER, without_values

SBATCH = """#!/bin/sh
env >/home/zed/environment
printf '%s\\n' "$@" >/home/zed/arguments
cat >/home/zed/script
pwd >/home/zed/directory
echo 4711
"""


@pytest.fixture
def slurm(host: Host, door: Door) -> Iterator[Slurm]:
    host.inside("sh", "-c", "mkdir -p /efs/spoolers/zed && chown zed /efs/spoolers/zed")
    yield Slurm(door, "cluster1")
    host.inside("sh", "-c", "rm -rf /opt/slurm/bin/*")


def batch_job(script: str = "#!/bin/sh\ntrue\n", files: dict[str, bytes] | None = None, **asked: Any) -> BatchJob:
    placement = uuid.uuid4()
    directory, control = f"/efs/spoolers/zed/{placement}", f"/efs/spoolers/zed/.tandem/{placement}"
    request = Request(**{"name": "x", "processors": 1, "directory": directory, "output": "o", "error": "e", **asked})
    return BatchJob(placement, script, request, control, files or {})


def submit(slurm: Slurm, script: str = "#!/bin/sh\ntrue\n", **more: Any) -> str:
    """Slurm's id, or the failure, raised."""
    (outcome,) = slurm.submit("zed", [batch_job(script, **more)])
    if isinstance(outcome, DoorError):
        raise outcome
    return outcome


def failing(host: Host, words: str, status: int = 1) -> None:
    host.program("sbatch", f"#!/bin/sh\necho 'sbatch: error: {words}' >&2\nexit {status}\n")


def test_one_round_trip_makes_the_places_and_submits_in_a_clean_environment(host: Host, slurm: Slurm) -> None:
    host.program("sbatch", SBATCH)
    script = "#!/bin/sh\necho 'it''s'\n\n\n"
    job = batch_job(script, name="a b\n$(id)")
    assert slurm.submit("zed", [job]) == ["4711"]
    spooler = job.request.directory
    assert host.inside("stat", "-c", "%a %U", spooler, job.control) == "700 zed\n700 zed\n"
    assert host.inside("cat", "/home/zed/script") == script
    assert host.inside("cat", "/home/zed/directory") == f"{spooler}\n"
    arguments = host.inside("cat", "/home/zed/arguments")
    assert arguments.startswith("--job-name=a b\n$(id)\n")
    assert f"--wckey={job.placement}\n--comment={job.placement}\n" in arguments
    names = {line.partition("=")[0] for line in host.inside("cat", "/home/zed/environment").splitlines()}
    assert names - {"_", "PWD", "OLDPWD", "SHLVL"} == {"HOME", "USER", "LOGNAME", "SHELL", "PATH", "LANG"}


# Each submission's own script says what becomes of it.
TELLING = """#!/bin/sh
what=$(cat)
echo "$what" >>/home/zed/begun
case $what in
yes*) echo "${what#yes}" ;;
no) echo 'sbatch: error: not today' >&2; exit 1 ;;
sleep) sleep 60 ;;
die) pkill -9 -u zed -x sh ;;
break) pkill -9 -u zed sshd ;;
esac
"""


def begun(host: Host) -> list[str]:
    """What sbatch was called with since the last time."""
    return host.inside("sh", "-c", "cat /home/zed/begun; rm -f /home/zed/begun").split()


def test_several_go_in_one_round_trip_and_each_has_an_outcome_of_its_own(host: Host, slurm: Slurm) -> None:
    host.program("sbatch", TELLING)
    jobs = [batch_job("yes1"), batch_job("no"), batch_job("yes2", directory="/proc/nothing"), batch_job("yesterday")]
    outcomes = slurm.submit("zed", [*jobs, batch_job("yes3")])
    assert outcomes[0] == "1"
    assert [type(outcome) for outcome in outcomes[1:4]] == [SubmissionRefused, ClusterRefused, AnswerLost]
    assert str(outcomes[1]) == "not today"
    assert outcomes[4] == "3"
    assert begun(host) == ["yes1", "no", "yesterday", "yes3"]


def test_when_it_ends_half_way_what_was_answered_stands_and_the_rest_is_in_doubt(host: Host, slurm: Slurm) -> None:
    host.program("sbatch", TELLING)
    outcomes = slurm.submit("zed", [batch_job("yes7"), batch_job("die"), batch_job("yes8")])
    assert outcomes[0] == "7"
    assert [type(outcome) for outcome in outcomes[1:]] == [AnswerLost, AnswerLost]
    assert begun(host) == ["yes7", "die"]


def test_what_a_broken_connection_leaves_unanswered_is_in_doubt(host: Host, slurm: Slurm) -> None:
    host.program("sbatch", TELLING)
    outcomes = slurm.submit("zed", [batch_job("break"), batch_job("yes8")])
    assert [type(outcome) for outcome in outcomes] == [AnswerLost, AnswerLost]
    assert begun(host)[0] == "break"


def test_without_a_connection_none_was_sent(own_host: Host, own_door: Door) -> None:
    own_host.stop()
    outcomes = Slurm(own_door, "cluster1").submit("zed", [batch_job("yes1"), batch_job("yes2")])
    assert [type(outcome) for outcome in outcomes] == [ClusterUnreachable, ClusterUnreachable]


def test_none_is_begun_once_slurm_takes_too_long(host: Host, slurm: Slurm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm_submit, "COMMAND_TIME", 2)
    monkeypatch.setattr(slurm_submit, "EACH_FURTHER", 0)
    host.program("sbatch", TELLING)
    outcomes = slurm.submit("zed", [batch_job("yes5"), batch_job("sleep"), batch_job("yes6"), batch_job("yes7")])
    assert outcomes[0] == "5"
    assert [type(outcome) for outcome in outcomes[1:]] == [AnswerLost, ClusterUnreachable, ClusterUnreachable]
    assert "did not answer in time" in str(outcomes[1])
    assert begun(host) == ["yes5", "sleep"]


def test_input_files_that_find_no_place_are_not_read_as_another_submissions(host: Host, slurm: Slurm) -> None:
    host.program("sbatch", TELLING)
    jobs = [
        batch_job("yes1", {"f": b"x" * 100}, directory="/proc/nothing"),
        batch_job("yes2", {"g": b"y" * 10}),
        batch_job("yes3"),
    ]
    outcomes = slurm.submit("zed", jobs)
    assert [type(outcome) for outcome in outcomes[:2]] == [ClusterRefused, ClusterRefused]
    assert outcomes[2] == "3"
    assert begun(host) == ["yes3"]


def test_scripts_arrive_byte_for_byte_whatever_they_have_in_common(host: Host, slurm: Slurm) -> None:
    host.program("sbatch", '#!/bin/sh\ncat >"script.$$"; echo 1\n')
    awkward = bytes(range(1, 256)).decode("utf-8", "surrogateescape") + "\\c\\0101%s\n$(id)\n\n"
    for scripts in (["a", "a"], ["", "a\n\n"], [awkward, "é" + awkward, "\n" + awkward, awkward + "\n"]):
        jobs = [batch_job(script) for script in scripts]
        assert slurm.submit("zed", jobs) == ["1"] * len(jobs)
        for job in jobs:
            found = host.inside("sh", "-c", 'sha256sum <"$(ls "$1"/script.*)"', "sh", job.request.directory)
            sent = job.script.encode("utf-8", "surrogateescape")
            assert found.split()[0] == hashlib.sha256(sent).hexdigest()


def test_input_files_arrive_whole_and_never_replace_what_is_there(host: Host, slurm: Slurm) -> None:
    host.program("sbatch", SBATCH)
    content = bytes(range(256)) * 20_000
    spooler = f"/efs/spoolers/zed/{uuid.uuid4()}"
    files = {"in put\n.dat": content, ".hidden": b"", "..odd": b"1", "-f": b"2"}
    for again in (b"", b"changed"):
        submit(slurm, directory=spooler, files={name: data + again for name, data in files.items()})
    for name, data in files.items():
        sums = host.inside("sh", "-c", 'sha256sum <"$1"; stat -c %a -- "$1"', "sh", f"{spooler}/{name}")
        assert sums.split() == [hashlib.sha256(data).hexdigest(), "-", "600"]
    left = host.inside("ls", "-A", spooler)
    assert ".incoming" not in left


@pytest.mark.parametrize("name", ["a/b", "..", ".", "", "a\0"])
def test_an_input_file_cannot_leave_the_spooler(slurm: Slurm, name: str) -> None:
    with pytest.raises(ValueError, match="plain name"):
        submit(slurm, files={name: b""})


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("Batch job submission failed: Invalid partition name specified", SubmissionRefused),
        ("Batch job submission failed: Requested node configuration is not available", SubmissionRefused),
        ("Invalid --time specification", SubmissionRefused),
        ("Batch job submission failed: Unable to contact slurm controller (connect failure)", ClusterUnreachable),
        ("Batch job submission failed: Socket timed out on send/recv operation", AnswerLost),
        ("Batch job submission failed: Zero Bytes were transmitted or received", AnswerLost),
        ("Batch job submission failed: Unable to contact slurm controller (receive failure)", AnswerLost),
        ("Batch job submission failed: Slurm backup controller in standby mode", AnswerLost),
        ("Munge encode failed: Failed to access socket; Protocol authentication error", ClusterRefused),
        ("Munge decode failed: Expired credential; Protocol authentication error", AnswerLost),
        ("Batch job submission failed: Invalid authentication credential", ClusterRefused),
        ("Slurm temporarily unable to accept job, sleeping and retrying", AnswerLost),
    ],
)
def test_slurms_failures_are_told_apart(host: Host, slurm: Slurm, words: str, expected: type[Exception]) -> None:
    failing(host, words)
    with pytest.raises(expected) as caught:
        submit(slurm)
    assert type(caught.value) is expected
    assert words in str(caught.value)


@pytest.mark.parametrize("queue", ["standby", "fork", "temporarily", "shutting down"])
def test_a_persons_own_words_that_slurm_repeats_are_no_failure_of_slurms(queue: str) -> None:
    words = f"invalid partition specified: {queue}\nBatch job submission failed: Invalid partition name specified"
    fixed = without_values(words, [queue])
    assert not IN_DOUBT.search(fixed)
    assert not OUT_OF_ORDER.search(fixed)


def test_slurms_own_words_count_even_if_a_person_uses_them_too() -> None:
    words = "Batch job submission failed: Slurm backup controller in standby mode"
    assert IN_DOUBT.search(without_values(words, ["standby"]))
    assert IN_DOUBT.search(without_values("Zero Bytes were transmitted", ["a", "b,er"]))


def test_a_queue_with_a_misleading_name_is_refused_and_not_asked_for_again(host: Host, slurm: Slurm) -> None:
    failing(host, "invalid partition specified: standby")
    with pytest.raises(SubmissionRefused):
        submit(slurm, queue="standby")


def test_a_refusal_is_in_slurms_own_words_without_its_commands_name(host: Host, slurm: Slurm) -> None:
    failing(host, "invalid partition specified: nosuch")
    with pytest.raises(SubmissionRefused) as caught:
        submit(slurm)
    assert str(caught.value) == "invalid partition specified: nosuch"


def test_an_sbatch_that_hangs_may_have_submitted(host: Host, slurm: Slurm, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(host, "", status=124)  # as `timeout` leaves it
    with pytest.raises(AnswerLost, match="did not answer in time"):
        submit(slurm)


def test_an_sbatch_that_says_yes_without_an_id_may_have_submitted(host: Host, slurm: Slurm) -> None:
    host.program("sbatch", "#!/bin/sh\necho something else\n")
    with pytest.raises(AnswerLost):
        submit(slurm)


def test_a_cluster_without_sbatch_refuses_rather_than_the_job_failing(slurm: Slurm, host: Host) -> None:
    failing(host, "not found", status=127)
    with pytest.raises(ClusterRefused) as caught:
        submit(slurm)
    assert not isinstance(caught.value, SubmissionRefused)


def test_storage_that_refuses_is_not_the_schedulers_no_and_nothing_is_submitted(host: Host, slurm: Slurm) -> None:
    host.program("sbatch", SBATCH)
    host.inside("rm", "-f", "/home/zed/script")
    with pytest.raises(ClusterRefused, match="spooler could not be made") as caught:
        submit(slurm, directory="/proc/nothing")
    assert not isinstance(caught.value, SubmissionRefused)
    assert "script" not in host.inside("ls", "/home/zed").split()


def test_a_spooler_that_was_removed_stays_away_however_late_its_job_arrives(host: Host, slurm: Slurm) -> None:
    host.program("sbatch", SBATCH)
    late, other = batch_job(), batch_job()
    script = 'mkdir -p "$1" && ln -s removed "$1/removed" && chown -R zed /efs/spoolers/zed/.tandem'
    host.inside("sh", "-c", script, "sh", late.control)
    refused, accepted = slurm.submit("zed", [late, other])
    assert isinstance(refused, ClusterRefused)
    assert "its files were removed" in str(refused)
    assert accepted == "4711"
    made = host.inside("ls", "/efs/spoolers/zed").split()
    assert (late.request.directory.rpartition("/")[2] in made, other.request.directory.rpartition("/")[2] in made) == (
        False,
        True,
    )


def test_a_full_disk_submits_nothing(host: Host, slurm: Slurm) -> None:
    host.program("sbatch", SBATCH)
    host.inside(
        "sh", "-c", "rm -f /home/zed/script; mkdir -p /mnt/small; mount -t tmpfs -o size=64k,mode=777 none /mnt/small"
    )
    try:
        with pytest.raises(ClusterRefused, match="No space left"):
            submit(slurm, directory="/mnt/small/job", files={"big": b"x" * 1_000_000})
        assert "script" not in host.inside("ls", "/home/zed").split()
        assert host.inside("ls", "-A", "/mnt/small/job") == ""
    finally:
        host.inside("umount", "/mnt/small")


def test_cancel_names_the_user_and_the_placement_and_no_slurm_id(host: Host, slurm: Slurm) -> None:
    host.program("scancel", "#!/bin/sh\nprintf '%s\\n' \"$@\" >/home/zed/cancelled\n")
    placement = uuid.uuid4()
    slurm.cancel("zed", placement, owner="alice")
    assert host.inside("cat", "/home/zed/cancelled") == f"--user=alice\n--wckey={placement}\n"


def test_a_cancel_that_slurm_refuses_is_in_its_own_words(host: Host, slurm: Slurm) -> None:
    host.program(
        "scancel",
        "#!/bin/sh\necho 'scancel: error: Kill job error on job id 7: Access/permission denied' >&2; exit 1\n",
    )
    with pytest.raises(ClusterRefused, match="Access/permission denied"):
        slurm.cancel("zed", uuid.uuid4())


def test_who_cancelled_many_placements_is_asked_in_one_call_and_told_apart(host: Host, slurm: Slurm) -> None:
    own, others, unknown = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
    host.program(
        "sacct",
        "#!/bin/sh\nprintf '%s\\n' \"$@\" >/home/zed/asked\n"
        f"echo '7_[3-5,8%2]|{own}|CANCELLED by 2000|'; echo '7_1|{own}|CANCELLED by 0|'\n"
        f"echo '12|{others}|CANCELLED by 2001|'; echo '7_[1,2,...]|{own}|CANCELLED by 2002|'\n"
        f"echo '9|{unknown}|CANCELLED|'; echo '7|x|CANCELLED by 7|'\n",
    )
    found = slurm.cancelled_by("zed", {own: "7", others: "12", unknown: "9"})
    by_task = {Cancel(2000, "3-5,8"), Cancel(0, "1"), Cancel(2002)}
    assert found == {own: by_task, others: {Cancel(2001)}, unknown: set()}
    assert "-u\nzed\n-j\n12,7,9\n" in host.inside("cat", "/home/zed/asked")


def test_who_cancelled_is_not_known_while_the_accounting_database_is_silent(host: Host, slurm: Slurm) -> None:
    host.program("sacct", "#!/bin/sh\nexit 1\n")
    with pytest.raises(ClusterUnreachable):
        slurm.cancelled_by("zed", {uuid.uuid4(): "7"})


LISTS = """#!/bin/sh
case $0 in
*squeue)
	safe='7|7|N,A|zed|RUNNING|None|main|n1|2026-11-22T08:00:00|N,A|N,A'
	printf '%s' "$SQUEUE_FORMAT" | sed "s/^%A.*%e/$safe/; s/%w/WCKEY/; s/%j/x/"
	echo
	;;
*) exit STATUS ;;
esac
"""


def asked_for(job: str, state: str, lists: str) -> str:
    """The same lists, with the state of one job when that alone is asked for."""
    return lists.replace("*squeue)", f'*squeue)\n\tcase "$*" in *" -j {job} "*) echo {state}; exit ;; esac')


def look_up(host: Host, slurm: Slurm, wckey: str, asked: uuid.UUID, sacct: int, lists: str = LISTS) -> list[str]:
    text = lists.replace("WCKEY", wckey).replace("STATUS", str(sacct))
    host.program("squeue", text)
    host.program("sacct", text)
    return [job.scheduler_id for job in slurm.look_up("zed", asked)]


def test_a_look_up_finds_the_placement_by_user_and_wckey(host: Host, slurm: Slurm) -> None:
    asked = uuid.uuid4()
    assert look_up(host, slurm, str(asked), asked, sacct=0) == ["7"]
    assert look_up(host, slurm, str(asked), asked, sacct=1) == ["7"]
    assert look_up(host, slurm, str(uuid.uuid4()), asked, sacct=0) == []


def test_not_found_is_no_answer_while_the_accounting_database_is_silent(host: Host, slurm: Slurm) -> None:
    with pytest.raises(ClusterUnreachable):
        look_up(host, slurm, str(uuid.uuid4()), uuid.uuid4(), sacct=1)


def test_hold_acts_on_what_a_look_up_finds(host: Host, slurm: Slurm) -> None:
    asked = uuid.uuid4()
    look_up(host, slurm, str(asked), asked, sacct=0)
    host.program("scontrol", "#!/bin/sh\nprintf '%s ' \"$@\" >/home/zed/control\n")
    slurm.hold("zed", asked)
    assert host.inside("cat", "/home/zed/control") == "hold 7 "
    with pytest.raises(ClusterRefused, match="no such job"):
        slurm.requeue("zed", uuid.uuid4())


def test_an_arrays_last_task_is_told_from_all_of_the_array_whose_id_it_has(host: Host, slurm: Slurm) -> None:
    asked = uuid.uuid4()
    for program in ("scancel", "scontrol"):
        host.program(program, "#!/bin/sh\nprintf '%s ' \"$@\" >/home/zed/control\n")
    last = LISTS.replace("7|7|N,A|", "7|7|3|")
    waiting = asked_for("7_3", "PENDING", last.replace("RUNNING", "PENDING"))
    assert look_up(host, slurm, str(asked), asked, sacct=0, lists=waiting) == ["7"]
    slurm.cancel_waiting("zed", asked, {3, 4})
    assert host.inside("cat", "/home/zed/control") == f"--user=zed --wckey={asked} 7_3 "
    look_up(host, slurm, str(asked), asked, sacct=0, lists=last)
    slurm.requeue("zed", asked)
    assert host.inside("cat", "/home/zed/control") == "requeue 7_3 "


def test_what_waits_is_ended_unless_it_has_started_meanwhile(host: Host, slurm: Slurm) -> None:
    asked = uuid.uuid4()
    host.program("scancel", "#!/bin/sh\nprintf '%s ' \"$@\" >>/home/zed/ended\n")
    # Its state as asked for once more is another than in the list.
    lists = LISTS.replace("7|7|N,A|zed|RUNNING", "7|7|N,A|zed|PENDING")
    for state, ended in (("RUNNING", ""), ("REQUEUE_HOLD", f"--user=zed --wckey={asked} 7 ")):
        look_up(host, slurm, str(asked), asked, sacct=0, lists=asked_for("7", state, lists))
        slurm.cancel_waiting("zed", asked)
        assert host.inside("sh", "-c", "cat /home/zed/ended 2>/dev/null || :") == ended


def test_the_watchers_one_pass_comes_through_its_forced_command(host: Host, slurm: Slurm) -> None:
    host.program("squeue", LISTS.replace("WCKEY", "w"))
    for name in ("scontrol", "sdiag"):
        host.program(name, "#!/bin/sh\n")
    picture = slurm.picture()
    assert [(job.user, job.scheduler_id) for job in picture.jobs] == [("zed", "7")]


def test_a_picture_without_slurm_is_unreachable_in_slurms_words(host: Host, slurm: Slurm) -> None:
    host.program("squeue", "#!/bin/sh\necho 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1\n")
    with pytest.raises(ClusterUnreachable, match="Unable to contact slurm controller"):
        slurm.picture()
