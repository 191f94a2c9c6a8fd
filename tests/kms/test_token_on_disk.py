"""A key that is new, or no more, stays so after a power failure before anybody is told of it.

SoftHSM writes and removes its files without fsync.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kms.token_fixtures import OpenToken, SoftToken
from vault_service.ceremony.escrow_token import open_escrow_token
from vault_service.kms.token.online import OnlineToken


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> set[Path]:
    """What has been brought to disk."""
    real, seen = os.fsync, set[Path]()

    def noted(descriptor: int) -> None:
        seen.add(Path(f"/proc/self/fd/{descriptor}").readlink())
        real(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    return seen


ONLINE: dict[str, Callable[[OnlineToken], object]] = {
    "an HMAC key": lambda token: token.create_hmac_key("pepper/1"),
    "a signing key": lambda token: token.create_signing_key("audit/1"),
}


@pytest.mark.parametrize("make", ONLINE.values(), ids=ONLINE)
def test_a_key_of_the_online_token(
    open_token: OpenToken, soft_token: SoftToken, synced: set[Path], make: Callable[[OnlineToken], object]
) -> None:
    token = open_token()
    before = set(soft_token.folder.glob("*.object"))

    make(token)

    made = set(soft_token.folder.glob("*.object")) - before
    assert made
    assert made | {soft_token.folder, soft_token.objects} <= synced


def test_an_escrow_key(soft_token: SoftToken, synced: set[Path]) -> None:
    with open_escrow_token(soft_token.place, soft_token.pin) as token:
        token.generate_escrow_key("escrow/1")
        made = set(soft_token.folder.glob("*.object")) - {soft_token.folder / "token.object"}

        assert len(made) == 2
        assert made | {soft_token.folder, soft_token.objects} <= synced


def test_the_end_of_a_key_of_the_online_token(
    open_token: OpenToken, soft_token: SoftToken, synced: set[Path]
) -> None:
    """Else the key would be back after a power cut, when the log says that it was destroyed."""
    token = open_token()
    token.create_hmac_key("pepper/1")
    synced.clear()

    assert token.destroy_key("pepper/1")

    assert soft_token.folder in synced


def test_the_end_of_an_escrow_key(soft_token: SoftToken, synced: set[Path]) -> None:
    with open_escrow_token(soft_token.place, soft_token.pin) as token:
        point = token.generate_escrow_key("escrow/1")
        synced.clear()

        token.destroy_escrow_key("escrow/1", point)

        assert soft_token.folder in synced
