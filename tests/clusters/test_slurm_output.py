"""What Slurm printed, recorded with names that try to be records, is read as what it is."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.clusters import frames
from tandem.clusters import slurm_output as output
from tandem.clusters.channel import Answer
from tandem.clusters.door import ClusterRefused, ClusterUnreachable
from tandem.clusters.scheduler import ClusterPicture, Ending, Node, NodeCondition, Phase, Queue, SchedulerJob
from tandem.clusters.slurm import read_picture

NONCE = "0123456789abcdef"
FIRST, SECOND, THIRD = (f"1f0c5a52-8f1e-4c6e-9d2e-00000000000{number}" for number in (1, 2, 3))
DRAINED = NodeCondition.DRAINED
SINCE = datetime(2026, 11, 22, 7, tzinfo=UTC)
RECORDED = Path(__file__).parent / "recorded/watch-22.05.txt"


def picture_of(raw: bytes) -> ClusterPicture:
    reader = frames.Reader(NONCE)
    reader.feed(raw)
    assert reader.status is not None
    return read_picture("cluster1", Answer(reader.content(), b"", reader.status), NONCE, SINCE)


@pytest.fixture(scope="module")
def picture() -> ClusterPicture:
    return picture_of(RECORDED.read_bytes())


def job(picture: ClusterPicture, raw_id: str) -> SchedulerJob:
    (found,) = [job for job in (*picture.jobs, *picture.ended) if job.raw_id == raw_id]
    return found


def test_a_name_that_looks_like_another_persons_record_stays_a_name(picture: ClusterPicture) -> None:
    forged = job(picture, "24")
    assert (forged.user, forged.state, forged.placement) == ("alice", "COMPLETED", None)
    assert forged.name.startswith("evil\n999|999|N/A|bob|COMPLETED")
    assert not [found for found in (*picture.jobs, *picture.ended) if found.scheduler_id == "999"]


def test_a_placement_is_read_with_the_user_who_claims_it(picture: ClusterPicture) -> None:
    claims = {(found.user, found.scheduler_id) for found in picture.jobs if found.placement == THIRD}
    assert claims == {("alice", "27"), ("bob", "33")}


def test_control_characters_and_broken_utf8_in_a_name_harm_nothing(picture: ClusterPicture) -> None:
    found = job(picture, "25")
    assert found.name == '\x1b[31mred\x01\x1f|%j\t\N{REPLACEMENT CHARACTER}"\\'
    assert (found.placement, found.ending, found.exit_code, found.signal) == (FIRST, Ending.FAILED, 5, None)
    found.name.encode()


def test_tasks_of_an_array_are_told_apart_and_waiting_ones_come_together(picture: ClusterPicture) -> None:
    found = {(found.task, found.phase) for found in picture.jobs if found.placement == SECOND}
    assert found == {(None, Phase.WAITING), (0, Phase.RUNNING), (1, Phase.RUNNING)}
    assert {one.tasks for one in picture.jobs if one.placement == SECOND and one.task is None} == {"2-5"}
    assert {found.scheduler_id for found in picture.jobs if found.placement == SECOND} == {"26"}


def test_states_reasons_times_and_places(picture: ClusterPicture) -> None:
    held, running = job(picture, "27"), job(picture, "29")
    assert (held.phase, held.reason, held.started_at, held.nodes) == (Phase.WAITING, "JobHeldUser", None, "")
    assert (running.phase, running.reason, running.nodes, running.queue) == (Phase.RUNNING, "", "a2", "always-on")
    assert (running.started_at, running.ended_at) == (datetime(2026, 11, 22, 8, 30, 15, tzinfo=UTC), None)
    assert job(picture, "33").phase is Phase.SUSPENDED
    assert (job(picture, "28").exit_code, job(picture, "28").signal) == (0, 11)


def test_what_only_the_accounting_database_remembers_is_there_too(picture: ClusterPicture) -> None:
    task, cancelled = job(picture, "18"), job(picture, "4")
    assert (task.scheduler_id, task.task, task.ending, task.signal) == ("13", 1, Ending.CANCELLED, 15)
    assert (cancelled.ending, cancelled.nodes, cancelled.started_at is None) == (Ending.CANCELLED, "", False)
    assert picture.ended_since == SINCE


def test_live_jobs_are_not_among_the_ended_and_each_is_there_once(picture: ClusterPicture) -> None:
    assert not [found for found in picture.jobs if found.phase is Phase.ENDED]
    assert not [found for found in picture.ended if found.phase is not Phase.ENDED]
    keys = [(found.raw_id, found.task) for found in (*picture.jobs, *picture.ended)]
    assert len(keys) == len(set(keys))


def test_queues_and_nodes(picture: ClusterPicture) -> None:
    assert picture.queues == (
        Queue("always-on", True, True, 86400, 2, 8, 16000),
        Queue("compute", True, False, None, 1, 8, 16000),
    )
    assert picture.nodes == (
        Node("a1", "IDLE+DRAIN", "Duplicate jobid", ("always-on",), 8, 0, 16000, 0, 20.06, "", DRAINED),
        Node(
            "a2",
            "MIXED+DRAIN",
            "bad disk State=IDLE Partitions=x [really]",
            ("always-on", "compute"),
            8,
            4,
            16000,
            2560,
            18.91,
            "",
            NodeCondition.DRAINING,
        ),
    )
    assert (picture.accounts, picture.drained) == (("root",), True)


@pytest.mark.parametrize(
    ("state", "condition"),
    [
        ("IDLE", "idle"),
        ("IDLE+CLOUD", "idle"),
        ("IDLE+PLANNED", "idle"),
        ("MIXED+CLOUD", "busy"),
        ("ALLOCATED", "busy"),
        ("COMPLETING", "busy"),
        ("ALLOCATED+CLOUD+NOT_RESPONDING+POWERING_UP", "starting"),
        ("IDLE+CLOUD+POWER_UP", "starting"),
        ("IDLE+CLOUD+POWERING_DOWN", "stopping"),
        ("DOWN+CLOUD+POWER_DOWN", "stopping"),
        ("IDLE+CLOUD+POWERED_DOWN", "off"),
        ("DOWN+CLOUD+POWERED_DOWN", "off"),
        ("DOWN", "down"),
        ("DOWN*+DRAIN", "down"),
        ("IDLE*", "no answer"),
        ("MIXED+CLOUD+NOT_RESPONDING", "no answer"),
        ("IDLE+DRAIN", "drained"),
        ("ALLOCATED+DRAIN", "draining"),
        ("IDLE~", "idle"),
        ("SOMETHING_NEW", "unknown"),
        ("", "unknown"),
    ],
)
def test_how_a_node_is_follows_from_slurms_words(state: str, condition: str) -> None:
    assert output.condition_of(state) == condition


@pytest.mark.parametrize(
    ("name", "state", "elastic"),
    [("compute-dy-1", "IDLE+CLOUD", True), ("always-on-st-1", "IDLE+CLOUD", False), ("a1", "IDLE", False)],
)
def test_what_comes_and_goes_is_told_from_what_always_runs(name: str, state: str, elastic: bool) -> None:
    assert output.is_elastic(name, state) is elastic


def section(name: str, status: int, raw: bytes) -> bytes:
    """The recording, with another exit status for one section."""
    return raw.replace(f"{NONCE} section {name} 0".encode(), f"{NONCE} section {name} {status}".encode())


def test_a_dead_accounting_database_takes_nothing_but_history_away() -> None:
    picture = picture_of(section("ended", 124, RECORDED.read_bytes()))
    assert (picture.ended_since, len(picture.jobs)) == (None, 7)
    assert picture_of(section("accounts", 1, RECORDED.read_bytes())).accounts is None


def test_without_squeues_answer_there_is_no_picture() -> None:
    with pytest.raises(ClusterUnreachable):
        picture_of(section("jobs", 1, RECORDED.read_bytes()))


def test_a_busy_slurmctld_is_not_drained() -> None:
    raw = RECORDED.read_bytes().replace(b"\n3\n", b"\n200\n")
    assert picture_of(raw).drained is False
    assert picture_of(section("threads", 1, RECORDED.read_bytes())).drained is False


@pytest.mark.parametrize("text", [f"1|2|3{NONCE}w{NONCE}n{NONCE}\n", f"a{NONCE}b{NONCE}\n", "slurm: rubbish\n"])
def test_output_that_is_not_understood_is_said_to_be_so(text: str) -> None:
    with pytest.raises(ClusterRefused):
        output.read_jobs(text, NONCE)


HOSTILE = st.text(st.characters(codec="utf-8", exclude_characters="\0") | st.sampled_from("\n|\r\t\x1f"), max_size=40)


@given(st.lists(st.tuples(HOSTILE, HOSTILE), max_size=5))
def test_no_name_and_no_wckey_reaches_another_field(chosen: list[tuple[str, str]]) -> None:
    squeue = "".join(
        f"{number}|{number}|N/A|alice|PENDING|None|main||2026-11-22T08:00:00|N/A|N/A{NONCE}{wckey}{NONCE}{name}{NONCE}\n"
        for number, (wckey, name) in enumerate(chosen)
    )
    jobs = output.read_jobs(squeue, NONCE)
    assert [(job.scheduler_id, job.user, job.name) for job in jobs] == [
        (str(number), "alice", name) for number, (_, name) in enumerate(chosen)
    ]


@pytest.mark.parametrize(
    ("state", "phase", "ending"),
    [
        ("PENDING", Phase.WAITING, None),
        ("CONFIGURING", Phase.WAITING, None),
        ("RUNNING", Phase.RUNNING, None),
        ("COMPLETING", Phase.RUNNING, None),
        ("SUSPENDED", Phase.SUSPENDED, None),
        ("CANCELLED by 2001", Phase.ENDED, Ending.CANCELLED),
        ("NODE_FAIL", Phase.ENDED, Ending.LOST_NODE),
        ("OUT_OF_MEMORY", Phase.ENDED, Ending.FAILED),
        ("SOME_STATE_OF_A_LATER_SLURM", Phase.RUNNING, None),
    ],
)
def test_states(state: str, phase: Phase, ending: Ending | None) -> None:
    assert output.phase_of(state) == (phase, ending)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("UNLIMITED", None),
        ("30:00", 1800),
        ("1:00:00", 3600),
        ("1-00:00:00", 86400),
        ("2-03:04:05", 183845),
        ("", None),
    ],
)
def test_durations(text: str, seconds: int | None) -> None:
    assert output.read_duration(text) == seconds


def test_the_watch_script_prints_the_fields_that_are_read() -> None:
    script = (Path(__file__).parents[2] / "src/tandem/payload/watch.sh").read_text()
    assert output.SQUEUE_FIELDS.format(nonce="$nonce") in script
    assert output.SACCT_FIELDS in script
    assert frames.READY == b"\ntandem door 42\n"


@pytest.mark.parametrize(
    ("state", "shortage"),
    [
        ("DOWN+CLOUD", "InsufficientInstanceCapacity"),
        ("DOWN*+CLOUD+POWERED_DOWN", "InsufficientInstanceCapacity"),
        ("IDLE+CLOUD+POWERING_DOWN", "InsufficientInstanceCapacity"),
        ("IDLE+CLOUD+POWERED_DOWN", ""),
        ("ALLOCATED+CLOUD+POWERING_UP", ""),
    ],
)
def test_a_node_that_can_be_asked_for_again_is_not_short_though_its_reason_stays(state: str, shortage: str) -> None:
    reason = "(Code:InsufficientInstanceCapacity)Failure when resuming nodes [root@2026-01-01T10:00:00]"
    (node,) = output.read_nodes(f"NodeName=compute-dy-1 State={state} Partitions=compute Reason={reason}\n")
    assert node.shortage == shortage


def test_the_tasks_of_an_entry_for_several_are_known_unless_slurm_cut_the_list_off() -> None:
    assert [output.tasks_of(text) for text in ("3-9%2", "1,3,5-9:2", "4", "N/A", "1,3,5...", "")] == [
        "3-9",
        "1,3,5-9:2",
        "",
        "",
        "",
        "",
    ]
