"""The CDK's command line, pinned in `package-lock.json` beside this file: `make deploy` installs it in the checkout."""

import json
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[3]
CDK = ROOT / "build" / "cdk" / "cdk"


class ToolError(Exception):
    """A program that deploying needs is not there."""


def cdk() -> Path:
    """The command. Raises ToolError, saying what to do, when it is not there or not the pinned one."""
    found = installed_version()
    if found is None:
        raise ToolError("The CDK's command line is not installed: run `make build/cdk/cdk` in the checkout.")
    if found != pinned_version():
        said = f"The CDK's command line is {found}, and {pinned_version()} is pinned"
        raise ToolError(f"{said}: run `make build/cdk/cdk` in the checkout.")
    return CDK


def pinned_version() -> str:
    """Which version is meant."""
    return str(json.loads((HERE / "package.json").read_text())["dependencies"]["aws-cdk"])


def installed_version() -> str | None:
    """Which one is installed, if one is."""
    package = CDK.parent / "node_modules" / "aws-cdk" / "package.json"
    if not CDK.is_file() or not package.is_file():
        return None
    return str(json.loads(package.read_text())["version"])


def node_version() -> str | None:
    """The version of the Node.js that it runs with, if it runs."""
    if not CDK.is_file():
        return None
    node = CDK.read_text().split("'")[1]
    try:
        done = subprocess.run([node, "--version"], capture_output=True, text=True, check=False, timeout=30)
    except OSError:
        return None
    return done.stdout.strip() or None
