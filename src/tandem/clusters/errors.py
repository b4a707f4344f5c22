"""How an act on a cluster can fail. The protocol of jobs depends on these being told apart.

| exception | did anything run? | what to do |
|---|---|---|
| `ClusterRefused` | no: the cluster answered and would not do it | say so; trying again may help once it is put right |
| `ClusterUnreachable` | no: it failed before the command was sent | try again at will |
| `AnswerLost` | perhaps: the command was sent, its answer did not come | look up before anything else |
| `SubmissionRefused` | no: the scheduler itself said no to this job | tell the person the scheduler's own words |
"""


class DoorError(Exception):
    """An act on a cluster failed. The text is fit to be shown to a person."""


class ClusterRefused(DoorError):
    """The cluster answered and said no; nothing ran."""


class HostKeyMismatch(ClusterRefused):
    """Somebody else's host key: the address is not the cluster that the environment knows."""


class SubmissionRefused(ClusterRefused):
    """The scheduler read the submission and refused it, in its own words."""


class ClusterUnreachable(DoorError):
    """The cluster did not answer before the command was sent; nothing ran and nothing will."""


class AnswerLost(DoorError):
    """The command was sent and its answer did not come: it may have run, or run later.

    What did come of its output is in `stdout` and `stderr`, for commands that answer piece by piece.
    """

    def __init__(self, text: str, stdout: bytes = b"", stderr: bytes = b"") -> None:
        super().__init__(text)
        self.stdout = stdout
        self.stderr = stderr
