"""The door: everything that Tandem does on a cluster goes through here, over SSH, as the person concerned.

Each process has one door: an event loop on a thread of its own that holds the connections (connections.py) and speaks
over their channels (channel.py, frames.py), with a synchronous face for Django's code and an awaitable one for streams.
How an act can fail is in errors.py, and it matters: read that first.
"""

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from tandem.clusters import ask_signer, channel, frames
from tandem.clusters.certificates import WATCH_COMMAND, WATCH_USER
from tandem.clusters.channel import Answer, Channel, NotStarted
from tandem.clusters.connections import Connection, Connections, Lane, Sign
from tandem.clusters.errors import (
    AnswerLost,
    ClusterRefused,
    ClusterUnreachable,
    DoorError,
    HostKeyMismatch,
    SubmissionRefused,
)
from tandem.clusters.people import PeopleFile
from tandem.node import ClusterAddress, PortalNode, this_node

__all__ = [
    "Answer",
    "AnswerLost",
    "ClusterRefused",
    "ClusterUnreachable",
    "Door",
    "DoorError",
    "HostKeyMismatch",
    "Lane",
    "SubmissionRefused",
    "get_door",
]

T = TypeVar("T")

READY_TIME = 3.0  # seconds that a connection kept from before has to show that it is alive
TIDY_EVERY = 2.0


