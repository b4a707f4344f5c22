"""Makes a listening socket and hands it, as file descriptor 3, to the program that takes this one's place.

    python -m tandem.local.listener FILE -- PROGRAM ARGUMENTS...

FILE holds `address port`. Run in another network namespace than PROGRAM, it lets that program listen there.
"""

import os
import socket
import sys
from pathlib import Path


def main() -> None:
    """Bind, listen, become the program."""
    file, separator, *program = sys.argv[1:]
    if separator != "--" or not program:
        sys.exit(__doc__)
    address, port = Path(file).read_text().split()
    listener = socket.create_server((address, int(port)), backlog=1024)
    if listener.fileno() == 3:
        listener.set_inheritable(True)
    else:
        os.dup2(listener.fileno(), 3)
    os.execv(program[0], program)  # noqa: S606


if __name__ == "__main__":
    main()
