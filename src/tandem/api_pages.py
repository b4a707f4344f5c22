"""How long lists are cut into pages in the API."""

from collections.abc import Sequence
from typing import Any

import pydantic
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from ninja.errors import ValidationError
from ninja.pagination import CursorPagination


class Pages(CursorPagination):
    """What comes or goes meanwhile moves no page. A cursor that we never gave is refused as a field."""

    def __init__(self, ordering: Sequence[str]) -> None:
        super().__init__(ordering=tuple(ordering), page_size=50, max_page_size=200)

    def paginate_queryset(
        self, queryset: QuerySet[Any], pagination: CursorPagination.Input, request: HttpRequest, **params: Any
    ) -> Any:
        """One page."""
        try:
            return super().paginate_queryset(queryset, pagination, request, **params)
        except (pydantic.ValidationError, DjangoValidationError, ValidationError, OverflowError):
            raise ValidationError([{"loc": ("query", "cursor"), "msg": "is not a cursor of this list"}]) from None
