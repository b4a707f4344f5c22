"""What every page's frame shows."""

from dataclasses import dataclass

from django.http import HttpRequest


@dataclass(frozen=True, slots=True)
class NavigationEntry:
    """A line of the sidebar. It is the current one on every address below its own."""

    word: str
    icon: str
    start: str


NAVIGATION = (
    NavigationEntry("Home", icon="home", start="/"),
    NavigationEntry("Applications", icon="apps", start="/applications/"),
    NavigationEntry("Jobs", icon="stack-2", start="/jobs/"),
    NavigationEntry("Spoolers", icon="folders", start="/spoolers/"),
    NavigationEntry("Files", icon="folder", start="/files/"),
    NavigationEntry("Clusters", icon="server-2", start="/clusters/"),
)
ADMIN_NAVIGATION = (
    NavigationEntry("People", icon="users", start="/people/"),
    NavigationEntry("Status", icon="heartbeat", start="/status/"),
)


def frame(request: HttpRequest) -> dict[str, object]:
    """The sidebar's entries, which of them is current, and the request's id for error pages.

    Who is signed in is left to the templates: on an error page nobody may be looked up.
    """
    current = max(
        (
            entry
            for entry in (*NAVIGATION, *ADMIN_NAVIGATION)
            if request.path.startswith(entry.start) and entry.start != "/"
        ),
        key=lambda entry: len(entry.start),
        default=NAVIGATION[0] if request.path == "/" else None,
    )
    return {
        "navigation": NAVIGATION,
        "admin_navigation": ADMIN_NAVIGATION,
        "current_entry": current,
        "request_id": getattr(request, "request_id", ""),
    }
