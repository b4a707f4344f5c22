"""Every address of the portal."""

from django.urls import URLPattern, URLResolver, include, path

from tandem.site import health, views

urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.home, name="home"),
    path("cluster-pills", views.cluster_pills, name="cluster-pills"),
    path("healthz", health.healthz, name="healthz"),
    path("", include("tandem.accounts.urls")),
]
handler400 = "tandem.site.errors.bad_request"
handler403 = "tandem.site.errors.forbidden"
handler404 = "tandem.site.errors.not_found"
handler500 = "tandem.site.errors.server_error"
