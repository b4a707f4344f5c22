"""Addresses of jobs' pages. Streams have their own, in `streams.py`: another process serves them."""

from django.urls import path

from tandem.jobs import views
from tandem.jobs.notifications import notifications

urlpatterns = [
    path("notifications", notifications, name="notifications"),
    path("jobs/", views.jobs, name="jobs"),
    path("jobs/rows", views.rows, name="job-rows"),
    path("jobs/newer", views.newer, name="jobs-newer"),
    path("jobs/outside/<uuid:job_id>/", views.outside_job, name="outside-job"),
    path("jobs/outside/<uuid:job_id>/cancel", views.cancel_outside, name="outside-job-cancel"),
    path("jobs/<uuid:job_id>/", views.job, name="job"),
    path("jobs/<uuid:job_id>/status", views.status, name="job-status"),
    path("jobs/<uuid:job_id>/tasks", views.tasks, name="job-tasks"),
    path("jobs/<uuid:job_id>/files", views.files, name="job-files"),
    path("jobs/<uuid:job_id>/copies", views.copies, name="job-copies"),
    path("jobs/<uuid:job_id>/cancel", views.cancel, name="job-cancel"),
    path("jobs/<uuid:job_id>/hold", views.hold, name="job-hold"),
    path("jobs/<uuid:job_id>/release", views.release, name="job-release"),
    path("jobs/<uuid:job_id>/requeue", views.requeue, name="job-requeue"),
]
