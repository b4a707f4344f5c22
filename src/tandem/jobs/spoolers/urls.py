"""Addresses of spoolers' pages. The zip comes from another process: see `jobs.streams`."""

from django.urls import path

from tandem.jobs.spoolers import list_views, views

urlpatterns = [
    path("spoolers/", list_views.spoolers, name="spoolers"),
    path("spoolers/rows", list_views.rows, name="spooler-rows"),
    path("spoolers/<uuid:spooler_id>/", views.spooler, name="spooler"),
    path("spoolers/<uuid:spooler_id>/status", views.status, name="spooler-status"),
    path("spoolers/<uuid:spooler_id>/rename", views.rename, name="spooler-rename"),
    path("spoolers/<uuid:spooler_id>/expiry", views.expiry, name="spooler-expiry"),
    path("spoolers/<uuid:spooler_id>/delete", views.delete, name="spooler-delete"),
]