class Door:
    """Runs scripts on clusters. Safe to use from any thread and any event loop."""

    def __init__(self, addresses: dict[str, ClusterAddress], sign: Sign, people: PeopleFile | None, name: str) -> None:
        self._people = people
        self._loop = asyncio.new_event_loop()
        self._connections = Connections(addresses, sign, name)
        self._thread = threading.Thread(target=self._serve, name="door", daemon=True)
        self._thread.start()

    # The synchronous face

    def run(
        self,
        user: str,
        cluster: str,
        script: str,
        args: Sequence[str | bytes] = (),
        data: bytes = b"",
        deadline: float = 10.0,
        lane: Lane = Lane.DISPATCH,
    ) -> Answer:
        """Run a sh script as `user` and wait for its answer; a status other than 0 is an answer too.

        `args` become "$@", whatever bytes they are made of. The script's standard input stands at the first of
        `$DATA_SIZE` bytes of `data`, of which fewer arrive if the connection breaks: an end that matters is marked.
        Raises one of the exceptions of errors.py; before `deadline` seconds are over in any case.
        """
        return self._wait(self._run(user, cluster, script, args, data, deadline, lane))

    def watch(self, cluster: str, request: str, deadline: float = 10.0) -> tuple[Answer, str]:
        """What payload/watch.sh answers to `request`, one line, and the nonce that parts its fields.

        The watcher's certificate allows nothing but that script.
        """
        if "\n" in request:
            raise ValueError("a request is one line")
        return self._wait(self._watch(cluster, request, deadline))

    def close(self) -> None:
        """Cut off everything and end the thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    # The awaitable face, for any event loop

    async def async_run(
        self,
        user: str,
        cluster: str,
        script: str,
        args: Sequence[str | bytes] = (),
        data: bytes = b"",
        deadline: float = 10.0,
        lane: Lane = Lane.PAGE,
    ) -> Answer:
        """`run`, awaitable."""
        return await self._await(self._run(user, cluster, script, args, data, deadline, lane))

    async def stream(
        self, user: str, cluster: str, script: str, args: Sequence[str | bytes] = (), deadline: float = 10.0
    ) -> AsyncIterator[bytes]:
        """A script's standard output as it comes, until the script ends or the caller stops listening.

        `deadline` is for getting started, and for each silence after that: then the answer counts as lost. A script
        that is no longer listened to is ended, with all its processes.
        """
        listening, connection = await self._await(self._listen(user, cluster, script, args, deadline))
        try:
            while (piece := await self._await(_within(deadline, listening.next(), cluster))) is not None:
                yield piece
        finally:
            self._loop.call_soon_threadsafe(listening.close)
            self._loop.call_soon_threadsafe(self._leave, connection, Lane.STREAM)

    async def send(
        self,
        user: str,
        cluster: str,
        script: str,
        args: Sequence[str | bytes],
        pieces: AsyncIterator[bytes],
        size: int,
        deadline: float = 10.0,
    ) -> Answer:
        """`run` with `size` bytes of data, taken from `pieces` no faster than the script reads them.

        `deadline` is for getting started, for each piece and for the answer after the last one. If there are fewer
        pieces, if they raise or the caller is cancelled, the script's data ends early, and that is all it learns.
        """
        sending, connection = await self._await(self._start_sending(user, cluster, script, args, size, deadline))
        try:
            sent = 0
            async for piece in pieces:
                sent += len(piece)
                if not await self._await(_within(deadline, sending.write(piece), cluster)):
                    break
            return await self._await(_within(deadline, sending.finish(is_whole=sent >= size), cluster))
        finally:
            self._loop.call_soon_threadsafe(sending.close)
            self._loop.call_soon_threadsafe(self._leave, connection, Lane.STREAM)

    # On the door's own loop

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        tidying = self._loop.create_task(self._tidy())
        try:
            self._loop.run_forever()
        finally:
            tidying.cancel()
            self._connections.close()
            pending = asyncio.all_tasks(self._loop)
            for task in pending:  # nobody waits for ever for a door that is closed
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
            self._loop.close()

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(TIDY_EVERY)
            self._connections.tidy()
            present = self._connections.users() - {WATCH_USER}
            if not present or self._people is None:
                continue
            with contextlib.suppress(OSError, ValueError):  # a file that cannot be read disables nobody
                for user in present - self._people.enabled():
                    self._connections.close_user(user)

    async def _run(
        self,
        user: str,
        cluster: str,
        script: str,
        args: Sequence[str | bytes],
        data: bytes,
        deadline: float,
        lane: Lane,
    ) -> Answer:
        nonce = channel.new_nonce()
        content = frames.opening(nonce, script, args, data, stream=False)
        start = partial(channel.start, command=frames.COMMAND_LINE, nonce=nonce, knock=frames.KNOCK)
        return await self._exchange(user, cluster, start, content, deadline, lane)

    async def _watch(self, cluster: str, request: str, deadline: float) -> tuple[Answer, str]:
        nonce = channel.new_nonce()
        content = f"{nonce}\n{request}\n".encode()
        start = partial(channel.start, command=WATCH_COMMAND, nonce=nonce, knock=b"")
        return await self._exchange(WATCH_USER, cluster, start, content, deadline, Lane.WATCH), nonce

    async def _exchange(
        self, user: str, cluster: str, start: Callable[..., Any], content: bytes, deadline: float, lane: Lane
    ) -> Answer:
        until = time.monotonic() + deadline
        connection, line, session = await self._begin(user, cluster, start, until, lane)
        try:
            async with asyncio.timeout_at(self._loop.time() + until - time.monotonic()):
                return await channel.finish(line, session, content)
        except TimeoutError as problem:
            # Whether the cluster or only the command hangs, nobody can tell from here. The next one starts afresh.
            self._connections.retire(user, cluster, connection)
            raise session.lost(f"{cluster} did not answer within {deadline:g} s") from problem
        except NotStarted as problem:
            raise ClusterUnreachable(f"{cluster}: {problem}") from problem
        except AnswerLost as problem:
            raise AnswerLost(f"{cluster}: {problem}", problem.stdout, problem.stderr) from problem
        finally:
            self._leave(connection, lane)

    async def _begin(
        self, user: str, cluster: str, start: Callable[..., Any], until: float, lane: Lane
    ) -> tuple[Connection, Any, Channel]:
        """A channel that is ready for a script. A kept connection that turns out dead is replaced: nothing was sent."""
        while True:
            connection, kept = await self._take(user, cluster, until, lane)
            left = until - time.monotonic()
            try:
                async with asyncio.timeout(min(READY_TIME, left / 2) if kept else left):
                    line, session = await start(connection.ssh)
                return connection, line, session
            except (NotStarted, TimeoutError) as problem:
                self._connections.retire(user, cluster, connection)
                self._leave(connection, lane)
                if not kept or time.monotonic() >= until:
                    raise ClusterUnreachable(f"{cluster}: {problem or 'no shell within the time allowed'}") from problem
            except ClusterRefused as problem:
                self._leave(connection, lane)
                raise ClusterRefused(f"{cluster}: {problem}") from problem
            except BaseException:
                self._connections.retire(user, cluster, connection)
                self._leave(connection, lane)
                raise

    async def _take(self, user: str, cluster: str, until: float, lane: Lane) -> tuple[Connection, bool]:
        """A connection with a channel of this lane free, and whether it was there already."""
        try:
            async with asyncio.timeout(until - time.monotonic()):
                connection, kept = await self._connections.get(user, cluster)
                connection.users += 1
                try:
                    await connection.lanes[lane].acquire()
                except BaseException:
                    self._connections.leave(connection)
                    raise
        except TimeoutError as problem:
            raise ClusterUnreachable(f"{cluster} could not be entered within the time allowed") from problem
        return connection, kept

    def _leave(self, connection: Connection, lane: Lane) -> None:
        connection.lanes[lane].release()
        self._connections.leave(connection)

    async def _listen(
        self, user: str, cluster: str, script: str, args: Sequence[str | bytes], deadline: float
    ) -> tuple[channel.Listening, Connection]:
        nonce = channel.new_nonce()
        content = frames.opening(nonce, script, args, stream=True)
        start = partial(channel.start, command=frames.COMMAND_LINE, nonce=nonce, knock=frames.KNOCK)
        until = time.monotonic() + deadline
        connection, line, session = await self._begin(user, cluster, start, until, Lane.STREAM)
        try:
            return channel.listen(line, session, content), connection
        except NotStarted as problem:
            self._leave(connection, Lane.STREAM)
            raise ClusterUnreachable(f"{cluster}: {problem}") from problem

    async def _start_sending(
        self, user: str, cluster: str, script: str, args: Sequence[str | bytes], size: int, deadline: float
    ) -> tuple[channel.Sending, Connection]:
        nonce = channel.new_nonce()
        beginning = frames.beginning(nonce, script, args, size, stream=False)
        start = partial(channel.start, command=frames.COMMAND_LINE, nonce=nonce, knock=frames.KNOCK)
        until = time.monotonic() + deadline
        connection, line, session = await self._begin(user, cluster, start, until, Lane.STREAM)
        try:
            return channel.send(line, session, beginning, nonce), connection
        except NotStarted as problem:
            self._leave(connection, Lane.STREAM)
            raise ClusterUnreachable(f"{cluster}: {problem}") from problem

    # Between threads

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _await(self, work: Coroutine[Any, Any, T]) -> T:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))


_doors: dict[int, Door] = {}
_making = threading.Lock()


def get_door() -> Door:
    """This process's door, made at its first use: a fork gets one of its own."""
    with _making:
        door = _doors.get(os.getpid())
        if door is None:
            _doors.clear()
            door = _doors[os.getpid()] = _make_door(this_node())
        return door


def _make_door(node: PortalNode | None) -> Door:
    if node is None:  # a development server has no clusters
        return Door({}, _no_signer, None, "development")
    name = f"{node.node}:{os.getpid()}"
    return Door(node.clusters, signed_by(node.signer_socket), PeopleFile(node.people_file), name)


async def _no_signer(user: str, connection: str, public_key: str) -> str:
    raise ask_signer.SignerUnavailable("there is no signer on a development server")


def signed_by(path: Path) -> Sign:
    """Asks the signer that listens at `path`."""

    async def sign(user: str, connection: str, public_key: str) -> str:
        return await ask_signer.ask(path, user=user, connection=connection, public_key=public_key)

    return sign


async def _within(seconds: float, coming: Awaitable[T], cluster: str) -> T:
    """What comes within so many seconds. Raises AnswerLost."""
    try:
        async with asyncio.timeout(seconds):
            return await coming
    except TimeoutError as silent:
        raise AnswerLost(f"{cluster} fell silent") from silent
