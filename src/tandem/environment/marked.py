"""YAML with the place of every value: `read_marked` gives plain data and the line on which each of its parts stands.

Scalars are read as YAML 1.2 reads them: `no` and `on` are words and `1:30` is text.
"""

import re
import stat
from dataclasses import dataclass, field
from pathlib import Path

from yaml import MappingNode, MarkedYAMLError, Node, ScalarNode, SequenceNode, YAMLError
from yaml.composer import Composer
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

from tandem.environment.problems import EnvironmentFileError, Problem, shown

MAX_BYTES = 1 << 20
MAX_DEPTH = 30
MAX_VALUES = 20_000

Key = tuple[str | int, ...]

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
}
# Numbers too long for these are text, and then of the wrong type wherever a number belongs.
_INTEGER = re.compile(r"[-+]?[0-9]{1,15}")
_NUMBER = re.compile(r"[-+]?[0-9]{0,15}\.[0-9]{1,15}")


class _Composer(Reader, Scanner, Parser, Composer, BaseResolver):
    """PyYAML up to the node graph; what a scalar means is decided here."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        BaseResolver.__init__(self)


@dataclass
class Marked:
    """Plain data, with the line and the text in the file of each of its parts."""

    file: str
    data: object = None
    lines: dict[Key, int] = field(default_factory=dict)
    texts: dict[Key, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    values: int = 0

    def line(self, key: Key) -> int:
        """Where `key` stands; for what is missing, where the nearest thing around it stands."""
        while key and key not in self.lines:
            key = key[:-1]
        return self.lines.get(key, 1)

    def found(self, key: Key) -> str:
        """What stands at `key`, in words for a problem."""
        return self.texts.get(key, "nothing")

    def problem(self, key: Key, allowed: str, found: str | None = None) -> Problem:
        """A problem with what stands at `key`."""
        return Problem(self.file, self.line(key), dotted(key), found or self.found(key), allowed)


def dotted(key: Key) -> str:
    """`clusters[0].queues[1].name`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{shown(part)[1:-1]}" for part in key)
    return "".join(parts).removeprefix(".")


def read_marked(path: Path) -> Marked:
    """Read a YAML file. Raises EnvironmentFileError when it is no readable YAML file at all.

    Duplicate keys, keys that are not words, and tags are in `problems`: the rest of the file can still be checked.
    """
    file = str(path)
    text = _read_text(path)
    try:
        node = _Composer(text).get_single_node()
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 0
        what = " ".join(filter(None, [error.context, error.problem])) or "text that is not YAML"
        raise EnvironmentFileError([Problem(file, line, "", " ".join(what.split()), "YAML")]) from error
    # PyYAML raises ValueError and OverflowError for impossible escapes, RecursionError for deep nesting.
    except (YAMLError, ValueError, OverflowError, RecursionError) as error:
        what = "values nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise EnvironmentFileError([Problem(file, 0, "", " ".join(what.split()), "YAML")]) from error
    marked = Marked(file)
    if node is not None:
        marked.data = _convert(node, (), marked)
    return marked


def _read_text(path: Path) -> str:
    file = str(path)
    try:
        # A pipe or a device could keep us waiting for ever, so look before opening.
        kind = path.stat()
        if not stat.S_ISREG(kind.st_mode):
            raise EnvironmentFileError([Problem(file, 0, "", "something that is not a file", "a text file")])
        if kind.st_size > MAX_BYTES:
            raise EnvironmentFileError([Problem(file, 0, "", f"{kind.st_size} bytes", f"at most {MAX_BYTES} bytes")])
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise EnvironmentFileError([Problem(file, 0, "", "no such file", "an environment file")]) from error
    except (OSError, ValueError) as error:
        if isinstance(error, UnicodeDecodeError):
            found = f"byte {error.object[error.start]:#04x} at offset {error.start}"
            raise EnvironmentFileError([Problem(file, 0, "", found, "a text file in UTF-8")]) from error
        why = (isinstance(error, OSError) and error.strerror) or str(error)
        raise EnvironmentFileError([Problem(file, 0, "", why, "a file that can be read")]) from error


def _convert(node: Node, key: Key, marked: Marked) -> object:
    marked.values += 1
    if len(key) > MAX_DEPTH or marked.values > MAX_VALUES:
        # Also what ends an alias that contains itself, and aliases of aliases of aliases.
        what = "values nested too deeply" if len(key) > MAX_DEPTH else f"more than {MAX_VALUES} values"
        raise EnvironmentFileError([Problem(marked.file, node.start_mark.line + 1, dotted(key[:4]), what, "less")])
    marked.lines.setdefault(key, node.start_mark.line + 1)
    if not node.tag.startswith("tag:yaml.org,2002:") or node.tag[18:] not in ("str", "seq", "map"):
        marked.problems.append(marked.problem(key, "a value without a tag", f"the tag {shown(node.tag)}"))
    if isinstance(node, MappingNode):
        marked.texts[key] = "a mapping"
        return _convert_mapping(node, key, marked)
    if isinstance(node, SequenceNode):
        marked.texts[key] = "a list"
        return [_convert(item, (*key, index), marked) for index, item in enumerate(node.value)]
    quoted = isinstance(node, ScalarNode) and bool(node.style)
    marked.texts[key] = shown(node.value) if node.value or quoted else "nothing"
    return node.value if quoted else _plain(node.value)


def _convert_mapping(node: MappingNode, key: Key, marked: Marked) -> dict[str, object]:
    data: dict[str, object] = {}
    for name_node, value_node in node.value:
        line = name_node.start_mark.line + 1
        if not isinstance(name_node, ScalarNode):
            marked.problems.append(Problem(marked.file, line, dotted(key), "a key that is not a word", "a word"))
            continue
        name = name_node.value
        place = (*key, name)
        if name in data:
            first = marked.lines[place]
            problem = Problem(
                marked.file, line, dotted(place), "the same key again", f"each key once; it is also on line {first}"
            )
            marked.problems.append(problem)
            continue
        marked.lines[place] = line
        data[name] = _convert(value_node, place, marked)
    return data


def _plain(text: str) -> object:
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _NUMBER.fullmatch(text):
        return float(text)
    return text
