"""What can go wrong with a file, in words for people, with the status that the API and pages answer with."""


class FileTrouble(Exception):
    """The text says what happened to `path` and is fit to be shown; nothing was changed unless it says so."""

    def __init__(self, status: int, words: str, path: bytes) -> None:
        super().__init__(words)
        self.status = status
        self.path = path


class FilesAway(FileTrouble):
    """No cluster that has this path answers now. `clusters`: the names of those that have it."""

    def __init__(self, words: str, path: bytes, clusters: list[str]) -> None:
        super().__init__(503, words, path)
        self.clusters = clusters


UNSURE = "It may have been done all the same: look before you do it again."

# What the cluster's own programs say (LC_ALL=C), and the words that the scripts of this package print.
SAID = {
    "No such file or directory": (404, "There is no such file or folder; it may have been renamed or deleted."),
    "Stale file handle": (404, "This was deleted a moment ago."),
    "Permission denied": (403, "You may not do this there: owner and mode on the cluster decide."),
    "Operation not permitted": (403, "You may not do this there: owner and mode on the cluster decide."),
    "forbidden": (403, "You may not look into this folder: its owner and mode on the cluster decide."),
    "unreadable": (403, "You may not read this file: its owner and mode on the cluster decide."),
    "Read-only file system": (403, "This file system can only be read."),
    "File exists": (409, "There is something of this name already."),
    "exists": (409, "There is something of this name already."),
    "Not a directory": (409, "This is not a folder."),
    "Is a directory": (409, "This is a folder."),
    "special": (409, "This is not a plain file."),
    "Directory not empty": (409, "This folder is not empty."),
    "elsewhere": (409, "This leads to another file system: copy it there, then delete it here."),
    "Invalid argument": (409, "A folder cannot be moved into itself."),
    "File name too long": (422, "This name is too long."),
    "No space left on device": (507, "The file system is full. Nothing was changed."),
    "Disk quota exceeded": (507, "Your quota on this file system is used up. Nothing was changed."),
    "File too large": (507, "This is larger than a file may be there. Nothing was changed."),
    "Input/output error": (503, "The storage does not answer at the moment."),
    "Transport endpoint is not connected": (503, "The storage does not answer at the moment."),
}


def trouble(stdout: bytes, stderr: bytes, path: bytes) -> FileTrouble:
    """What a script that failed has to say."""
    said = stdout.decode("utf-8", "replace").strip()
    if said not in SAID:
        lines = stderr.decode("utf-8", "replace").strip().splitlines() or [""]
        said = lines[-1].rpartition(": ")[2]
    if said in SAID:
        return FileTrouble(*SAID[said], path)
    return FileTrouble(502, f"The cluster could not do this: {said[:200] or 'it gave no reason'}.", path)
