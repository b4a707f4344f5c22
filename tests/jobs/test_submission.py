"""The one check of a submission: what passes, what does not, and in which words."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.jobs.protocol.world import ENVIRONMENT

from tandem.clusters.request import Request
from tandem.clusters.slurm_submit import sbatch_options
from tandem.jobs.submission import Submission, SubmissionInvalid, array_indices, check_submission, stored_submission


def errors(**fields: Any) -> dict[str, list[str]]:
    with pytest.raises(SubmissionInvalid) as refused:
        check_submission(fields, ENVIRONMENT)
    return refused.value.errors


def checked(**fields: Any) -> Submission:
    return check_submission({"executable": "run", **fields}, ENVIRONMENT)


def test_only_an_executable_is_needed_and_empty_fields_are_not_given() -> None:
    empty = {"processors": "", "memory": "", "nodes": "", "time_limit": "", "array": "", "launcher": "", "cluster": ""}
    submission = checked(**empty)
    assert (submission.processors, submission.cluster, submission.launcher) == (1, "any", "none")
    assert submission.title == "run"


def test_every_field_that_is_wrong_is_told_at_once() -> None:
    found = errors(
        processors="many", memory="lots", array="9-1", time_limit="soon", cluster="nowhere", restartable="perhaps"
    )
    assert found.keys() == {"processors", "memory", "array", "time_limit", "cluster", "restartable"}
    assert "choose any or cluster1, cluster2" in found["cluster"][0]
    assert found["processors"] == ["must be a whole number"]


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({}, "executable", "is needed"),
        ({"executable": "a", "script": "b"}, "executable", "not both"),
        ({"executable": "-rf"}, "executable", "must be a program"),
        ({"executable": "a", "name": "a\x1b[31mb"}, "name", "control characters (found U+001B)"),
        ({"executable": "a\nb"}, "executable", "control characters"),
        ({"executable": "a", "name": "abc\u202edcba"}, "name", "control characters (found U+202E)"),
        ({"executable": "a", "options": "it's"}, "options", "quotation mark"),
        ({"executable": "a", "options": "one\ntwo"}, "options", "control characters"),
        ({"executable": "a", "options": "{input}"}, "options", "no input file"),
        ({"executable": "a", "input_file": "relative"}, "input_file", "absolute path"),
        ({"executable": "a", "execution_directory": "../x"}, "execution_directory", "absolute path"),
        ({"executable": "a", "processors": 0}, "processors", "at least 1"),
        ({"executable": "a", "processors": 1.5}, "processors", "whole number"),
        ({"executable": "a", "nodes": 2}, "nodes", "at least as many processors"),
        ({"executable": "a", "hosts": "node1"}, "hosts", "choose it"),
        ({"executable": "a", "queue": "-x"}, "queue", "not the name of a queue"),
        ({"executable": "a", "launcher": "mpiexec"}, "launcher", "'none', 'srun' or 'mpirun'"),
        ({"executable": "a", "processors": 4, "nodes": 2, "restartable": True}, "restartable", "one node"),
        ({"executable": "a", "additional_options": "--comm=x"}, "additional_options", "--comm"),
        ({"executable": "a", "additional_options": "--output=/etc/x"}, "additional_options", "--output"),
        ({"executable": "a", "colour": "red"}, "colour", "no such field"),
        ({"executable": "a", "array": "0-999999"}, "array", "write an array"),
        ({"executable": "a", "array": "60000"}, "array", "at most"),
        ({"executable": "a", "array": "1-3%0"}, "array", "behind %"),
        ({"executable": "a", "time_limit": "1:99"}, "time_limit", "write a time"),
        ({"executable": "a", "project": "a;b"}, "project", "letters, digits"),
        ({"script": "#!/bin/sh\n\0"}, "script", "NUL"),
        ({"script": "#!/bin/sh\n#SBATCH --wckey=x\n"}, "script", "--wckey"),
        ({"script": "#!/bin/sh\n", "options": "x"}, "options", "belongs to an executable"),
        ({"script": "#!/bin/sh\n", "launcher": "srun"}, "launcher", "belongs to an executable"),
    ],
)
def test_what_is_wrong_is_told_beside_its_field(fields: dict[str, Any], field: str, words: str) -> None:
    assert words in " ".join(errors(**fields)[field])


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("90", "0-01:30:00"),
        (90, "0-01:30:00"),
        ("1:30", "0-00:01:30"),
        ("1:30:00", "0-01:30:00"),
        ("2-12", "2-12:00:00"),
        ("2-12:30", "2-12:30:00"),
        ("2h 30m", "0-02:30:00"),
        ("45min", "0-00:45:00"),
        ("1d", "1-00:00:00"),
    ],
)
def test_times_are_read_as_the_scheduler_reads_them_and_as_people_write_them(given: object, stored: str) -> None:
    assert checked(time_limit=given).time_limit == stored


@pytest.mark.parametrize(
    ("given", "stored"), [("4G", "4096M"), ("4 GiB", "4096M"), ("512", "512M"), ("1.5g", "1536M"), ("1K", "1M")]
)
def test_memory_is_read_with_its_unit(given: str, stored: str) -> None:
    assert checked(memory=given).memory == stored


def test_hosts_may_be_a_list_or_words_with_ranges() -> None:
    assert checked(cluster="cluster1", hosts=["a1", "a2"]).hosts == "a1,a2"
    assert checked(cluster="cluster1", hosts="a1, a2  b[1,3-5]").hosts == "a1,a2,b[1,3-5]"


def test_a_queue_that_is_in_no_file_is_the_schedulers_to_refuse() -> None:
    assert checked(queue="nowhere").queue == "nowhere"


def test_an_array_is_counted_as_the_scheduler_counts_it() -> None:
    assert array_indices("0-9:3,20,3%2") == [0, 3, 6, 9, 20]
    assert array_indices("") == [0]


def test_what_is_stored_reads_back_as_itself() -> None:
    submission = checked(
        memory="4G", time_limit="90", array="0-9:3%2", hosts="a1", cluster="cluster1", name="ü 'x'", options='a "b"'
    )
    assert Submission.model_validate(submission.model_dump()) == submission


SCRIPT = """#!/bin/sh

