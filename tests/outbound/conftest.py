"""A certificate authority for receivers on loopback."""

from pathlib import Path

import pytest

from tests.rig.certificates import Authority


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder: Path = tmp_path_factory.mktemp("authority")
    return Authority(folder)
