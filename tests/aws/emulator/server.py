"""Starts the emulator: `python -m tests.aws.emulator.server PORT`."""

import logging
import os
import sys


def main() -> None:
    """Serve until killed."""
    os.environ["MOTO_PORT"] = sys.argv[1]
    # Functions run here, without Docker; what they may do is not limited by their roles.
    os.environ["MOTO_LAMBDA_USE_DOCKER"] = "0"
    # AWS's own policies are there, and no others of that name.
    os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"
    from moto.server import main as serve
    from tests.aws.emulator import cloudformation, functions, mends, resources

    resources.load()
    mends.install()
    functions.install()
    cloudformation.install()
    # A line for each request would bury what matters.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    serve(["-H", "127.0.0.1", "-p", sys.argv[1]])


if __name__ == "__main__":
    main()
