"""Addresses of applications."""

from django.urls import path

from tandem.applications import views

urlpatterns = [
    path("applications/", views.applications, name="applications"),
    path("applications/again/<uuid:job_id>/", views.again, name="submit-again"),
    path("applications/<slug:slug>/", views.submit, name="submit"),
    path("applications/<slug:slug>/place", views.place, name="submit-place"),
    path("applications/<slug:slug>/script", views.script, name="submit-script"),
]
