"""What tests of the environment on AWS share."""

from collections.abc import Iterator

import pytest
from tests.aws.emulator.running import Emulator, emulator

REGION = "eu-central-1"
VERSION = "3.16.1"


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """An emulator of AWS, one for all tests of a process."""
    with emulator(tmp_path_factory.mktemp("aws"), REGION, VERSION) as found:
        yield found
