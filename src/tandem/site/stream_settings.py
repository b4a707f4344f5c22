"""The settings of the process that serves streams: the same, without all that asks the database for each request.

A middleware that asks it would hold a thread and a connection for as long as a stream is open; streams let people in
by themselves (see `jobs.stream_access`).
"""

from tandem.site.settings import *  # noqa: F403

MIDDLEWARE = [
    "tandem.site.middleware.ClientAddressMiddleware",
    "tandem.site.middleware.RequestLogMiddleware",
    "tandem.site.middleware.SecurityHeadersMiddleware",
    "tandem.site.problems.StreamProblemMiddleware",
]
ROOT_URLCONF = "tandem.site.stream_urls"
