"""What a drill showed is told to people, to programs and on the page of results."""

import io
import json
from collections.abc import Sequence

from rich.console import Console

from tandem.drills.promises import TWICE, Broken, Judgement
from tandem.drills.report import document, page, show
from tandem.drills.strike import Struck
from tandem.drills.trial import Outcome
from tandem.drills.windows import SENDING


def struck(fault: str, recovered: float | None, *, took_effect: bool = True) -> Struck:
    return Struck(fault, "zone", SENDING, 100.0, 5.0, took_effect, recovered, [])


def outcome(broken: Sequence[Broken] = ()) -> Outcome:
    strikes = [
        struck("zone-loss", 10.0),
        struck("zone-loss", 30.0),
        struck("zone-loss", 20.0),
        struck("worker-kill", None, took_effect=False),
    ]
    return Outcome(3, 5, {"single": 2, "array": 1}, strikes, Judgement(list(broken)), 61.0, 2.5, seed=7)


def shown(one: Outcome) -> str:
    console = Console(file=io.StringIO(), width=200)
    show(one, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_fault_without_effect_is_not_counted() -> None:
    text = shown(outcome())
    assert "worker-kill" not in text
    assert "3 faults that took effect (1 did not)" in text


def test_median_and_worst_are_told() -> None:
    assert "| zone-loss | 3 | 20.0 s | 30.0 s |" in page(outcome())
    assert "SEED=7" in page(outcome())


def test_a_broken_promise_is_told_with_its_job() -> None:
    text = shown(outcome([Broken(TWICE, "the-job", 4, "on both")]))
    assert "started twice: the-job task 4: on both" in text


def test_it_is_json() -> None:
    told = json.loads(json.dumps(document(outcome([Broken(TWICE, "the-job", None, "on both")]))))
    assert (told["held"], told["counts"][TWICE], told["seed"]) == (False, 1, 7)
