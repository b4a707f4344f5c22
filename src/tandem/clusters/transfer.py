"""A person's files on a cluster, by SFTP: the kernel there decides what they may read."""

import stat
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import asyncssh

from tandem.clusters.errors import AnswerLost

T = TypeVar("T")
PIECE = 2**20


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """What a listing says of one entry; links are not followed."""

    name: str
    size: int
    modified_at: datetime
    is_directory: bool
    is_link: bool


class NoSuchFile(Exception):
    """There is no such file, or the person may not read it; the text says which."""


class RemoteFiles:
    """Given out by `Door.sftp`. Paths are absolute."""

    def __init__(
        self, client: asyncssh.SFTPClient, on_door: Callable[[Coroutine[Any, Any, Any]], Awaitable[Any]]
    ) -> None:
        self._client = client
        self._on_door = on_door

    async def _do(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            result: T = await self._on_door(work)
        except (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection) as problem:
            raise AnswerLost(f"the transfer broke: {problem}") from problem
        except asyncssh.SFTPError as problem:
            raise NoSuchFile(problem.reason) from problem
        except (asyncssh.Error, OSError) as problem:
            raise AnswerLost(f"the transfer broke: {problem}") from problem
        return result

    async def stat(self, path: str) -> RemoteFile:
        """Of the file that `path` leads to, links followed. Raises `NoSuchFile`."""
        return _describe(path.rsplit("/", 1)[-1], await self._do(self._client.stat(path)))

    async def list(self, path: str) -> list[RemoteFile]:
        """The entries of a directory, by name, without `.` and `..`. Raises `NoSuchFile`."""
        entries = await self._do(self._client.readdir(path))
        found = [_describe(str(entry.filename), entry.attrs) for entry in entries]
        return sorted((entry for entry in found if entry.name not in {".", ".."}), key=lambda entry: entry.name)

    async def read(self, path: str, offset: int = 0, size: int | None = None) -> AsyncIterator[bytes]:
        """The bytes of a file from `offset`, at most `size` of them. Raises `NoSuchFile` or `AnswerLost`."""
        file = await self._do(_open(self._client, path))
        try:
            while size is None or size > 0:
                piece: bytes = await self._do(file.read(PIECE if size is None else min(PIECE, size), offset))
                if not piece:
                    return
                offset += len(piece)
                size = None if size is None else size - len(piece)
                yield piece
        finally:
            await self._do(file.close())


async def _open(client: asyncssh.SFTPClient, path: str) -> Any:
    return await client.open(path, "rb", encoding=None)


def _describe(name: str, attributes: asyncssh.SFTPAttrs) -> RemoteFile:
    mode = attributes.permissions or 0
    return RemoteFile(
        name=name,
        size=attributes.size or 0,
        modified_at=datetime.fromtimestamp(attributes.mtime or 0, UTC),
        is_directory=stat.S_ISDIR(mode),
        is_link=stat.S_ISLNK(mode),
    )