#SBATCH --partition=compute -n 4 --exclusive
#SBATCH -J 'my job'  # a comment
# a comment
#SBATCH -p always-on
#SBATCH -t 10
true
#SBATCH --wckey=late
"""


@pytest.mark.parametrize(
    "fields",
    [
        {"memory": "1024T"},
        {"memory": "954T"},
        {"memory": f"{1 << 40}K"},
        {"memory": f"{1 << 30}"},
        {"memory": "1K"},
        {"time_limit": "365-00:00:00"},
        {"time_limit": "525600"},
        {"array": "0-49999:1%50000"},
        {"processors": 1_000_000, "nodes": 100_000},
        {"name": "n" * 200, "project": "p" * 80, "queue": "q" * 80},
        {"executable": "x" * 1000, "options": "o" * 20_000, "additional_options": "--constraint=" + "c" * 1000},
        {"input_file": "/" + "i" * 999, "execution_directory": "~/" + "d" * 998},
        {"cluster": "cluster1", "hosts": "h" * 4000},
        {"executable": "", "script": "s" * (1024 * 1024)},
    ],
)
def test_what_is_stored_reads_back_at_every_bound(fields: dict[str, Any]) -> None:
    submission = checked(**fields)
    assert stored_submission(json.loads(json.dumps(submission.model_dump()))) == submission


@pytest.mark.parametrize("options", ["--nodes=4", "-N 2-4", "-N2", "--nodes 2"])
def test_a_restartable_job_gets_no_second_node_by_any_option(options: str) -> None:
    found = errors(executable="run", restartable=True, additional_options=options)
    assert "--nodes" in found["additional_options"][0]
    found = errors(script=f"#!/bin/sh\n#SBATCH {options}\nrun\n", restartable=True)
    assert "--nodes" in found["script"][0]
    assert checked(additional_options=options).extra_options()


def test_a_restartable_job_has_one_node_whatever_was_said_before() -> None:
    request = Request("j", 4, "/d", "o", "e", nodes=3, restartable=True, extra=("--nodes=4",))
    nodes = [word for word in sbatch_options(request) if word.startswith("--nodes")]
    assert nodes[-1] == "--nodes=1"
    assert "--nodes=3" not in nodes


@pytest.mark.parametrize("field", ["memory", "time_limit", "hosts"])
def test_lists_in_lists_are_refused_in_words(field: str) -> None:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    assert field in errors(executable="run", cluster="cluster1", **{field: nested})


def test_a_scripts_head_sets_fields_unless_they_are_given() -> None:
    found = check_submission({"script": SCRIPT}, ENVIRONMENT)
    assert (found.queue, found.name, found.processors) == ("always-on", "my job", 4)
    assert check_submission({"script": SCRIPT, "queue": "other"}, ENVIRONMENT).queue == "other"


def test_a_scripts_other_options_pass_the_allow_list_and_count_before_the_field() -> None:
    found = check_submission({"script": SCRIPT, "additional_options": "-t 20"}, ENVIRONMENT)
    assert found.extra_options() == ["--exclusive", "--time=10", "--time=20"]


def test_an_upload_is_an_input_file() -> None:
    found = check_submission({"executable": "cat", "options": "{input}"}, ENVIRONMENT, upload_name="data.txt")
    assert found.input_file.endswith("data.txt")


ANYTHING = st.one_of(st.none(), st.text(), st.integers(), st.booleans(), st.floats(), st.lists(st.text()))


@given(st.dictionaries(st.sampled_from([*Submission.model_fields, "else"]), ANYTHING))
def test_whatever_comes_in_nothing_else_is_raised(data: dict[str, Any]) -> None:
    refused: dict[str, list[str]] = {}
    try:
        submission = check_submission(data, ENVIRONMENT)
        assert Submission.model_validate(submission.model_dump()) == submission
    except SubmissionInvalid as invalid:
        refused = invalid.errors
    assert all(messages and all(messages) for messages in refused.values())
