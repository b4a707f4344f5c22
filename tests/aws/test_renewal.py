"""The self-signed certificate never ends under those who deploy now and then."""

from datetime import date

from tandem.aws.renewal import half_of_the_year


def test_a_self_signed_certificate_is_renewed_in_every_half_of_a_year() -> None:
    days = (date(2026, 1, 1), date(2026, 6, 30), date(2026, 7, 1), date(2027, 1, 1))
    assert [half_of_the_year(day) for day in days] == ["2026-1", "2026-1", "2026-2", "2027-1"]
