"""One command on one channel of an open connection: knock, wait until ready, send, read the framed answer.

`NotStarted` and `AnswerLost` part what is known to have run nothing from what may have run.
"""

import asyncio
import secrets
from contextlib import suppress
from dataclasses import dataclass

import asyncssh

from tandem.clusters import frames
from tandem.clusters.errors import AnswerLost, ClusterRefused

ANSWER_LIMIT = 64 * 2**20  # bytes; more is read as a stream
STREAM_AHEAD = 2**18  # bytes that a slow reader of a stream may lag behind
SEND_AHEAD = 2**20  # bytes that are kept for a slow taker of data


@dataclass(frozen=True, slots=True)
class Answer:
    """What a script printed between the frames, and its exit status."""

    stdout: bytes
    stderr: bytes
    status: int

    @property
    def text(self) -> str:
        """Standard output as text; bytes that are not UTF-8 survive a way back by `surrogateescape`."""
        return self.stdout.decode("utf-8", "surrogateescape")

    @property
    def complaint(self) -> str:
        """Standard error as text to show to a person."""
        return self.stderr.decode("utf-8", "replace").strip()


class NotStarted(Exception):
    """The channel did not get as far as being ready for a script: nothing was sent, nothing ran."""


class Channel(asyncssh.SSHClientSession[bytes]):
    """Collects what comes, and wakes whoever waits for it."""

    def __init__(self, nonce: str) -> None:
        self._channel: asyncssh.SSHClientChannel[bytes] | None = None
        self.noise = bytearray()
        self._changed = asyncio.Event()
        self.complaint = bytearray()
        self.ready = False
        self.output = frames.Reader(nonce)
        self.errors = frames.Reader(nonce)
        self.closed = False
        self.ended = False
        self.broken: Exception | None = None
        self.pause_above: int | None = None
        self._paused = False
        self.is_full = False

    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        self._channel = chan

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        if datatype == asyncssh.EXTENDED_DATA_STDERR:
            if not self.ready:
                self.complaint += data[: max(0, 2000 - len(self.complaint))]
            self.errors.feed(data)
        elif self.ready:
            self.output.feed(data)
        else:
            self._await_ready(data)
        if self.pause_above is not None and self.output.size > self.pause_above and self._channel and not self._paused:
            self._paused = True
            self._channel.pause_reading()
        self._changed.set()

    def _await_ready(self, data: bytes) -> None:
        self.noise += data
        at = self.noise.find(frames.READY)
        if at >= 0:
            self.ready = True
            self.output.feed(bytes(self.noise[at + len(frames.READY) :]))
            self.noise.clear()
        elif len(self.noise) > 2**16:
            del self.noise[: -len(frames.READY)]

    def eof_received(self) -> bool:
        self.ended = True
        self._changed.set()
        return True  # our half stays open until we close it

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = self.ended = True
        self.broken = exc
        self._changed.set()

    def pause_writing(self) -> None:
        self.is_full = True

    def resume_writing(self) -> None:
        self.is_full = False
        self._changed.set()

    def resume(self) -> None:
        """Read on after a pause."""
        if self._paused and self._channel:
            self._paused = False
            self._channel.resume_reading()

    def lost(self, why: str) -> AnswerLost:
        """The answer will not come any more; with what has come of it."""
        return AnswerLost(why, self.output.content(), self.errors.content())

    async def changed(self) -> None:
        """Wait until something has come since the last call."""
        await self._changed.wait()
        self._changed.clear()


async def start(
    connection: asyncssh.SSHClientConnection, command: str, nonce: str, knock: bytes
) -> tuple[asyncssh.SSHClientChannel[bytes], Channel]:
    """Open a channel and wait until the other side is ready for a script. Raises `NotStarted` or `ClusterRefused`."""
    session = Channel(nonce)
    try:
        channel, _ = await connection.create_session(
            lambda: session, command, env=list(frames.ENVIRONMENT.items()), encoding=None
        )
    except (asyncssh.Error, OSError) as problem:
        raise NotStarted(f"no channel: {problem}") from problem
    try:
        channel.write(knock)
        while not session.ready and not session.ended:
            await session.changed()
    except (asyncssh.Error, OSError) as problem:
        channel.abort()
        raise NotStarted(str(problem)) from problem
    except asyncio.CancelledError:
        channel.abort()
        raise
    if session.ready:
        return channel, session
    while not session.closed:  # the reason follows the end of output
        await session.changed()
    if session.broken is not None or channel.get_exit_status() is None:
        raise NotStarted(f"the connection ended: {session.broken or 'no reason given'}")
    said = (session.complaint or session.noise)[:500].decode("utf-8", "replace").strip()
    raise ClusterRefused(
        f"the login shell ended with status {channel.get_exit_status()} instead of running commands"
        + f": {said}" * bool(said)
    )


