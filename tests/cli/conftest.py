"""The shared vault with its API, and a private folder with its app key."""

from pathlib import Path

import pytest

from tests.rig.vault import Vault


@pytest.fixture
def key_file(served: Vault, tmp_path: Path) -> Path:
    """The app key as an operator keeps it."""
    path = tmp_path / "app.key"
    path.touch(0o600)
    path.write_text(served.app_key + "\n")
    return path
