"""What is installed on AWS, gathered where the environment is deployed from: nothing is fetched from a registry there.

Wheels are those that requirements/runtime.txt locks with hashes, for the platform that they will run on. What was
gathered once is kept under a name made from all that it depends on.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement

from tandem.aws.clusters.content import gather as gather_content

CHECKOUT = Path(__file__).parents[3]
LOCK = CHECKOUT / "requirements" / "runtime.txt"
GATHERED = CHECKOUT / "build" / "wheelhouse"
BUNDLE = CHECKOUT / "src" / "tandem" / "site" / "static" / "dist" / "manifest.json"
# Amazon Linux 2023 has glibc 2.34; AWS Lambda runs on it too.
GLIBC = ("2_34", "2_31", "2_28", "2_17")
PORTAL_PYTHON = "3.12"
LAMBDA_PYTHON = "3.14"
LAMBDA_MACHINE = "aarch64"
_IGNORED = shutil.ignore_patterns("__pycache__", "*.pyc", "*.egg-info", "frontend", "drills", "local")


class NotGathered(Exception):
    """Something that is needed for it is missing; the text says what to do."""


def portal_wheelhouse(machine: str) -> Path:
    """A directory with all wheels of a portal node whose processor is a `machine`, their lock, and our own wheel."""
    if not BUNDLE.is_file():
        raise NotGathered("The portal's front-end bundle is not built: run `make bundle`.")

    def gather(directory: Path) -> None:
        _download(LOCK, directory, machine, PORTAL_PYTHON)
        shutil.copy(LOCK, directory / LOCK.name)
        _build_wheel(directory)

    return _kept("portal", _digest([LOCK, CHECKOUT / "pyproject.toml", *_sources()], machine, PORTAL_PYTHON), gather)


def lambda_package(part: str) -> Path:
    """A directory with the function of `tandem.aws.<part>.runtime` and all that it imports."""
    package = CHECKOUT / "src" / "tandem"
    files = [
        package / "__init__.py",
        *(package / "aws" / name for name in ("__init__.py", "answering.py", f"{part}/__init__.py")),
        *_files(package / "aws" / part / "runtime"),
    ]
    names = (package / "aws" / part / "runtime" / "requirements.txt").read_text().split()

    def gather(directory: Path) -> None:
        with tempfile.TemporaryDirectory() as wheels:
            lock = Path(wheels, "lock.txt")
            lock.write_text(locked(LOCK.read_text(), closure(names)))
            _download(lock, Path(wheels), LAMBDA_MACHINE, LAMBDA_PYTHON)
            for wheel in Path(wheels).glob("*.whl"):
                with zipfile.ZipFile(wheel) as archive:
                    archive.extractall(directory)
        for file in files:
            copy = directory / file.relative_to(CHECKOUT / "src")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)

    return _kept(f"lambda-{part}", _digest([LOCK, *files], LAMBDA_MACHINE, LAMBDA_PYTHON), gather)


def node_content() -> Path:
    """A directory with what sets up the clusters' nodes."""
    content = GATHERED / "nodes"
    shutil.rmtree(content, ignore_errors=True)
    return gather_content(content)


def closure(names: Iterable[str]) -> set[str]:
    """These packages and all that they need, as installed here."""
    found: set[str] = set()
    left = list(names)
    while left:
        name = _normal(left.pop())
        if name in found:
            continue
        found.add(name)
        for line in requires(name) or []:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                left.append(requirement.name)
    return found


def locked(lock: str, names: set[str]) -> str:
    """The part of a lock that is about these packages. Raises NotGathered when it does not know one."""
    blocks = {_normal(block.partition("==")[0]): block for block in re.split(r"\n(?=[A-Za-z0-9])", lock.strip())}
    if unknown := names - blocks.keys():
        raise NotGathered(f"requirements/runtime.txt does not lock {', '.join(sorted(unknown))}.")
    return "\n".join(blocks[name] for name in sorted(names)) + "\n"


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _download(lock: Path, directory: Path, machine: str, python: str) -> None:
    short = python.replace(".", "")
    platforms = [f"--platform=manylinux_{glibc}_{machine}" for glibc in GLIBC]
    abis = [f"--abi={abi}" for abi in (f"cp{short}", "abi3", "none")]
    _run(
        *("download", "--quiet", "--no-deps", "--require-hashes", "--only-binary=:all:"),
        *(f"--python-version={python}", "--implementation=cp", *platforms, *abis),
        *("--dest", str(directory), "--requirement", str(lock)),
    )


def _build_wheel(directory: Path) -> None:
    """Our own wheel. It is built from a copy: building leaves things behind."""
    with tempfile.TemporaryDirectory() as copy:
        for name in ("pyproject.toml", "requirements"):
            source = CHECKOUT / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, Path(copy, name))
        shutil.copytree(CHECKOUT / "src", Path(copy, "src"), ignore=_IGNORED)
        # The same content makes the same file, whenever it is built.
        _run(
            *("wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(directory), copy),
            environment={"SOURCE_DATE_EPOCH": "1767225600"},
        )


def _run(*arguments: str, environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", *arguments],
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise NotGathered(f"pip {arguments[0]} failed:\n{done.stderr}")


def _sources() -> list[Path]:
    return _files(CHECKOUT / "src" / "tandem")


def _files(directory: Path) -> list[Path]:
    found: list[Path] = []
    for parent, names, files in os.walk(directory):
        ignored = _IGNORED(parent, [*names, *files])
        names[:] = sorted(set(names) - ignored)
        found += [Path(parent, file) for file in sorted(set(files) - ignored)]
    return found


def _digest(files: Iterable[Path], *words: str) -> str:
    digest = hashlib.sha256("\0".join(words).encode())
    for file in files:
        digest.update(f"{file.relative_to(CHECKOUT)}\0".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _kept(name: str, digest: str, gather: Callable[[Path], None]) -> Path:
    """What `gather` puts into an empty directory, gathered if it is not there yet."""
    GATHERED.mkdir(parents=True, exist_ok=True)
    place = GATHERED / f"{name}-{digest}"
    if not place.exists():
        with tempfile.TemporaryDirectory(dir=GATHERED) as aside:
            inner = Path(aside, "gathered")
            inner.mkdir()
            gather(inner)
            # Another run may have been quicker.
            if not place.exists():
                inner.rename(place)
        for other in GATHERED.glob(f"{name}-*"):
            if other != place:
                shutil.rmtree(other)
    return place
