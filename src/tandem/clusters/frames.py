"""What goes over a channel: a constant command line, then everything else on standard input, answers between nonces.

1. The login shell, whichever it is, is given `COMMAND_LINE`, a constant. It starts `/bin/sh`, which says `READY`.
   Up to here nothing of the caller's has been sent, so whatever goes wrong is known to have run nothing.
2. The caller sends `opening(...)`: the prelude (payload/door.sh), arguments, script, data.
3. The script's output stands between `begin` and `end` lines that carry a nonce, so that nothing a login script prints
   before, or a background process after, is taken for it.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files

# Single quotes mean the same to sh, bash, tcsh, zsh and fish as long as there is no quote, backslash, line end or `!`
# inside. There is no `exec` before it, which some have made an alias of. The sum keeps a mere echo of this line from
# looking like the answer to it.
COMMAND_LINE = (
    "/bin/sh -c '"
    "LC_ALL=C; export LC_ALL; "
    'echo; echo "tandem door $((6*7))"; '
    "while IFS= read -r n; do case $n in [0-9]*) "
    's=$(head -c "$n"); case $s in *"# end of prelude") eval "$s";; esac; exit 97;; '
    "esac; done; exit 97'"
)
READY = b"\ntandem door 42\n"

# Sent before anything else: if a login script has replaced the shell by another (`exec tcsh` in .bashrc), that one
# reads it from here as its first command. The loop in COMMAND_LINE passes over it otherwise.
KNOCK = COMMAND_LINE.encode() + b"\n"

# The shell that bash runs for a command over ssh reads .bashrc only when it is the outermost one. sshd is told to
# accept this variable; where it does not, everything still works, at the price of what .bashrc costs.
ENVIRONMENT = {"SHLVL": "1"}


@lru_cache(maxsize=1)
def prelude() -> bytes:
    """The text of payload/door.sh, framed for the loop in `COMMAND_LINE`."""
    text = files("tandem.payload").joinpath("door.sh").read_bytes() + b"# end of prelude"
    return b"%d\n%s" % (len(text), text)


def opening(nonce: str, script: str, args: Sequence[str | bytes] = (), data: bytes = b"", *, stream: bool) -> bytes:
    """Everything that is sent once the other side is ready. Raises ValueError for what no Unix argument can hold."""
    return beginning(nonce, script, args, len(data), stream=stream) + data + ending(nonce)


def beginning(nonce: str, script: str, args: Sequence[str | bytes], size: int, *, stream: bool) -> bytes:
    """What stands before `size` bytes of data. Raises ValueError as `opening` does."""
    body = script.encode("utf-8", "surrogateescape") + f"\n# end {nonce}".encode()
    if b"\0" in body:
        raise ValueError("a script cannot contain a null character")
    head = [nonce.encode(), b"stream" if stream else b"run", b"%d" % len(args), *map(encode_argument, args)]
    return b"".join([prelude(), b"\n".join(head), b"\n%d\n" % len(body), body, b"%d\n" % size])


def ending(nonce: str) -> bytes:
    """What stands behind the data."""
    return f"{nonce}\n".encode()


def encode_argument(argument: str | bytes) -> bytes:
    """One line that payload/door.sh turns back into `argument`, byte for byte."""
    raw = argument.encode("utf-8", "surrogateescape") if isinstance(argument, str) else argument
    if b"\0" in raw:
        raise ValueError("an argument cannot contain a null character")
    if b"\n" not in raw:
        return b"=" + raw
    return b"%" + raw.replace(b"\\", rb"\0134").replace(b"\n", rb"\0012")


class Reader:
    """Finds the framed answer in one of a channel's two output streams, however it is cut into pieces."""

    def __init__(self, nonce: str) -> None:
        self._begin = f"\n{nonce} begin\n".encode()
        self._end = re.compile(f"\n{nonce} end ([0-9]{{1,3}})\n".encode())
        self._seen = bytearray()
        self._begun = False
        self._looked = 0
        self.status: int | None = None

    def feed(self, chunk: bytes) -> None:
        """Take in the next piece."""
        if self.status is not None:
            return
        self._seen += chunk
        if not self._begun:
            at = self._seen.find(self._begin)
            if at < 0:
                return
            del self._seen[: at + len(self._begin)]
            self._begun = True
        if end := self._end.search(self._seen, self._looked):
            self.status = int(end[1])
            del self._seen[end.start() :]
        else:
            self._looked = max(0, len(self._seen) - 64)

    @property
    def begun(self) -> bool:
        """Has the script been started?"""
        return self._begun

    @property
    def size(self) -> int:
        """Bytes held so far."""
        return len(self._seen)

    def content(self) -> bytes:
        """What stood between the frames (so far)."""
        return bytes(self._seen) if self._begun else b""

    def drain(self) -> bytes:
        """Take what has come after `begin`; for streams, which have no end frame."""
        if not self._begun:
            return b""
        content = bytes(self._seen)
        self._seen.clear()
        self._looked = 0
        return content
