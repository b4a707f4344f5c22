"""All of a spooler as one zip, made while it comes: nothing of it is kept on the portal node.

The cluster sends a tar, which it can make without a program of ours; here it is turned into a zip. Links and special
files stay out, and what could not be read or changed meanwhile is told in a note inside. Names are made harmless:
nothing in them leads out of the directory that is unpacked into, or deceives who reads them.
"""

import asyncio
import stat
import tarfile
import time
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass

# Argument: spooler. Says `ok 0`, then a tar, then `end` and tar's complaints; or why not, as jobs.downloads.SEND does.
# What counts is the directory that was entered and not the one that was looked at: somebody may put a link in its place
# at any moment.
PACK = """
root=$(cd -P -- "${1%/*}" 2>/dev/null && pwd -P) || exit
[ -e "$1" ] || { echo missing; exit; }
[ -d "$1" ] && [ ! -L "$1" ] || { echo outside; exit; }
cd -P -- "$1" 2>/dev/null || { echo forbidden; exit; }
[ "$(pwd -P)" = "$root/${1##*/}" ] || { echo outside; exit; }
exec 4>&1
echo ok 0
said=$(tar --create --file=- --format=gnu --numeric-owner --one-file-system --hard-dereference --ignore-failed-read . \\
    2>&1 >&4 | { head -c 8000; cat >/dev/null; })
printf 'end\\n%s\\n' "$said"
"""
BLOCK = 512
PIECE = 256 * 1024
COMPRESSION = 1  # quick: it is made while somebody waits
# Smaller pieces are compressed sooner than a thread would be found for them.
WORTH_A_THREAD = 16 * 1024
MOST_NOTES = 500
LONGEST_PATH = 4096
LONGEST_END = 32_000  # tar's padding, and its complaints
NOTE = "LEFT OUT.txt"
_SKIPPED = {
    tarfile.SYMTYPE: "a link to elsewhere",
    tarfile.FIFOTYPE: "a pipe",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
}


class ArchiveBroken(Exception):
    """What came is not the whole of a tar. The zip must not look complete."""


class Incoming:
    """The bytes of a stream, taken by number instead of as they come."""

    def __init__(self, pieces: AsyncIterator[bytes], first: bytes = b"") -> None:
        self._pieces = pieces
        self._held = bytearray(first)

    async def some(self, most: int) -> bytes:
        """At least one byte and at most so many; none at the end."""
        if not self._held:
            self._held += await anext(self._pieces, b"")
        taken = bytes(self._held[:most])
        del self._held[:most]
        return taken

    async def exactly(self, number: int) -> bytes:
        """So many bytes. Raises ArchiveBroken."""
        while len(self._held) < number:
            piece = await anext(self._pieces, b"")
            if not piece:
                raise ArchiveBroken("the stream ended early")
            self._held += piece
        taken = bytes(self._held[:number])
        del self._held[:number]
        return taken

    async def skip(self, number: int) -> None:
        """Take so many bytes for nothing. Raises ArchiveBroken."""
        while number:
            piece = await self.some(min(number, PIECE))
            if not piece:
                raise ArchiveBroken("the stream ended early")
            number -= len(piece)

    async def rest(self, most: int) -> bytes:
        """All that still comes, of which the first so many bytes are kept."""
        kept = b""
        while piece := await self.some(PIECE):
            kept = (kept + piece)[:most]
        return kept


async def entries(incoming: Incoming) -> AsyncIterator[tarfile.TarInfo]:
    """The headers of a tar in GNU's format. After each, its `size` bytes and their padding are the caller's to take."""
    name: bytes | None = None
    while (block := await incoming.exactly(BLOCK)) != bytes(BLOCK):
        try:
            entry = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.HeaderError as problem:
            raise ArchiveBroken(f"no tar: {problem}") from problem
        if entry.type in (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK):
            if entry.size > LONGEST_PATH * 4:
                raise ArchiveBroken("a name is too long")
            text = await incoming.exactly(padded(entry.size))
            if entry.type == tarfile.GNUTYPE_LONGNAME:
                name = text[: entry.size].rstrip(b"\0")
            continue
        if name is not None:
            entry.name, name = name.decode("utf-8", "surrogateescape"), None
        yield entry


