"""`tandem job output`: all that was written, once, in order, until the end."""

from datetime import UTC, datetime

import pytest

from tandem.jobs import outputs
from tandem.jobs.models import Job, JobState

pytestmark = pytest.mark.usefixtures("signed_in")


class Files:
    """What a job has written so far; `grow` is called before each reading."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        self.attempt = 0
        self.most = 2000
        self.grow = lambda: None

    def list(self, job, person, after, most):
        now = datetime.now(UTC)
        files = [outputs.OutputFile(path, len(content), now) for path, content in sorted(self.content.items())]
        end = after + min(most, self.most)
        return outputs.OutputList(files[after:end], len(files), end if end < len(files) else None)

    def read(self, job, person, path, *, offset=0, last=None, most=4):
        self.grow()
        if path not in self.content:
            raise outputs.OutputMissing("There is no such file, or not yet.")
        content = self.content[path]
        start = offset if last is None else max(0, len(content) - last)
        return outputs.Part(len(content), start, content[start : start + min(most, 4)], str(self.attempt))


@pytest.fixture
def files(monkeypatch):
    files = Files()
    monkeypatch.setattr(outputs, "list_outputs", files.list)
    monkeypatch.setattr(outputs, "read_output", files.read)
    monkeypatch.setattr("tandem.jobs.actions.wait_for_first_answer", lambda job, seconds: job)
    return files


@pytest.fixture
def job(tandem, files):
    return tandem("job", "submit", "/bin/true").stdout.strip()


def test_output_prints_all_that_there_is_however_many_pieces(tandem, files, job):
    files.content["output.txt"] = b"0123456789\n"
    assert tandem("job", "output", job).stdout == "0123456789\n"
    assert tandem("job", "output", "--tail", "3", job).stdout == "89\n"
    assert tandem("job", "output", "--json", job).json["content"] == "0123456789\n"


def test_output_of_the_standard_error_and_of_any_file(tandem, files, job):
    files.content |= {"error.txt": b"oh\n", "sub/a b?.txt": b"deep\n"}
    assert tandem("job", "output", "--error", job).stdout == "oh\n"
    assert tandem("job", "output", job, "sub/a b?.txt").stdout == "deep\n"


def test_output_of_an_array_needs_a_task(tandem, files):
    job = tandem("job", "submit", "--array", "0-3", "/bin/true").stdout.strip()
    files.content["output.2.txt"] = b"two\n"
    assert tandem("job", "output", job).status == 2
    assert tandem("job", "output", "--task", "2", job).stdout == "two\n"


def test_nothing_written_yet_is_said(tandem, files, job):
    outcome = tandem("job", "output", job)
    assert outcome.status == 66
    assert "not yet" in outcome.stderr


def test_an_empty_output_is_empty(tandem, files, job):
    files.content["output.txt"] = b""
    outcome = tandem("job", "output", job)
    assert (outcome.status, outcome.stdout) == (0, "")


def test_follow_prints_each_byte_once_from_before_there_is_a_file_to_after_the_end(tandem, files, job):
    written = iter([None, b"one\n", b"", b"two\nthree\n", b"", b""])

    def grow():
        more = next(written, b"")
        if more:
            files.content["output.txt"] = files.content.get("output.txt", b"") + more
        if next_is_last():
            # The last line is written at the very moment of the end.
            files.content["output.txt"] += b"last\n"
            Job.objects.update(state=JobState.COMPLETED)

    readings = []

    def next_is_last():
        readings.append(1)
        return len(readings) == 8

    files.grow = grow
    outcome = tandem("job", "output", "--follow", job)
    assert outcome.stdout == "one\ntwo\nthree\nlast\n"
    assert outcome.status == 0


@pytest.mark.parametrize("second", [b"2nd\n", b"second\n", b"the second one\n"])
def test_follow_begins_anew_with_a_later_attempts_file_however_long_it_is(tandem, files, job, second):
    readings = []

    def grow():
        readings.append(1)
        if len(readings) == 1:
            files.content["output.txt"] = b"first.\n"
        if len(readings) == 4:
            files.content["output.txt"], files.attempt = second, 1
            Job.objects.update(state=JobState.COMPLETED)

    files.grow = grow
    outcome = tandem("job", "output", "--follow", job)
    assert outcome.stdout == "first.\n" + second.decode()
    assert outcome.stderr.count("begun anew") == 1


def test_follow_begins_anew_with_a_file_that_was_cut_off(tandem, files, job):
    readings = []

    def grow():
        readings.append(1)
        if len(readings) == 1:
            files.content["output.txt"] = b"first.\n"
        if len(readings) == 4:
            files.content["output.txt"] = b"2nd\n"
            Job.objects.update(state=JobState.COMPLETED)

    files.grow = grow
    assert tandem("job", "output", "--follow", job).stdout == "first.\n2nd\n"


def test_output_is_saved(tandem, files, job, home):
    files.content["output.txt"] = bytes(range(256))
    assert tandem("job", "output", "--save", "copy", job).stdout == ""
    assert (home / "copy").read_bytes() == bytes(range(256))


def test_output_that_cannot_be_saved_is_told_in_a_line(tandem, files, job):
    files.content["output.txt"] = b"x"
    outcome = tandem("job", "output", "--save", "nowhere/copy", job)
    assert outcome.status == 1
    assert "nowhere/copy" in outcome.stderr


def test_files_are_listed(tandem, files, job):
    assert "Nothing" in tandem("job", "output", "--list", job).stderr
    files.content |= {"output.txt": b"x" * 1234, "[b]": b""}
    shown = tandem("job", "output", "--list", job).stdout
    assert "1,234" in shown
    assert "[b]" in shown
    assert [file["path"] for file in tandem("job", "output", "--list", "--json", job).json] == ["[b]", "output.txt"]


def test_all_files_are_listed_however_many_there_are(tandem, files, job):
    files.most = 2
    files.content = {f"{number}.txt": b"" for number in range(5)}
    listed = tandem("job", "output", "--list", "--json", job).json
    assert [file["path"] for file in listed] == sorted(files.content)


def test_a_name_that_is_not_utf8_can_be_typed_and_copied(tandem, files, job):
    files.content = {"caf\uefe9": b"strong"}
    assert tandem("job", "output", job, "caf\udce9").stdout == "strong"
    assert tandem("job", "output", job, "caf\uefe9").stdout == "strong"
    assert "caf\ufffd" in tandem("job", "output", "--list", job).stdout


def test_json_and_follow_do_not_go_together(tandem, files, job):
    assert tandem("job", "output", "--json", "--follow", job).status == 2
