"""Whether the programs that deploying needs are on this machine, in the versions that are meant."""

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from tandem.aws.preflight import Finding, failed, good
from tandem.aws.toolchain import ToolError, cdk, node_version, pinned_version

OLDEST_NODE = 20


def versions() -> Iterator[Finding]:
    """The CDK's command line and library, and Node.js."""
    try:
        cdk()
        node = node_version() or "none"
        number = node.removeprefix("v").partition(".")[0]
        if not number.isdigit() or int(number) < OLDEST_NODE:
            yield failed("versions", f"Node.js {node}", f"install Node.js {OLDEST_NODE} or newer")
        yield good("versions", f"CDK command line {pinned_version()} with Node.js {node}")
    except ToolError:
        yield failed("versions", f"the CDK's command line {pinned_version()} is missing", "make build/cdk/cdk")
    try:
        yield good("versions", f"aws-cdk-lib {version('aws-cdk-lib')}")
    except PackageNotFoundError:
        yield failed("versions", "the CDK's Python packages are missing", "make .venv/.aws")
