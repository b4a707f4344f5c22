"""ParallelCluster's own command line, several times in one process: starting it takes seconds. Run by its own Python.

Reads a list of calls, each a list of words, from stdin; writes the list of what they answered.
"""

import json
import sys

from pcluster.cli import entrypoint
from pcluster.cli.exceptions import APIOperationException, ParameterException


def answer(words):
    """What the command prints."""
    try:
        return entrypoint.run(words)
    except (APIOperationException, ParameterException) as refused:
        return refused.data


if __name__ == "__main__":
    answers = [answer(words) for words in json.load(sys.stdin)]
    json.dump(answers, sys.stdout)
