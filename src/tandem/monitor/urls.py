"""Addresses of what the clusters are doing."""

from django.urls import path

from tandem.monitor import views

urlpatterns = [
    path("clusters/", views.clusters, name="clusters"),
    path("clusters/<slug:name>/", views.cluster, name="cluster"),
]
