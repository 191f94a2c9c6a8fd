"""An officer's key file: nobody else reads it, and it opens with its passphrase as it was written only."""

import os
import resource
import stat
from pathlib import Path

import msgspec
import pytest

from vault_service.ceremony.officer_key import OfficerKey, OfficerKeyFileError, load_officer_key
from vault_service.domain.ids import OfficerId, new_uuid

pytestmark = pytest.mark.slow

PASSPHRASE = "four quiet lanterns by the mill"
FINGERPRINT = "ab" * 32
OTHER = "0190a5b0-7e3f-7abc-8def-0123456789ab"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A key file as an officer has it."""
    return made(tmp_path / "ana.key")


def made(path: Path) -> Path:
    key = OfficerKey.generate(OfficerId(new_uuid()), new_uuid(), "ana")
    key.save(path, PASSPHRASE, fingerprint=FINGERPRINT)
    return path


def test_it_opens_with_its_passphrase_and_pins_the_fingerprint(file: Path) -> None:
    key, fingerprint = load_officer_key(file, PASSPHRASE)

    assert (key.name, fingerprint) == ("ana", FINGERPRINT)
    with pytest.raises(OfficerKeyFileError):
        load_officer_key(file, PASSPHRASE + " or the weir")


def test_it_is_its_owners_alone_and_never_written_over(file: Path) -> None:
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_bytes()

    with pytest.raises(FileExistsError):
        OfficerKey.generate(OfficerId(new_uuid()), new_uuid(), "bob").save(file, "x", fingerprint="")

    assert file.read_bytes() == before


def test_it_is_on_disk_with_its_name_before_anybody_is_told_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A manifest may name the key a minute later: a power failure must not take the only copy."""
    real, synced = os.fsync, list[Path]()

    def noted(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        real(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    made(tmp_path / "ana.key")

    assert synced == [tmp_path / "ana.key", tmp_path]


def test_where_there_is_no_room_no_torn_file_stays_in_the_way(tmp_path: Path) -> None:
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limit[1]))
    try:
        with pytest.raises(OSError, match="large"):
            made(tmp_path / "ana.key")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)

    assert not (tmp_path / "ana.key").exists()
    assert load_officer_key(made(tmp_path / "ana.key"), PASSPHRASE)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("officer_id", OTHER),
        ("authenticator_id", OTHER),
        ("name", "bob"),
        ("manifest_fingerprint", "cd" * 32),
        ("manifest_fingerprint", ""),
        ("salt", "AAAAAAAAAAAAAAAAAAAAAA=="),
        ("salt", ""),
        ("sealed", "AAAA"),
        ("v", 2),
        ("extra", ""),
    ],
)
def test_an_altered_file_does_not_open(file: Path, field: str, value: object) -> None:
    """Above all not as another officer's, and not with another chain pinned."""
    content = msgspec.json.decode(file.read_bytes())
    file.write_bytes(msgspec.json.encode({**content, field: value}))

    with pytest.raises(OfficerKeyFileError):
        load_officer_key(file, PASSPHRASE)
