"""What this machine is, for pages with measurements."""

import os
import platform
import re
from pathlib import Path


def machine() -> str:
    """What this was measured on, without its name."""
    model = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} × {model[1] if model else platform.machine()}, {memory:.0f} GiB, Linux {platform.release()}"
    )
