"""`vaultctl doctor` is run as root, and what it leaves beside a token is the key service's to open."""

import contextlib
import os
from pathlib import Path

import pytest

from tests.kms.token_fixtures import SoftToken
from vault_service.domain.errors import TokenUnavailableError
from vault_service.durable import replace_whole
from vault_service.kms.token.lock import token_lock

SERVICE = 65_534  # somebody who is not root

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")


def given_away(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    os.chown(folder, SERVICE, SERVICE)
    return folder


def owners(*paths: Path) -> set[int]:
    return {path.stat().st_uid for path in paths}


def test_the_lock_and_the_copy_that_root_makes_are_the_services(soft_token: SoftToken) -> None:
    """With one that only root can read, the key service finds no token until somebody looks at the folder."""
    state = given_away(soft_token.place.state_dir)

    with token_lock(soft_token.place):
        pass

    assert len(list(state.iterdir())) == 2
    assert owners(*state.iterdir()) == {SERVICE}


def test_a_token_object_that_root_puts_back_is_the_services(soft_token: SoftToken) -> None:
    given_away(soft_token.place.state_dir)
    with token_lock(soft_token.place):
        pass
    given_away(soft_token.folder)
    (soft_token.folder / "token.object").write_bytes(b"")

    with token_lock(soft_token.place):
        pass

    assert owners(soft_token.folder / "token.object") == {SERVICE}


@pytest.mark.parametrize("plant", ["symlink_to", "hardlink_to"])
def test_no_file_of_roots_is_given_away_through_a_link(
    tmp_path: Path, soft_token: SoftToken, plant: str
) -> None:
    """Who owns the folder may have put anything there: root neither writes through it nor hands it over."""
    target = tmp_path / "of-root"
    target.write_text("root's", "utf-8")
    state = given_away(soft_token.place.state_dir)
    getattr(state / "kept.new", plant)(target)
    getattr(state / f"{soft_token.place.label}.lock", plant)(target)

    replace_whole(state / "kept", b"new")
    with contextlib.suppress(TokenUnavailableError), token_lock(soft_token.place):
        pass

    assert (target.read_text("utf-8"), target.stat().st_uid) == ("root's", 0)
    assert owners(state / "kept") == {SERVICE}
