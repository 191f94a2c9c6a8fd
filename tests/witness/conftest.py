"""A witness's files, and a log of five events."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.witness.watched import Log, Place
from vault_service.witness.witness import Witness


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path).prepare()


@pytest.fixture
def log() -> Log:
    return Log().grow(5)


@pytest.fixture
def witness(place: Place, log: Log) -> Iterator[Witness]:
    with place.open(log) as opened:
        yield opened
