"""Long lists, page by page: the same for every list of the portal. `site/list_*.html` show them.

A *cursor* is where the page before ended: the values that its last row is sorted by. What comes or goes meanwhile moves
no page, and page 2,000 costs no more than the first: no row is counted or skipped.
"""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from django.core.exceptions import BadRequest, ValidationError
from django.db.models import Model, Q, QuerySet

ROWS_A_PAGE = 50
LONGEST_CURSOR = 600
Row = TypeVar("Row")
AnyModel = TypeVar("AnyModel", bound=Model)


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Some rows of a list. `cursor` is the one that it was asked for with, `next` that of the page behind, if any."""

    rows: Sequence[Row]
    cursor: str = ""
    next: str = ""


@dataclass(frozen=True, slots=True)
class Filter:
    """One field of a list's toolbar. `kind`: `select` with its `choices` (value, word), `text` or `date`.

    `is_first` ones are always in view; the others stand behind "More filters".
    """

    name: str
    label: str
    kind: str = "select"
    value: str = ""
    choices: Sequence[tuple[str, str]] = ()
    is_first: bool = False

    @property
    def options(self) -> list[tuple[str, str]]:
        """What can be chosen: also what somebody typed into the address and nobody offers."""
        typed = [(self.value, self.value)] if self.value and self.value not in dict(self.choices) else []
        return [*self.choices, *typed]

    @property
    def word(self) -> str:
        """What is chosen, as the page says it."""
        return dict(self.choices).get(self.value, self.value)


@dataclass(frozen=True, slots=True)
class Toolbar:
    """Search and filters above a list, for `site/list_toolbar.html`. `search` None: the list cannot be searched."""

    filters: Sequence[Filter] = ()
    search: str | None = None
    hint: str = "Search"

    @property
    def first(self) -> list[Filter]:
        """Those that are always in view."""
        return [one for one in self.filters if one.is_first]

    @property
    def more(self) -> list[Filter]:
        """Those behind "More filters"."""
        return [one for one in self.filters if not one.is_first]

    @property
    def is_filtered(self) -> bool:
        """Whether a filter is set."""
        return any(one.value for one in self.filters)

    @property
    def is_narrowing(self) -> bool:
        """Whether anything is left out of the list."""
        return bool(self.search) or self.is_filtered


def page_of(rows: QuerySet[AnyModel], cursor: str = "", size: int = ROWS_A_PAGE) -> Page[AnyModel]:
    """One page of `rows` in the order that they have: fields of their own without NULLs, the last one unique, all of
    them rising or all falling. Raises BadRequest for a cursor that is none of this list.
    """
    rows = after(rows, cursor)
    found = first_of(rows, size + 1)
    more = len(found) > size
    return Page(found[:size], cursor, cursor_at(rows, found[size - 1]) if more else "")


def first_of(rows: QuerySet[AnyModel], number: int) -> list[AnyModel]:
    """The first rows, found by their keys alone: where an index holds what is asked for, the others are not read."""
    keys = list(rows.values_list("pk", flat=True)[:number])
    return list(rows.filter(pk__in=keys)) if keys else []


def after(rows: QuerySet[AnyModel], cursor: str) -> QuerySet[AnyModel]:
    """Those of `rows` that stand behind the cursor; all without one."""
    return rows.filter(_behind(rows, _values(rows, cursor))) if cursor else rows


def cursor_at(rows: QuerySet[AnyModel], row: AnyModel) -> str:
    """The cursor of a page that begins behind `row`."""
    values = [_text(getattr(row, name)) for name, _ in _order(rows)]
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _order(rows: QuerySet[Any]) -> list[tuple[str, bool]]:
    """Names of the fields that `rows` are sorted by, each with whether it falls."""
    return [(str(name).removeprefix("-"), str(name).startswith("-")) for name in rows.query.order_by]


def _values(rows: QuerySet[Any], cursor: str) -> list[Any]:
    order = _order(rows)
    try:
        if len(cursor) > LONGEST_CURSOR:
            raise ValueError(cursor)
        texts = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        if not isinstance(texts, list) or len(texts) != len(order) or not all(isinstance(one, str) for one in texts):
            raise ValueError(cursor)
        return [_value(rows.model._meta.get_field(name), text) for (name, _), text in zip(order, texts, strict=True)]
    except (ValueError, OverflowError, RecursionError, binascii.Error, ValidationError):
        raise BadRequest("This is no place in this list.") from None


def _value(field: Any, text: str) -> Any:
    """What `_text` made a text of, as the database takes it. Raises ValueError, OverflowError, ValidationError."""
    text.encode()
    value = field.to_python(text)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(text)
        return value.astimezone(UTC)
    return value


def _behind(rows: QuerySet[Any], values: Sequence[Any]) -> Q:
    """Beyond these values. The first field alone bounds the range too, so that every database starts at its place in
    the index instead of reading up to it.
    """
    fields = [(name, "lt" if falls else "gt", value) for (name, falls), value in zip(_order(rows), values, strict=True)]
    beyond: Q | None = None
    for name, operator, value in reversed(fields):
        past = Q(**{f"{name}__{operator}": value})
        beyond = past if beyond is None else past | (Q(**{name: value}) & beyond)
    name, operator, value = fields[0]
    bound = Q(**{f"{name}__{operator}e": value})
    return bound if beyond is None else bound & beyond
