"""The wrapper, run as the scheduler would run it, with real processes and short times: who may start, how it ends."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.payload.place import FENCED, NOCLAIM, SUPERSEDED, TIMES, Place, fake_tool, wait_for

from tandem.jobs.submission import Submission


def break_storage_later(place: Place, how: str) -> Path:
    """Writing works until the file answered here exists."""
    broken = place.root / "broken"
    fake_tool(place, "dd", f'[ ! -e {broken} ] || {how}; exec /usr/bin/dd "$@"')
    return broken


# What a run leaves


def test_it_runs_the_payload_and_writes_its_result(place: Place) -> None:
    process = place.start("echo out; echo err >&2; exit 3")
    assert process.wait(60) == 3
    assert (place.output(), place.errors()) == ("out\n", "err\n")
    result = place.result()
    assert result is not None
    assert (result.code, result.words, result.nonce) == (3, "err", place.claim().nonce)
    assert place.claim().cluster == "cluster1"


def test_it_leaves_no_process_and_no_file_behind(place: Place) -> None:
    place.start("sleep 300 & echo done").wait(60)
    wait_for(lambda: not place.processes(), "all processes of the job are gone")
    assert not list(place.temporary.iterdir())


def test_the_payload_finds_its_surroundings(place: Place) -> None:
    submission = Submission(
        script='#!/bin/sh\necho "$TANDEM_PROJECT|$TANDEM_ATTEMPT|$INPUT_FILE|$PWD"\necho $TANDEM_SPOOLER\n',
        project="Deep Thought",
        input_file="~/in put's.txt",
    )
    place.start_submission(submission).wait(60)
    lines = place.output().splitlines()
    assert lines[0] == f"Deep Thought|0|{place.root}/in put's.txt|{place.spooler}"
    assert lines[1] == str(place.spooler)


def test_the_payload_has_the_persons_path_and_not_the_wrappers_tools(place: Place) -> None:
    place.start('echo "$PATH"').wait(60)
    assert place.output().strip() == os.environ["PATH"]


def test_nothing_a_payload_says_ends_the_wrappers_text(place: Place) -> None:
    script = "cat <<'EOF'\n}\nEOF\ntandem_code=0; exit 7 # '\" `"
    assert place.start(script).wait(60) == 7
    assert place.output() == "}\n"


@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        ({"executable": "no-such-command"}, 127, "command not found on"),
        ({"executable": "/no/such/program"}, 127, "there is no /no/such/program on"),
        ({"executable": "/etc/passwd"}, 126, "cannot be executed"),
        ({"executable": "true", "execution_directory": "/no/such/place"}, 126, "/no/such/place cannot be entered"),
    ],
)
def test_what_cannot_be_started_is_told_in_words(place: Place, fields: dict[str, str], code: int, words: str) -> None:
    assert place.start_submission(Submission(**fields)).wait(60) == code
    result = place.result()
    assert result is not None
    assert (result.code, words in result.words) == (code, True)
    assert words in place.errors()


def test_options_are_read_by_the_nodes_shell(place: Place) -> None:
    submission = Submission(executable="printf", options="'%s\\n' $((6*7)) ~ \"a  b\" | tac")
    place.start_submission(submission).wait(60)
    assert place.output().splitlines() == ["a  b", str(place.root), "42"]


@pytest.mark.parametrize("options", ["{input} x", "x", "'<{input}>' x", '"<{input}>" x'])
def test_the_input_file_is_one_word_wherever_it_stands(place: Place, options: str) -> None:
    name = "/tmp/a 'b' \"c\" $HOME *"
    submission = Submission(executable="printf", options=f"'%s|' {options}", input_file=name)
    place.start_submission(submission).wait(60)
    expected = options.replace("'", "").replace('"', "").replace("{input}", name)
    words = [name, "x"] if options == "{input} x" else ["x", name] if options == "x" else [expected[:-2], "x"]
    assert place.output() == "".join(f"{word}|" for word in words)


def test_a_failed_jobs_last_words_are_kept_fit_for_a_page(place: Place) -> None:
    place.start(r"for i in 1 2 3 4 5; do printf 'line %s\tü\033[31m\n' $i >&2; done; exit 1").wait(60)
    result = place.result()
    assert result is not None
    assert result.words == "line 3 ü[31m\nline 4 ü[31m\nline 5 ü[31m"


def test_array_tasks_claim_for_themselves(place: Place) -> None:
    first, second = place.start("echo $TANDEM_TASK", task=1), place.start("echo $TANDEM_TASK", task=2)
    assert (first.wait(60), second.wait(60)) == (0, 0)
    assert (place.spooler / "output.2.txt").read_text() == "2\n"
    assert place.result(task=1)
    assert place.result(task=2)


# Who may start


def test_of_two_racing_wrappers_one_starts(place: Place) -> None:
    racers = [place.start("echo started; sleep 1") for _ in range(4)]
    codes = sorted(process.wait(60) for process in racers)
    assert codes == [0, SUPERSEDED, SUPERSEDED, SUPERSEDED]
    assert place.output() == "started\n"
    assert place.errors() == ""


def test_a_second_run_of_the_same_placement_does_not_start(place: Place) -> None:
    first = place.start("sleep 300")
    wait_for(lambda: (place.control / "claim.0.0").is_symlink(), "the first run has claimed")
    text = next(place.root.glob("batch-*"))
    again = subprocess.run(["/bin/dash", str(text)], capture_output=True, timeout=60, check=False)
    assert again.returncode == SUPERSEDED
    assert first.poll() is None


def test_a_closed_claim_keeps_it_from_starting(place: Place) -> None:
    (place.control / "claim.0.0").symlink_to("closed:cancel:0123456789abcdef")
    assert place.start("echo started").wait(60) == SUPERSEDED
    assert place.output() == ""


def test_a_claim_that_nobody_can_read_keeps_it_from_starting(place: Place) -> None:
    (place.control / "claim.0.0").symlink_to("garbage")
    assert place.start("echo started").wait(60) == SUPERSEDED


def test_its_own_claim_is_won_also_when_the_answer_to_making_it_got_lost(place: Place) -> None:
    # NFS sends the request again when the answer is lost, and the second time the link is there already.
    fake_tool(place, "ln", 'PATH=/usr/bin:/bin; ln "$@"; exit 1')
    assert place.start("echo started").wait(60) == 0
    assert place.output() == "started\n"


def test_without_its_control_directory_it_does_not_start(place: Place) -> None:
    place.control.rmdir()
    assert place.start("echo started").wait(60) == NOCLAIM
    assert place.output() == ""
    assert "not started" in place.errors()
    assert not place.control.exists(), "the wrapper never makes it"


def test_when_a_claim_can_neither_be_made_nor_read_it_does_not_start(place: Place) -> None:
    fake_tool(place, "ln", "exit 1")
    assert place.start("echo started").wait(60) == NOCLAIM
    assert place.output() == ""


def test_without_room_for_the_payload_it_claims_nothing(place: Place) -> None:
    place.temporary.rmdir()
    assert place.start("echo started").wait(60) == NOCLAIM
    assert not list(place.control.iterdir())


# Signals


def test_a_signal_reaches_the_payload_and_the_exit_code_tells(place: Place) -> None:
    process = place.start("trap 'echo told; exit 9' TERM; echo ready; while :; do sleep 0.1; done")
    wait_for(lambda: "ready" in place.output(), "the payload runs")
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 9
    assert place.output() == "ready\ntold\n"
    result = place.result()
    assert result is not None
    assert (result.code, result.signal) == (9, "TERM")


def test_a_payload_that_dies_of_the_signal_has_128_and_its_number(place: Place) -> None:
    process = place.start("echo ready; sleep 300")
    wait_for(lambda: "ready" in place.output(), "the payload runs")
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 143
    wait_for(lambda: not place.processes(), "all of it is gone, the sleep too")


@pytest.mark.parametrize("restartable", [False, True])
def test_a_payload_that_dies_of_the_signal_before_its_wrapper_has_it_was_told_to_end(
    place: Place, restartable: bool
) -> None:
    """The scheduler signals one process after the other."""
    process = place.start("kill -s TERM $$; sleep 300", restartable=restartable)
    assert process.wait(60) == 143
    result = place.result()
    if restartable:
        assert result is None, "it may be started again"
    else:
        assert result is not None
        assert (result.code, result.signal) == (143, "TERM")


def test_a_signal_that_the_payload_takes_calmly_does_not_end_the_job(place: Place) -> None:
    process = place.start("trap 'echo told' USR1; echo ready; while [ ! -e go ]; do sleep 0.1; done; exit 4")
    wait_for(lambda: "ready" in place.output(), "the payload runs")
    process.send_signal(signal.SIGUSR1)
    wait_for(lambda: "told" in place.output(), "the payload was told")
    (place.spooler / "go").touch()
    assert process.wait(60) == 4


def test_interrupt_is_not_ignored_by_the_payload(place: Place) -> None:
    process = place.start("echo ready; sleep 300")
    wait_for(lambda: "ready" in place.output(), "the payload runs")
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130


# Heartbeat, closing, fencing


def test_every_job_says_that_it_is_alive(place: Place) -> None:
    place.start("sleep 300")
    first = wait_for(place.heartbeat, "a first heartbeat")
    second = wait_for(lambda: place.heartbeat() not in ("", first) and place.heartbeat(), "the next one")
    assert len(first) == len(second), "of one length, since a cached size may cut it"
    assert first.split()[0] == place.claim().nonce


def test_a_killed_wrapper_takes_its_payload_and_heartbeat_along(place: Place) -> None:
    process = place.start("setsid sleep 300 & echo ready; sleep 300")
    wait_for(lambda: "ready" in place.output(), "the payload runs")
    process.kill()
    wait_for(lambda: not place.processes(), "nothing of it is left")
    assert place.result() is None


def test_a_claim_closed_over_its_head_ends_what_does_not_listen_and_says_so_in_its_result(place: Place) -> None:
    process = place.start("trap '' TERM; echo ready; while :; do sleep 0.2; done")
    wait_for(lambda: "ready" in place.output(), "the payload runs")
    (place.control / "claim.0.1").symlink_to("closed:cancel:0123456789abcdef")
    assert process.wait(60) == 137
    result = place.result()
    assert result is not None
    assert (result.code, result.signal) == (137, "TERM")
    wait_for(lambda: not place.processes(), "nothing of it is left")


@pytest.mark.parametrize("restartable", [False, True])
def test_a_run_that_a_closed_claim_told_to_end_says_so_in_its_result(place: Place, restartable: bool) -> None:
    process = place.start("touch ready; sleep 300", restartable=restartable)
    directory = place.spooler / "attempt.0" if restartable else place.spooler
    wait_for(lambda: (directory / "ready").exists(), "the payload runs")
    (place.control / "claim.0.1").symlink_to("closed:cancel:0123456789abcdef")
    assert process.wait(60) == 143
    result = place.result()
    assert result is not None
    assert result.signal == "TERM"


def test_a_restartable_run_that_cannot_write_its_heartbeat_ends_itself_and_touches_nothing(place: Place) -> None:
    broken = break_storage_later(place, "exec sleep 1000")
    process = place.start("setsid sleep 301 & echo ready; sleep 300", restartable=True)
    output = place.spooler / "attempt.0" / "output.txt"
    wait_for(lambda: output.exists() and "ready" in output.read_text(), "the payload runs")
    before = place.heartbeat()
    broken.touch()
    assert process.wait(60) == FENCED
    assert place.result() is None
    assert int(place.heartbeat().split()[1]) <= int(before.split()[1]) + 1
    wait_for(lambda: not [pid for pid in place.processes() if not is_hung(pid)], "the payload is gone")


def is_hung(pid: int) -> bool:
    """The stand-in for a process that hangs in the storage."""
    try:
        return b"1000" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return True


def test_a_run_that_is_not_restartable_outlives_a_hanging_storage(place: Place) -> None:
    broken = break_storage_later(place, "exit 1")
    process = place.start("echo ready; while [ ! -e go ]; do sleep 0.1; done; exit 5")
    wait_for(lambda: "ready" in place.output(), "the payload runs")
    broken.touch()
    began = time.monotonic()
    wait_for(lambda: time.monotonic() - began > TIMES.self_fence + 2, "longer than a fence")
    assert process.poll() is None
    broken.unlink()
    (place.spooler / "go").touch()
    assert process.wait(60) == 5


def test_a_restartable_run_that_was_too_slow_to_claim_does_not_start(place: Place) -> None:
    fake_tool(place, "ln", 'PATH=/usr/bin:/bin; ln "$@"; sleep 4')
    assert place.start("echo started", restartable=True).wait(60) == FENCED
    assert not (place.spooler / "attempt.0").exists()


def test_a_restartable_run_is_seen_to_live_until_its_result_is_written(place: Place) -> None:
    writing, go = place.root / "writing", place.root / "go"
    wait = f"*result*) : > {writing}; until [ -e {go} ]; do sleep 0.1; done"
    fake_tool(place, "dd", f'case "$*" in {wait} ;; esac; exec /usr/bin/dd "$@"')
    process = place.start("true", restartable=True)
    wait_for(writing.exists, "the result is being written")
    seen: set[str] = set()

    def beats_on() -> bool:
        seen.add(place.heartbeat())
        return len(seen) > 4

    wait_for(beats_on, "its heart beats on", 15)
    go.touch()
    assert process.wait(60) == 0
    assert place.result() is not None


def test_a_successor_starts_only_after_it_watched_a_silent_run_for_long_enough(place: Place) -> None:
    (place.control / "claim.0.0").symlink_to(f"run:cluster2:{uuid.uuid4()}:7:01234567-dead")
    began = time.monotonic()
    assert place.start("echo again", restartable=True).wait(90) == 0
    assert time.monotonic() - began >= TIMES.take_over
    assert place.claim(1).cluster == "cluster1"
    assert (place.spooler / "attempt.1" / "output.txt").read_text() == "again\n"


def test_a_successor_leaves_a_run_whose_heart_beats(place: Place) -> None:
    first = place.start("sleep 300", restartable=True)
    wait_for(place.heartbeat, "the first run's heartbeat")
    assert place.start("echo again", "cluster2", restartable=True).wait(60) == SUPERSEDED
    assert first.poll() is None
    assert not (place.control / "claim.0.1").exists()


def test_a_successor_leaves_a_run_that_has_a_result(place: Place) -> None:
    assert place.start("true", restartable=True).wait(60) == 0
    assert place.start("echo again", "cluster2", restartable=True).wait(90) == SUPERSEDED
    assert not (place.spooler / "attempt.1").exists()


def test_a_requeued_restartable_run_writes_no_result_so_that_the_next_one_may_start(place: Place) -> None:
    first = place.start("echo ready; sleep 300", restartable=True)
    output = place.spooler / "attempt.0" / "output.txt"
    wait_for(lambda: output.exists() and "ready" in output.read_text(), "the payload runs")
    first.send_signal(signal.SIGTERM)
    assert first.wait(60) == 143
    assert place.result() is None
    assert place.start("echo again", restartable=True).wait(90) == 0
    assert (place.spooler / "attempt.1" / "output.txt").read_text() == "again\n"


def test_a_run_that_is_told_to_end_leaves_nothing_that_left_its_process_group(place: Place) -> None:
    run = place.start("setsid sleep 7654 & echo ready; sleep 300")
    wait_for(lambda: subprocess.run(["pgrep", "-f", "sleep 7654"], check=False).returncode == 0, "it runs")
    run.send_signal(signal.SIGTERM)
    assert run.wait(60) == 143
    wait_for(lambda: subprocess.run(["pgrep", "-f", "sleep 7654"], check=False).returncode == 1, "it is gone")


@pytest.fixture
def control_group() -> Iterator[Path]:
    """As Slurm makes one for a job."""
    for root in ("/sys/fs/cgroup/freezer", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"):
        group = Path(root) / f"tandem-{uuid.uuid4().hex}" / "job_987654"
        with contextlib.suppress(OSError):
            group.mkdir(parents=True)
        members = group / "cgroup.procs"
        if members.exists():
            yield group
            wait_for(lambda members=members: not members.read_text(), "nothing is left in the control group")
            group.rmdir()
            group.parent.rmdir()
            return
        if group.exists():
            shutil.rmtree(group.parent)
    pytest.skip("no control groups can be made here")


def test_what_sheds_its_environment_is_found_by_its_control_group(place: Place, control_group: Path) -> None:
    place.environment["SLURM_JOB_ID"] = "987654"
    wait = "while [ ! -e go ]; do sleep 0.1; done"
    run = place.start(f"echo $$ > pid; {wait}; env -i setsid sleep 7655 & echo ready; sleep 300")
    pid = wait_for(lambda: (place.spooler / "pid").exists() and (place.spooler / "pid").read_text(), "the payload runs")
    for member in (str(run.pid), pid):
        (control_group / "cgroup.procs").write_text(member)
    (place.spooler / "go").touch()
    wait_for(lambda: subprocess.run(["pgrep", "-f", "sleep 7655"], check=False).returncode == 0, "it runs")
    run.send_signal(signal.SIGTERM)
    assert run.wait(60) == 143
    wait_for(lambda: subprocess.run(["pgrep", "-f", "sleep 7655"], check=False).returncode == 1, "it is gone")
    assert place.result() is not None, "the wrapper itself is in that group as well"


def test_a_restartable_payload_that_saves_its_state_when_told_to_end_is_not_over(place: Place) -> None:
    first = place.start("trap 'echo saved; exit 0' TERM; echo ready; sleep 300 & wait", restartable=True)
    output = place.spooler / "attempt.0" / "output.txt"
    wait_for(lambda: output.exists() and "ready" in output.read_text(), "the payload runs")
    first.send_signal(signal.SIGTERM)
    assert first.wait(60) == 0
    assert output.read_text() == "ready\nsaved\n"
    assert place.result() is None
    assert place.start("echo again", restartable=True).wait(90) == 0


@pytest.mark.parametrize("task", [None, 4])
def test_the_newest_attempts_output_stands_in_the_spooler_as_a_plain_file(place: Place, task: int | None) -> None:
    number = "" if task is None else f".{task}"
    shown = [place.spooler / f"{stream}{number}.txt" for stream in ("output", "error")]
    first = place.start("echo one; echo un >&2; sleep 300", task=task, restartable=True)
    wait_for(lambda: [file.read_text() for file in shown] == ["one\n", "un\n"], "the first attempt's output")
    first.send_signal(signal.SIGTERM)
    assert first.wait(60) == 143
    assert place.start("echo two; echo deux >&2", task=task, restartable=True).wait(90) == 0
    assert [file.read_text() for file in shown] == ["two\n", "deux\n"]
    assert not any(file.is_symlink() for file in shown)
    kept = place.spooler / f"attempt{number}.0"
    # A shell may say on its standard error that it was told to end.
    assert [(kept / name).read_text().split("\n")[0] for name in ("output.txt", "error.txt")] == ["one", "un"]
    assert len(list(place.spooler.iterdir())) == 4


def test_what_the_scheduler_says_of_a_restartable_run_stands_with_its_own_words(place: Place) -> None:
    process = place.start("echo own >&2; sleep 300", restartable=True)
    with (place.spooler / "error.txt").open("a") as scheduler:
        wait_for(lambda: place.errors() == "own\n", "the payload's words")
        scheduler.write("cancelled due to time limit\n")
    assert place.errors() == "own\ncancelled due to time limit\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 143


def test_a_run_that_was_taken_over_ends_itself(place: Place) -> None:
    first = place.start("echo ready; sleep 300", restartable=True)
    wait_for(place.heartbeat, "the first run's heartbeat")
    (place.control / "claim.0.1").symlink_to(f"run:cluster2:{uuid.uuid4()}:7:01234567-beef")
    assert first.wait(60) == FENCED
    assert place.result() is None
    wait_for(lambda: not place.processes(), "nothing of it is left")
