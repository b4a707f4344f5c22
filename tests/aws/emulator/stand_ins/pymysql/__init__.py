"""A stand-in for the database driver: there is no database behind the emulator's endpoints.

Only that the server and its account are there is looked at. What the statements do is tried on a real MariaDB, in the
tests of the function.
"""

from pathlib import Path

import boto3

from pymysql import err

__all__ = ["connect", "err"]


class _Cursor:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def execute(self, _statement, _values=None):
        return 0

    def fetchall(self):
        return []

    fetchone = fetchall


class _Connection:
    def cursor(self):
        return _Cursor()

    def close(self):
        """Nothing to close."""


def connect(*, host, port, user, password, ssl, **_):
    """As the function calls it. The server must be there, be entered with its own account, and by TLS."""
    servers = {
        (server["Endpoint"], server["Port"]): server
        for server in boto3.client("rds").describe_db_clusters()["DBClusters"]
    }
    server = servers.get((host, port))
    if server is None:
        raise err.OperationalError(2003, f"no database server at {host}:{port}")
    if not server.get("DBClusterMembers"):
        raise err.OperationalError(2003, f"{host} has no instance yet")
    if server["MasterUsername"] != user or not password:
        raise err.OperationalError(1045, "access denied")
    if not Path(ssl["ca"]).is_file():
        raise FileNotFoundError(ssl["ca"])
    return _Connection()
