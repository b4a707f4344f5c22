"""The published applications. An *application* is a form that makes jobs; more will stand beside the built-in one."""

from dataclasses import dataclass

from tandem.applications.forms import JobSubmissionForm


@dataclass(frozen=True, slots=True)
class Application:
    """A published form: its address, how it is announced, and the form itself."""

    slug: str
    name: str
    summary: str
    icon: str
    form: type[JobSubmissionForm]


JOB_SUBMISSION = Application(
    slug="job-submission",
    name="Job Submission",
    summary="Run any program on the clusters: an executable, its options and its input; serial, parallel or an array.",
    icon="terminal-2",
    form=JobSubmissionForm,
)
APPLICATIONS = (JOB_SUBMISSION,)


def find_application(slug: str) -> Application | None:
    """The application with this address."""
    return next((application for application in APPLICATIONS if application.slug == slug), None)
