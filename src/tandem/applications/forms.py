"""The form of an application: what people fill in becomes a submission, checked where every submission is checked."""

import hashlib
import uuid
from collections.abc import Mapping
from typing import Any, cast

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.urls import reverse

from tandem.accounts.models import Person
from tandem.applications.choices import cluster_choices, hosts_of, known_clusters, queue_choices
from tandem.environment import Environment
from tandem.jobs.actions import Upload
from tandem.jobs.parameters import LABELS
from tandem.jobs.submission import ANY_CLUSTER, LARGEST_UPLOAD, Submission, SubmissionInvalid, check_submission

MORE = ("nodes", "memory", "time_limit", "array", "launcher", "restartable")
CHOOSE_AGAIN = "Choose the file again: a browser does not keep it."
LAUNCHERS = (("none", "none: started once"), ("srun", "srun, with pmix"), ("mpirun", "mpirun"))


def text(field: str, help_text: str = "", exact: bool = False, **attributes: str) -> forms.CharField:
    """A line of text. It is not checked here: the submission's own check says what may stand in it."""
    attributes |= {"class": "form-control font-monospace" if exact else "form-control", "autocomplete": "off"}
    if exact:
        attributes |= {"spellcheck": "false", "autocapitalize": "off"}
    return forms.CharField(
        label=LABELS[field],
        required=False,
        strip=True,
        help_text=help_text,
        widget=forms.TextInput(attributes),
    )


def choice(field: str, help_text: str = "") -> forms.CharField:
    """One of a few words. A word that is not offered is for the submission's check to refuse, or for the scheduler."""
    return forms.CharField(
        label=LABELS[field], required=False, help_text=help_text, widget=forms.Select({"class": "form-select"})
    )


