"""`/api/v1/status`: how the environment is doing, for its administrators."""

from django.http import HttpRequest
from ninja import Router

from tandem.accounts.authentication import administrator_of
from tandem.operations.status import Status, read_status

router = Router(tags=["status"])


@router.get("", response=Status, operation_id="show_status", summary="Show how the environment is doing")
def show_status(request: HttpRequest) -> Status:
    """Clusters, leases, the database, what waits and what is in doubt. `attention` says what a person should look at.

    Administrators only. Reads the database alone, never a cluster.
    """
    administrator_of(request)
    return read_status()
