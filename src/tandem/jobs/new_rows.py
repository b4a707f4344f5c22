"""New rows, where somebody waits for them: `save` composes its statement anew each time, and that takes the longest."""

from functools import cache
from typing import Any

from django.db import connection, models


def insert(row: models.Model) -> None:
    """What `row.save(force_insert=True)` does to the database, for models without signals, parents or binary fields.

    A number that the database gives is not read back.
    """
    statement, fields = _statement(type(row))
    values = [field.get_db_prep_save(field.pre_save(row, add=True), connection) for field in fields]
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
    row._state.adding, row._state.db = False, connection.alias


@cache
def _statement(model: type[models.Model]) -> tuple[str, tuple["models.Field[Any, Any]", ...]]:
    """The statement, and the fields whose values it takes."""
    fields = tuple(field for field in model._meta.local_concrete_fields if not isinstance(field, models.AutoField))
    quoted = connection.ops.quote_name
    columns = ", ".join(quoted(str(field.column)) for field in fields)
    marks = ", ".join(["%s"] * len(fields))
    return f"INSERT INTO {quoted(model._meta.db_table)} ({columns}) VALUES ({marks})", fields  # noqa: S608
