"""Bringing the tokens to life, when `vaultctl init` does not come to its end."""

from pathlib import Path

import pytest

from vault_service.dev import genesis
from vault_service.dev.genesis import Tokens, read_fingerprint, run_genesis
from vault_service.dev.home import Home
from vault_service.dev.process import current_user
from vault_service.dev.users import Users
from vault_service.domain.errors import ConfigurationError


def test_a_genesis_that_takes_too_long_is_ended_with_a_remedy_and_can_be_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, us = Home(tmp_path, tmp_path), current_user()
    monkeypatch.setattr(genesis, "_GENESIS_TIMEOUT_S", 0.001)  # no program is that fast

    with pytest.raises(ConfigurationError, match="did not end within") as stopped:
        run_genesis(Tokens(home, Users(us, us, us, us, us, us, us)), lambda: None)

    assert "start again" in stopped.value.remedy
    assert read_fingerprint(home) == ""
    assert (tmp_path / "genesis-under-way").exists(), "which tells the next start to look"
