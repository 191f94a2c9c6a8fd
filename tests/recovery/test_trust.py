"""Whom an officer's client believes: the chain from the pinned fingerprint, never an older one than seen."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import LiteralString

import pytest

from tests.recovery.office import Office, key_of
from vault_service.domain.errors import ManifestError
from vault_service.recovery.acting import act
from vault_service.recovery.trust import trusted_chain


@pytest.fixture
def desk(office: Office, tmp_path: Path) -> Office:
    """Another host of the same vault."""
    return dataclasses.replace(office, parts=dataclasses.replace(office.parts, state_dir=tmp_path / "state"))


@pytest.fixture
def forged(office: Office) -> Iterator[None]:
    """A superuser has altered the first manifest."""
    office.sql("ALTER TABLE manifests DISABLE TRIGGER append_only")
    body = office.sql("SELECT body FROM manifests WHERE serial = 1")[0][0]
    office.sql(
        "UPDATE manifests SET body = %(body)s WHERE serial = 1", body=bytes(body).replace(b'"bob"', b'"eve"')
    )
    yield
    office.sql("UPDATE manifests SET body = %(body)s WHERE serial = 1", body=body)
    office.sql("ALTER TABLE manifests ENABLE ALWAYS TRIGGER append_only")


def test_the_highest_serial_seen_is_kept_outside_the_database(desk: Office) -> None:
    trusted_chain(desk.parts)

    assert (desk.parts.state_dir / "manifest-serial").read_text() == "1"


def test_a_chain_that_is_older_than_what_was_seen_is_refused(desk: Office) -> None:
    """In the older one an officer who was removed decides still."""
    desk.parts.state_dir.mkdir()
    (desk.parts.state_dir / "manifest-serial").write_text("2")

    with pytest.raises(ManifestError, match="manifest 2 has been seen"):
        desk.acting("bob")
    assert (desk.parts.state_dir / "manifest-serial").read_text() == "2"


def test_a_file_that_holds_no_serial_is_not_taken_for_a_first_start(desk: Office) -> None:
    desk.parts.state_dir.mkdir()
    (desk.parts.state_dir / "manifest-serial").write_text("")

    with pytest.raises(ManifestError):
        desk.acting("bob")


@pytest.fixture
def unsigned(office: Office) -> Iterator[Callable[[], object]]:
    """Has a superuser put another signature beside the first manifest."""
    signature = office.sql("SELECT signature FROM manifests WHERE serial = 1")[0][0]
    change: LiteralString = "UPDATE manifests SET signature = %(signature)s WHERE serial = 1"
    office.sql("ALTER TABLE manifests DISABLE TRIGGER append_only")
    yield lambda: office.sql(change, signature=bytes(64))
    office.sql(change, signature=signature)
    office.sql("ALTER TABLE manifests ENABLE ALWAYS TRIGGER append_only")


def test_what_was_believed_a_moment_ago_is_not_once_a_byte_of_it_is_another(
    desk: Office, unsigned: Callable[[], object]
) -> None:
    """The same bytes are not judged again, which each page of the console would else have done."""
    assert trusted_chain(desk.parts) is trusted_chain(desk.parts)

    unsigned()

    with pytest.raises(ManifestError):
        trusted_chain(desk.parts)


@pytest.mark.usefixtures("forged")
def test_an_altered_manifest_is_refused(desk: Office) -> None:
    with pytest.raises(ManifestError, match="pinned fingerprint"):
        desk.acting("bob")


def test_the_key_file_and_the_settings_must_pin_the_same_vault(desk: Office) -> None:
    """Who can write to vault.toml makes no officer believe another chain; nor does another's key file."""
    key, pinned = key_of(desk.vault.home, "bob")

    for other, says in (("ab" * 32, "another vault"), ("", "pins no vault yet")):
        with pytest.raises(ManifestError, match=says):
            act(desk.parts, key, other)
    with pytest.raises(ManifestError, match="another vault"):
        act(dataclasses.replace(desk.parts, fingerprint="ab" * 32), key, pinned)
    with pytest.raises(ManifestError, match="no fingerprint"):
        trusted_chain(dataclasses.replace(desk.parts, fingerprint=""))
