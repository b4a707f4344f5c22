"""Addresses for administrators."""

from django.urls import path

from tandem.operations import views

urlpatterns = [path("status/", views.status, name="status")]
