"""An earlier submission once more: what is copied says what was submitted, to a shell and to sbatch."""

import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from tandem.cli import jobs as cli_jobs
from tandem.clusters.request import fields_of_directives
from tandem.jobs.resubmit import as_batch_script, as_command, form_fields, plain_words
from tandem.jobs.submission import Submission

HOSTILE = 'it\'s "quoted" \\ #1; $(touch pwned) `x`'


class Sent:
    """The portal: keeps what is submitted to it."""

    def __init__(self) -> None:
        self.body: dict[str, Any] = {}

    def __enter__(self) -> "Sent":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def post(self, path: str, body: dict[str, Any], **_: object) -> dict[str, Any]:
        self.body = body
        shown = {"cancelling": False, "held": False, "state": "PENDING", "cluster": "", "exit_code": None, "reason": ""}
        return {"id": "0" * 32, **shown}


def submitted_by(command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Submission:
    """What the portal would be asked for if somebody pasted this into a shell."""
    tool = tmp_path / "tandem"
    tool.write_text('#!/bin/sh\nprintf "%s\\0" "$@" >"$WORDS"\n[ -t 0 ] || cat >"$TEXT"\n')
    tool.chmod(0o755)
    words, text = tmp_path / "words", tmp_path / "text"
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "WORDS": str(words), "TEXT": str(text)}
    subprocess.run(
        ["/bin/bash", "-c", command], env=environment, stdin=subprocess.DEVNULL, check=True, cwd=tmp_path, timeout=60
    )
    assert not (tmp_path / "pwned").exists()
    sent = Sent()
    monkeypatch.setattr(cli_jobs, "connected", lambda: sent)
    given = words.read_text().split("\0")[1:-1]
    result = CliRunner().invoke(cli_jobs.app, given, input=text.read_text() or None)
    assert result.exit_code == 0, result.output
    return Submission.model_validate(sent.body)


@pytest.mark.parametrize(
    "fields",
    [
        {"executable": "/bin/echo"},
        {"executable": "/bin/echo", "options": "-n 'a b' c\\ d \"e f\""},
        {"executable": "solver", "name": HOSTILE, "project": "wing 2", "processors": 8, "launcher": "srun"},
        {"executable": "~/bin/x", "options": "-i {input}", "input_file": "/efs/it's here", "queue": "long"},
        {"executable": "x", "additional_options": "--exclusive --constraint=gpu", "time_limit": "90", "memory": "4G"},
        {"executable": "x", "array": "0-9%2", "nodes": 1, "restartable": True, "execution_directory": "/efs/a b"},
        {"executable": "x", "cluster": "cluster1", "hosts": "n1,n[2-3]"},
    ],
)
def test_a_copied_command_submits_the_same(
    fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    submission = Submission.model_validate(fields)
    again = submitted_by(as_command(submission), monkeypatch, tmp_path)
    for field, value in submission.model_dump().items():
        if field == "name":
            assert again.title == submission.title
        elif field == "options":
            assert shlex.split(again.options) == shlex.split(submission.options)
        else:
            assert getattr(again, field) == value


@pytest.mark.parametrize("options", ["$HOME", "*.in | tee log", '"$HOME"', "~/x", "`date`", '"a\\$b"', "a;b", "{a,b}"])
def test_options_that_a_shell_has_to_read_travel_in_a_script(
    options: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    submission = Submission(executable="/bin/echo", options=options, launcher="none", processors=2)
    again = submitted_by(as_command(submission), monkeypatch, tmp_path)
    assert options in again.script
    assert (again.processors, again.title) == (2, "echo")


def test_a_script_is_copied_whole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = (
        "#!/usr/bin/env python3\n#SBATCH --time=5\nprint('END_OF_COMMANDS')\nEND_OF_COMMANDS = $HOME\nEND_OF_COMMANDS\n"
    )
    again = submitted_by(as_command(Submission(script=text, name="py")), monkeypatch, tmp_path)
    assert again.script == Submission(script=text).script


@given(st.text(alphabet="ab \\'\"$`*", max_size=12))
def test_words_are_plain_only_if_a_shell_reads_them_so(options: str) -> None:
    try:
        shlex.split(options)
    except ValueError:
        return
    words = plain_words(options)
    if words is None:
        return
    command = ["/bin/bash", "-c", f'printf "%s\\0" x {options}']
    done = subprocess.run(command, capture_output=True, check=True, cwd="/", timeout=60)
    assert done.stdout.decode().split("\0")[1:-1] == words


class TestTheScript:
    def run(self, submission: Submission, **environment: str) -> str:
        """What the script's commands print, without a scheduler."""
        path = {"PATH": "/usr/bin:/bin", "HOME": "/tmp"}
        script = as_batch_script(submission)
        done = subprocess.run(
            ["/bin/bash"], input=script, text=True, capture_output=True, env=path | environment, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def test_it_runs_the_same_commands_in_the_same_place(self, tmp_path: Path) -> None:
        place = tmp_path / "it's a place"
        place.mkdir()
        options = '-c \'pwd; echo "$0" "$1" "$TANDEM_PROJECT" "$TANDEM_TASK"\' {input} "a  b"'
        submission = Submission(
            executable="/bin/sh",
            options=options,
            input_file="/efs/in put",
            project="p 1",
            execution_directory=str(place),
        )
        assert self.run(submission, SLURM_ARRAY_TASK_ID="7") == f"{place}\n/efs/in put a  b p 1 7\n"

    def test_a_script_in_another_language_is_handed_to_its_interpreter(self) -> None:
        text = "#!/usr/bin/env python3\n#SBATCH --time=5\nimport os\nprint(os.environ['INPUT_FILE'], '$HOME')\n"
        assert self.run(Submission(script=text, input_file="/efs/x")) == "/efs/x $HOME\n"

    def test_its_head_asks_for_the_same(self) -> None:
        submission = Submission(
            name=HOSTILE,
            executable="x",
            processors=4,
            nodes=2,
            memory="2G",
            time_limit="1:30:00",
            queue="long",
            array="0-3",
            hosts="n[1-2]",
            cluster="cluster1",
            additional_options="--exclusive --constraint='gpu&big'",
        )
        script = as_batch_script(submission)
        fields, others = fields_of_directives(script)
        assert fields == {"name": HOSTILE, "processors": "4", "queue": "long", "array": "0-3", "hosts": "n[1-2]"}
        asked = {word for text in others for word in shlex.split(text)}
        assert asked >= {"--nodes=2", "--mem=2048M", "--time=0-01:30:00", "--exclusive", "--constraint=gpu&big"}

    def test_what_a_script_asked_for_itself_is_asked_for_once(self) -> None:
        text = "#!/bin/sh\n#SBATCH --job-name=old\n# kept\n#SBATCH --exclusive\necho hi\n#SBATCH --not-an-option\n"
        script = as_batch_script(Submission(script=text, name="new"))
        assert script.startswith("#!/bin/sh\n#SBATCH --job-name=new\n")
        assert "old" not in script
        assert script.count("--exclusive") == 1
        assert "# kept\necho hi\n#SBATCH --not-an-option\n" in script


def test_a_form_is_filled_in_as_it_was() -> None:
    submission = Submission(executable="x", time_limit="90", nodes=1, restartable=True, memory="4G")
    fields = form_fields(submission.model_dump())
    assert fields["time_limit"] == "01:30:00"
    assert fields["nodes"] == "1"
    assert fields["restartable"] is True
    text = {name: value for name, value in fields.items() if value != ""}
    assert Submission.model_validate(text) == submission
