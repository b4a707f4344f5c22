"""What several parts of Tandem go by that otherwise know nothing of each other. Needs nothing but Python."""

# The states in which a job or a task is over: those of `jobs.models.JobState`, for who does not know the database.
FINAL_STATES = frozenset({"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT"})

# Debian and systemd give these uids to nobody, dynamic users and containers: no person has one.
UIDS_OF_OTHERS = range(60000, 65536)
