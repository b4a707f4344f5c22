"""Who makes waiting long leaves threads to others."""

import pytest

from tandem.accounts.models import Person
from tandem.jobs import actions, page_seats
from tandem.jobs.page_seats import NoSeat, seat_to_read, seat_to_wait
from tandem.jobs.submission import check_submission


def test_only_some_read_through_clusters_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_seats, "PATIENCE", 0.01)
    with seat_to_read(), seat_to_read(), seat_to_read(), pytest.raises(NoSeat, match="try again"), seat_to_read():
        pass
    with seat_to_read():
        pass


def test_when_many_wait_for_an_answer_the_next_is_answered_at_once(ada: Person, db: None) -> None:
    job = actions.submit_job(ada, check_submission({"executable": "/bin/true"}, None))
    with seat_to_wait() as first, seat_to_wait() as second, seat_to_wait() as third:
        assert first
        assert second
        assert third
        assert actions.wait_for_first_answer(job, seconds=1000) == job
