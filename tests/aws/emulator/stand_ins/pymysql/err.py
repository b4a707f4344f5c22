"""The driver's exceptions."""


class MySQLError(Exception):
    """What all have in common."""


class OperationalError(MySQLError):
    """The server is not there, or says no."""