def padded(size: int) -> int:
    """How many bytes a content of `size` takes up in a tar."""
    return -(-size // BLOCK) * BLOCK


def harmless(name: str) -> str:
    """A path in the spooler as a path in the zip: relative, and read everywhere as it is written here.

    Bytes that are no UTF-8 become %E9, what cannot be printed or parts paths elsewhere becomes `_`.
    """
    parts = [part for part in name.split("/") if part not in ("", ".", "..")]
    return "/".join("".join(map(_harmless, part)) for part in parts)


def _harmless(character: str) -> str:
    if "\udc80" <= character <= "\udcff":
        return f"%{ord(character) - 0xDC00:02X}"
    return "_" if character == "\\" or not character.isprintable() else character


@dataclass(slots=True)
class _Sink:
    """What a zip is written to: cannot seek, and gives away what it has."""

    held: bytearray

    def write(self, data: bytes) -> int:
        self.held += data
        return len(data)

    def flush(self) -> None:
        """Nothing is kept back."""

    def take(self) -> bytes:
        taken = bytes(self.held)
        self.held.clear()
        return taken


class Archive:
    """One zip under way. Everything in it lies in one directory, called `title`."""

    def __init__(self, title: str) -> None:
        self._top = harmless(title.replace("/", "_")) or "spooler"
        self._sink = _Sink(bytearray())
        self._zip = zipfile.ZipFile(self._sink, "w", zipfile.ZIP_DEFLATED, compresslevel=COMPRESSION)  # type: ignore[call-overload]
        self._taken: set[str] = set()
        self._notes: list[str] = []

    async def pieces(self, incoming: Incoming) -> AsyncIterator[bytes]:
        """The zip's bytes. Raises ArchiveBroken when not all of the tar comes."""
        async for entry in entries(incoming):
            if entry.isdir():
                self._zip.mkdir(self._info(entry, is_directory=True))
                await incoming.skip(padded(entry.size))
            elif entry.isreg():
                async for piece in self._file(entry, incoming):
                    yield piece
            else:
                self._note(f"{harmless(entry.name)}: {_SKIPPED.get(entry.type, 'no plain file')}")
                await incoming.skip(padded(entry.size))
            if len(self._sink.held) > PIECE:
                yield self._sink.take()
        self._read_end(await incoming.rest(LONGEST_END))
        if self._notes:
            self._zip.writestr(self._name(NOTE), "\n".join([*self._notes, ""]))
        self._zip.close()
        yield self._sink.take()

    async def _file(self, entry: tarfile.TarInfo, incoming: Incoming) -> AsyncIterator[bytes]:
        left = entry.size
        with self._zip.open(self._info(entry), "w") as file:
            while left:
                piece = await incoming.some(min(left, PIECE))
                if not piece:
                    raise ArchiveBroken("the stream ended early")
                left -= len(piece)
                if len(piece) < WORTH_A_THREAD:
                    file.write(piece)
                else:  # others' streams go on meanwhile
                    await asyncio.to_thread(file.write, piece)
                if len(self._sink.held) > PIECE:
                    yield self._sink.take()
        await incoming.skip(padded(entry.size) - entry.size)

    def _info(self, entry: tarfile.TarInfo, *, is_directory: bool = False) -> zipfile.ZipInfo:
        moment = time.gmtime(min(max(entry.mtime, 315532800), 4354819198))  # what a zip can say: 1980 to 2107
        info = zipfile.ZipInfo(self._name(harmless(entry.name), is_directory), moment[:6])
        kind = stat.S_IFDIR if is_directory else stat.S_IFREG
        info.create_system = 3  # Unix: the mode below counts
        info.external_attr = (kind | (entry.mode & 0o777)) << 16 | (0x10 if is_directory else 0)
        if is_directory:
            info.CRC = info.compress_size = 0
        else:
            info.compress_type = zipfile.ZIP_DEFLATED
            info._compresslevel = COMPRESSION  # type: ignore[attr-defined]
            info.file_size = entry.size  # whether it needs the larger format is decided before its content comes
        return info

    def _name(self, path: str, is_directory: bool = False) -> str:
        """The name in the zip, of which there is one only: two files' names may have become alike."""
        whole = f"{self._top}/{path}" if path else self._top
        name, number = whole, 1
        while name in self._taken:
            number += 1
            name = f"{whole}~{number}"
        self._taken.add(name)
        return f"{name}/" if is_directory else name

    def _note(self, line: str) -> None:
        if len(self._notes) < MOST_NOTES:
            self._notes.append(line)

    def _read_end(self, rest: bytes) -> None:
        """What stands behind the tar: that it is complete, and what tar could not read."""
        head, mark, complaints = rest.lstrip(b"\0").partition(b"end\n")
        if head or not mark:
            raise ArchiveBroken("the tar has no end")
        for line in complaints.decode("utf-8", "replace").splitlines():
            words = line.removeprefix("tar: ").strip()
            if words and not words.startswith("Exiting"):
                self._note("".join(character if character.isprintable() else "_" for character in words))
