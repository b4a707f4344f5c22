"""When what AWS does not renew by itself is made anew."""

from datetime import date


def half_of_the_year(day: date) -> str:
    """A self-signed certificate holds for 13 months: whoever deploys in every half of a year never sees its end."""
    return f"{day.year}-{1 if day.month <= 6 else 2}"
