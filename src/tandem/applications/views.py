"""Pages of applications: the list, a form, and the small fragments that a form asks for while it is filled in."""

import uuid
from typing import cast

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.cache import patch_cache_control
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tandem.accounts.models import Person
from tandem.applications.catalogue import APPLICATIONS, JOB_SUBMISSION, Application, find_application
from tandem.applications.choices import known_clusters, queue_choices
from tandem.applications.forms import CHOOSE_AGAIN, JobSubmissionForm
from tandem.jobs import actions
from tandem.jobs.models import Job
from tandem.jobs.queries import visible_jobs
from tandem.jobs.resubmit import form_fields
from tandem.jobs.script import payload_for, preview
from tandem.jobs.submission import SubmissionInvalid
from tandem.node import this_environment


def person_of(request: HttpRequest) -> Person:
    """Who is signed in: every page here asks for that."""
    return cast(Person, request.user)


def application_or_404(slug: str) -> Application:
    """The published application with this address."""
    application = find_application(slug)
    if application is None:
        raise Http404(f"there is no application {slug!r}")
    return application


def form_of(application: Application, request: HttpRequest) -> JobSubmissionForm:
    """The form, with what was sent if anything was."""
    sent = (request.POST, request.FILES) if request.method == "POST" else ()
    return application.form(*sent, person=person_of(request), environment=this_environment())


@require_GET
def applications(request: HttpRequest) -> HttpResponse:
    """What can be started here."""
    return render(request, "applications/list.html", {"title": "Applications", "applications": APPLICATIONS})


@require_http_methods(["GET", "POST"])
def submit(request: HttpRequest, slug: str) -> HttpResponse:
    """An application's form. Sent and right, it becomes a job, and the job's page says what a cluster answered."""
    application = application_or_404(slug)
    form = form_of(application, request)
    if form.is_valid() and form.submission:
        key, digest = form.submission_key(form.submission)
        try:
            job = actions.submit_job(person_of(request), form.submission, key, digest, form.upload)
        except SubmissionInvalid as invalid:
            form.show_errors(invalid)
        else:
            actions.wait_for_first_answer(job)
            return redirect("job", job.pk)
    return page(request, application, form)


@require_GET
def again(request: HttpRequest, job_id: uuid.UUID) -> HttpResponse:
    """The form of an earlier job, filled in as that was: to be changed, and submitted as another job."""
    job = get_object_or_404(visible_jobs(person_of(request)), pk=job_id)
    application = find_application(job.application) or JOB_SUBMISSION
    chosen = form_fields(job.submission)
    form = application.form(person=person_of(request), environment=this_environment(), chosen=chosen)
    return page(request, application, form, earlier=job)


def page(
    request: HttpRequest, application: Application, form: JobSubmissionForm, earlier: Job | None = None
) -> HttpResponse:
    """The form's page: fresh, as an `earlier` job was, or with what was typed and what is wrong with it; the first
    error has the focus.
    """
    if form.first_error:
        form.fields[form.first_error].widget.attrs["autofocus"] = True
    if form.upload_is_lost:
        form["input_upload"].help_text = CHOOSE_AGAIN
    context = {"title": application.name, "application": application, "form": form, "earlier": earlier}
    response = render(request, "applications/submit.html", context)
    # A form that comes out of a cache would carry the key of a job that exists.
    patch_cache_control(response, no_store=True, private=True)
    return response


@require_GET
def place(request: HttpRequest, slug: str) -> HttpResponse:
    """The queues of the chosen cluster, and the hosts of the chosen queue: as fields, filled as they were."""
    application = application_or_404(slug)
    chosen = request.GET.dict()
    if chosen.get("queue") not in dict(queue_choices(known_clusters(), chosen.get("cluster", ""))):
        chosen["queue"] = ""
    form = application.form(person=person_of(request), environment=None, chosen=chosen)
    return render(request, "applications/place.html", {"application": application, "form": form})


@require_POST
def script(request: HttpRequest, slug: str) -> HttpResponse:
    """The batch script that this form would become. Of a file to be uploaded the name is enough."""
    form = form_of(application_or_404(slug), request)
    form.upload_to_come = request.POST.get("input_upload_name", "")
    context: dict[str, object] = {"form": form}
    if form.is_valid() and form.submission:
        environment = this_environment()
        context["commands"] = payload_for(form.submission)
        context["script"] = preview(form.submission, environment.failover if environment else None)
    return render(request, "applications/script.html", context)
