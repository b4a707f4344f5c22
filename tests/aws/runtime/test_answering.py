"""Every event of CloudFormation's is answered once, whatever becomes of the work."""

import threading
from typing import Any

import pytest
from tests.aws.runtime.conftest import CloudFormation, Context

from tandem.aws import answering
from tandem.aws.answering import Event, Result, answered


def test_work_that_succeeds_is_answered_with_what_it_made(cloudformation: CloudFormation) -> None:
    event = cloudformation.event("Create", {"Name": "x"})
    answered(event, Context(), lambda event: Result(f"made-{event.text('Name')}", {"Colour": "blue"}))
    (answer,) = cloudformation.answers
    assert (answer["Status"], answer["PhysicalResourceId"], answer["Data"]) == ("SUCCESS", "made-x", {"Colour": "blue"})


def test_work_that_fails_is_answered_with_the_reason(
    cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_LOG_GROUP_NAME", "/tandem/demo/things")

    def work(event: Event) -> Result:
        return Result(event.text("Nome"))

    answered(cloudformation.event("Create", {"Name": "x"}), None, work)
    (answer,) = cloudformation.answers
    assert answer["Status"] == "FAILED"
    assert answer["Reason"] == "ValueError: the property Nome is missing (see /tandem/demo/things)"
    # The Delete that a failed Create brings about has to find nothing to undo.
    assert answer["PhysicalResourceId"] == "nothing-made:Thing"


def test_a_reason_is_never_too_long_for_cloudformation(cloudformation: CloudFormation) -> None:
    def work(event: Event) -> Result:
        raise ValueError("no" * 5000)

    answered(cloudformation.event("Create", {}), None, work)
    assert len(cloudformation.answers[0]["Reason"]) < 1000


def test_a_failed_update_keeps_what_was_there(cloudformation: CloudFormation) -> None:
    def work(event: Event) -> Result:
        raise ValueError("no")

    answered(cloudformation.event("Update", {}, "kept"), None, work)
    assert cloudformation.answers[0]["PhysicalResourceId"] == "kept"


def test_an_event_that_cannot_even_be_read_is_answered(cloudformation: CloudFormation) -> None:
    event = cloudformation.event("Create", {})
    del event["ResourceProperties"]
    answered(event, None, lambda event: Result("x"))
    assert cloudformation.answers[0]["Status"] == "FAILED"


def test_work_that_takes_too_long_is_answered_before_lambda_ends_it(cloudformation: CloudFormation) -> None:
    until_answered = cloudformation.answered

    def work(event: Event) -> Result:
        assert until_answered.wait(60)
        return Result("x")

    answered(cloudformation.event("Create", {}), Context(answering.SPARE_SECONDS), work)
    (answer,) = cloudformation.answers
    assert (answer["Status"], "too long" in answer["Reason"]) == ("FAILED", True)


def test_an_answer_that_is_not_taken_is_given_again(
    cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering.time, "sleep", lambda seconds: None)
    cloudformation.refuse = answering.ATTEMPTS - 1
    answered(cloudformation.event("Create", {}), None, lambda event: Result("x"))
    assert [answer["Status"] for answer in cloudformation.answers] == ["SUCCESS"]


def test_no_timer_is_left_behind(cloudformation: CloudFormation) -> None:
    before: Any = threading.active_count()
    answered(cloudformation.event("Create", {}), Context(), lambda event: Result("x"))
    assert threading.active_count() <= before + 1
