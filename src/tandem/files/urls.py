"""Addresses of the files room. What is sent and received as a whole is in `streams.py`: another process serves it."""

from django.urls import path

from tandem.files import views

urlpatterns = [
    path("files/", views.files, name="files"),
    path("files/folder", views.folder, name="files-folder"),
    path("files/more", views.more, name="files-more"),
    path("files/taken", views.taken, name="files-taken"),
    path("files/new-folder", views.new_folder, name="files-new-folder"),
    path("files/rename", views.rename, name="files-rename"),
    path("files/delete", views.delete, name="files-delete"),
]
