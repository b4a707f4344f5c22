"""Waits until this node answers that it can do its work: pages, streams, database, signer.

python -m tandem.aws.portal.runtime.ready
"""

import http.client
import sys
import time

from tandem.aws.names import READY_PATH, STREAMS_PORT, STREAMS_READY_PATH, WEB_PORT

PATIENCE = 300.0
ANSWER_TIME = 5.0


def answers(port: int, path: str) -> str:
    """Empty when the page answers 200, else what it said instead."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_TIME)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return "" if response.status == 200 else f"{response.status} {response.read(200).decode(errors='replace')}"
    except (OSError, http.client.HTTPException) as problem:
        return f"{type(problem).__name__}: {problem}"
    finally:
        connection.close()


def main() -> int:
    """The command: 0 when the node is ready in time."""
    until = time.monotonic() + PATIENCE
    for port, path in ((WEB_PORT, READY_PATH), (STREAMS_PORT, STREAMS_READY_PATH)):
        while trouble := answers(port, path):
            if time.monotonic() > until:
                print(f"{path} on port {port} is not ready: {trouble}", file=sys.stderr)
                return 1
            time.sleep(0.5)
    return 0


if __name__ == "__main__":
    sys.exit(main())
