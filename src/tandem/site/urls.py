"""Every address of the portal but the streams, which another process serves (see `stream_urls`)."""

from django.urls import URLPattern, URLResolver, include, path

from tandem.site import health, views
from tandem.site.api import api
from tandem.site.api_docs import api_docs
from tandem.site.search import search

urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.home, name="home"),
    path("cluster-pills", views.cluster_pills, name="cluster-pills"),
    path("search", search, name="search"),
    path("healthz", health.healthz, name="healthz"),
    path("api/v1/docs", api_docs, name="api-docs"),
    path("api/v1/", api.urls),
    path("", include("tandem.accounts.urls")),
    path("", include("tandem.applications.urls")),
    path("", include("tandem.files.urls")),
    path("", include("tandem.jobs.urls")),
    path("", include("tandem.jobs.spoolers.urls")),
    path("", include("tandem.monitor.urls")),
    path("", include("tandem.operations.urls")),
]
handler400 = "tandem.site.errors.bad_request"
handler403 = "tandem.site.errors.forbidden"
handler404 = "tandem.site.errors.not_found"
handler500 = "tandem.site.errors.server_error"