class JobSubmissionForm(forms.Form):
    """The built-in application: any executable. Only that one field is needed.

    The form itself checks nothing but the upload; `clean` hands everything to `check_submission` and puts what that
    says beside the fields.
    """

    slug = "job-submission"
    error_css_class = "is-invalid"

    name = text("name", "How you will find it again. Empty: the executable's name.")
    project = text("project", "Recorded with the job, and its account on clusters that have one of this name.")
    executable = text("executable", "A path on the cluster, or a command that is found on its nodes.", exact=True)
    options = text("options", "As in a terminal on the node. {input} stands for the input file.", exact=True)
    input_file = text("input_file", "A path on the cluster, or a file from here.", exact=True)
    input_upload = forms.FileField(
        label="Upload an input file",
        required=False,
        allow_empty_file=True,
        widget=forms.FileInput({"class": "form-control"}),
    )
    execution_directory = text("execution_directory", "Empty: the job's own new directory, its spooler.", exact=True)
    processors = text("processors", inputmode="numeric", placeholder="1")
    cluster = choice("cluster", "any: the one that can start the job sooner, and never one that is down.")
    queue = choice("queue")
    hosts = text("hosts", exact=True, placeholder="any host of the queue")
    additional_options = text(
        "additional_options", "Options of the scheduler, each spelt in full: --exclusive --constraint=gpu", exact=True
    )
    nodes = text("nodes", inputmode="numeric", placeholder="as few as hold the processors")
    memory = text("memory", placeholder="512M per processor", exact=True)
    time_limit = text("time_limit", "90 (minutes), 1:30:00, 2-12:00:00, 2h 30m.", exact=True, placeholder="the queue's")
    array = text("array", "0-9, or 0-99%4 for four at a time; each task finds its own in TANDEM_TASK.", exact=True)
    launcher = choice("launcher", "How the ranks of a parallel program are started.")
    restartable = forms.BooleanField(
        label=LABELS["restartable"],
        required=False,
        help_text="May be started again on its own when its node or its zone is lost.",
        widget=forms.CheckboxInput({"class": "form-check-input"}),
    )
    idempotency_key = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)

    def __init__(
        self,
        data: Any = None,
        files: Any = None,
        *,
        person: Person,
        environment: Environment | None,
        chosen: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(data, files)
        if "script" in data if data is not None else (chosen or {}).get("script"):
            self._take_a_script()
        self.initial = {"cluster": ANY_CLUSTER, "idempotency_key": uuid.uuid4().hex, **(chosen or {})}
        self.submission: Submission | None = None
        # The name of a file that stays in the browser while no more than the script is wanted.
        self.upload_to_come = ""
        self._person = person
        self._environment = environment
        self._clusters = known_clusters()
        self._offer(cluster=self.now("cluster"), queue=self.now("queue"))

    def _take_a_script(self) -> None:
        """The form of a job that was a whole script: in place of an executable and what belongs to one."""
        for field in ("executable", "options", "launcher"):
            del self.fields[field]
        widget = forms.Textarea({"class": "form-control font-monospace", "rows": "16", "spellcheck": "false"})
        self.fields["script"] = forms.CharField(label=LABELS["script"], required=False, strip=False, widget=widget)

    def now(self, field: str) -> str:
        """What stands in a field: as sent, else as the fresh form has it."""
        value = self[field].value()
        return value.strip() if isinstance(value, str) else ""

    def _offer(self, cluster: str, queue: str) -> None:
        for field, choices in (
            ("cluster", cluster_choices(self._clusters)),
            ("queue", queue_choices(self._clusters, cluster)),
            ("launcher", list(LAUNCHERS)),
        ):
            if field not in self.fields:
                continue
            typed = self.now(field)
            offered = [*choices, *([(typed, typed)] if typed not in dict(choices) and typed else [])]
            cast(forms.Select, self.fields[field].widget).choices = offered
        self.hosts_offered = hosts_of(self._clusters, cluster, queue)
        # Both ask for both parts, and the later takes the earlier's place: else the answer about a cluster would put
        # back the queue that was chosen before it came.
        asks = {
            "hx-get": reverse("submit-place", args=[self.slug]),
            "hx-include": "#id_cluster, #id_queue, #id_hosts",
            "hx-swap": "outerHTML",
            "hx-sync": "closest form:replace",
            "hx-target": "#queue-part",
            "hx-select": "#queue-part",
            "hx-select-oob": "#hosts-part",
        }
        for field in ("cluster", "queue"):
            self.fields[field].widget.attrs |= asks

    @property
    def upload(self) -> Upload | None:
        """The input file that came along."""
        file = self.files.get("input_upload")
        if not isinstance(file, UploadedFile):
            return None
        return Upload(file.name or "", b"".join(file.chunks()))

    def clean(self) -> dict[str, Any]:
        """The submission's own check; its words stand beside the fields."""
        cleaned = super().clean() or {}
        asked = {field: cleaned.get(field, "") for field in LABELS if field in self.fields}
        asked["application"] = self.slug
        self._check_upload(asked)
        try:
            self.submission = check_submission(asked, self._environment)
        except SubmissionInvalid as invalid:
            self.show_errors(invalid)
        return cleaned

    def _check_upload(self, asked: dict[str, Any]) -> None:
        file = self.files.get("input_upload")
        name, size = (file.name, file.size or 0) if isinstance(file, UploadedFile) else (self.upload_to_come, 0)
        if not name:
            return
        if asked["input_file"]:
            self.add_error("input_file", "Give a path on the cluster or a file from here, not both.")
        elif size > LARGEST_UPLOAD:
            most = LARGEST_UPLOAD // 1024 // 1024
            self.add_error("input_file", f"An upload may have at most {most} MiB: give a path on the cluster.")
        else:
            # Where it will lie; the job's own directory has no name yet.
            asked["input_file"] = f"/efs/spoolers/{self._person.username}/<new>/{name}"

    def show_errors(self, invalid: SubmissionInvalid) -> None:
        """Put what the check said beside the fields; what belongs to none stands above the form."""
        for field, messages in invalid.errors.items():
            for words in messages:
                self.add_error(field if field in self.fields else None, in_a_sentence(field, words))

    @property
    def upload_is_lost(self) -> bool:
        """Whether a file was chosen that has to be chosen again, since the form comes back."""
        return self.is_bound and bool(self.files.get("input_upload"))

    @property
    def more_is_open(self) -> bool:
        """Whether what stands behind "More" must be seen: something was filled in there, or is wrong there."""
        shown = [field for field in MORE if field in self.fields]
        return any(self.errors.get(field) or self.now(field) not in ("", "none") for field in shown) or bool(
            self["restartable"].value()
        )

    @property
    def first_error(self) -> str:
        """The first field that has an error, in the order of the page."""
        return next((name for name in self.fields if name in self.errors), "")

    def submission_key(self, submission: Submission) -> tuple[str, str]:
        """Key and digest under which this very form, with this very content, makes one job however often it is sent.

        The content is part of the key: who goes back, changes a field and sends again wants another job.
        """
        digest = hashlib.sha256(submission.model_dump_json().encode())
        if upload := self.upload:
            digest.update(hashlib.sha256(upload.content).digest())
        content = digest.hexdigest()
        return f"form:{self.cleaned_data['idempotency_key'] or uuid.uuid4().hex}:{content}", content


def in_a_sentence(field: str, words: str) -> str:
    """What the check says of a field, as a sentence to be read beside it."""
    if words.startswith(("is ", "must ", "may ")):
        words = f"{LABELS.get(field, field)} {words}"
    return words[:1].upper() + words[1:] + ("" if words.endswith((".", "!", "?")) else ".")
