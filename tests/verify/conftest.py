"""A sound export to tamper with, made once and copied."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.verify.exports import Export, sound_export


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Export:
    return sound_export(tmp_path_factory.mktemp("sound") / "export")


@pytest.fixture
def export(made_once: Export, tmp_path: Path) -> Export:
    shutil.copytree(made_once.folder, tmp_path / "export")
    return Export(tmp_path / "export", replace(made_once.keys), replace(made_once.records))