async def finish(channel: asyncssh.SSHClientChannel[bytes], session: Channel, content: bytes) -> Answer:
    """Send `content` and wait for the framed answer. Raises `AnswerLost`: once it is sent, anything may have run."""
    if channel.is_closing():
        raise NotStarted("the connection ended before anything was sent")
    try:
        channel.write(content)
        return await _answer(session)
    except (asyncssh.Error, OSError) as problem:
        raise session.lost(f"the connection broke: {problem}") from problem
    finally:
        channel.abort()


async def _answer(session: Channel) -> Answer:
    while session.output.status is None or session.errors.status is None:
        if session.closed and session.output.status is not None:
            break  # standard error was cut off after the answer: the answer stands
        if session.closed:
            raise session.lost(f"the connection ended before the answer did: {session.broken or 'no reason given'}")
        if session.output.size > ANSWER_LIMIT or session.errors.size > ANSWER_LIMIT:
            raise AnswerLost("the answer is too large")
        await session.changed()
    return Answer(session.output.content(), session.errors.content(), session.output.status)


class Listening:
    """A script whose output is read as it comes. Opened by `listen`."""

    def __init__(self, channel: asyncssh.SSHClientChannel[bytes], session: Channel) -> None:
        self._channel = channel
        self._session = session

    async def next(self) -> bytes | None:
        """The next piece, or None when the script has ended. Raises `AnswerLost` when the stream broke."""
        session = self._session
        while True:
            if piece := session.output.drain():
                session.resume()
                return piece
            if session.closed:
                break
            await session.changed()
        if session.broken is not None or not session.output.begun:
            raise AnswerLost(f"the stream broke: {session.broken or 'it never began'}")
        return None

    def close(self) -> None:
        """Stop listening; the other side then ends the script with all its processes."""
        self._channel.abort()


def listen(channel: asyncssh.SSHClientChannel[bytes], session: Channel, content: bytes) -> Listening:
    """Send `content` and read on as the script speaks."""
    session.pause_above = STREAM_AHEAD
    try:
        channel.write(content)
    except OSError as problem:
        raise NotStarted("the connection ended before anything was sent") from problem
    return Listening(channel, session)


class Sending:
    """Data on its way to a script that takes it as fast as it can."""

    def __init__(self, channel: asyncssh.SSHClientChannel[bytes], session: Channel, nonce: str) -> None:
        self._channel = channel
        self._session = session
        self._nonce = nonce

    async def write(self, piece: bytes) -> bool:
        """Send a piece, waiting while too much is under way. False: the script has ended and takes no more."""
        try:
            self._channel.write(piece)
        except OSError:  # `finish` says what came of it
            return False
        while self._session.is_full and not self._is_over:
            await self._session.changed()
        return not self._is_over

    @property
    def _is_over(self) -> bool:
        return self._session.closed or self._session.output.status is not None

    async def finish(self, *, is_whole: bool) -> Answer:
        """The script's answer. Data that is not whole just ends. Raises `AnswerLost`."""
        with suppress(OSError):
            if is_whole:
                self._channel.write(frames.ending(self._nonce))
            else:
                self._channel.write_eof()
        return await _answer(self._session)

    def close(self) -> None:
        """Send no more; a script that has not got all of its data notices that."""
        self._channel.abort()


def send(channel: asyncssh.SSHClientChannel[bytes], session: Channel, beginning: bytes, nonce: str) -> Sending:
    """Begin a script that is sent its data piece by piece. Raises `NotStarted`."""
    channel.set_write_buffer_limits(SEND_AHEAD)
    try:
        channel.write(beginning)
    except OSError as problem:
        raise NotStarted("the connection ended before anything was sent") from problem
    return Sending(channel, session, nonce)


def new_nonce() -> str:
    """Never the same twice, never guessed."""
    return secrets.token_hex(16)
