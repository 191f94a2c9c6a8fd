"""An export that is made while it is sent is the very one that a folder gets, and never a part of it."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.audit.exporting import as_auditor, content, export, manifest_of
from tests.audit.sealed_log import FINGERPRINT, SealedVault, sealed_vault
from tests.rig.postgres import TestServer, fresh_database
from vault_service.audit.export_source import NoCheckpointError, Vault
from vault_service.audit.export_stream import FOLDER, stream_export
from vault_service.domain.errors import DatabaseUnavailableError
from vault_service.domain.logs import LogName
from vault_service.verify.export import verify_export


@pytest.fixture(scope="module")
def sealed(postgres: TestServer) -> Iterator[SealedVault]:
    """Three checkpoints; of the records log 60, 330 and 600 leaves."""
    with fresh_database(postgres, "keys") as keys, fresh_database(postgres, "records") as records:
        made = sealed_vault(keys, records)
        for sessions in (2, 9, 9):
            made.traffic(sessions, reads=29)
            made.seal()
        yield made


def _pieces(sealed: SealedVault, *logs: LogName) -> list[bytes]:
    """Nothing seals here, so nothing is waited for."""
    with as_auditor(sealed, *logs) as databases:
        notary = sealed.keys.notary
        vault = Vault(databases, FINGERPRINT, (notary.cosigner.format(),), notary.key_file())
        return list(stream_export(vault, patience_s=0))


def _unpacked(pieces: list[bytes], folder: Path) -> Path:
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as archive:
        archive.extractall(folder)
    return folder / FOLDER


def test_what_was_sent_is_byte_for_byte_what_a_folder_gets(sealed: SealedVault, tmp_path: Path) -> None:
    unpacked = _unpacked(_pieces(sealed), tmp_path / "sent")
    export(sealed, tmp_path / "written")

    assert content(unpacked) == content(tmp_path / "written")
    assert content(unpacked)["MANIFEST"] == manifest_of(unpacked)
    assert verify_export(unpacked, sealed.keys.notary.key_file().encode()).findings == []


def test_what_the_head_does_not_have_yet_is_not_sent(postgres: TestServer, tmp_path: Path) -> None:
    """The tree may have grown past the newest head: the rest of its last tile is nobody's word yet."""
    with fresh_database(postgres, "keys") as keys, fresh_database(postgres, "records") as records:
        made = sealed_vault(keys, records)
        for _ in range(2):
            made.traffic(3, reads=5)
            made.seal()
        made.records.tamper("DELETE FROM audit_checkpoints WHERE tree_size > 18")
        unpacked = _unpacked(_pieces(made), tmp_path / "sent")
        export(made, tmp_path / "written")

    assert content(unpacked) == content(tmp_path / "written")
    assert content(unpacked)["records/events.jsonl"].count(b"\n") == 18


def test_one_log_alone_can_be_sent(sealed: SealedVault, tmp_path: Path) -> None:
    unpacked = _unpacked(_pieces(sealed, "records"), tmp_path)

    assert {name.partition("/")[0] for name in content(unpacked)} == {"MANIFEST", "audit.vkey", "records"}


def test_what_broke_off_on_its_way_is_no_archive(sealed: SealedVault, tmp_path: Path) -> None:
    pieces = _pieces(sealed)

    for end in (1, len(pieces) // 2, len(pieces) - 1):
        with pytest.raises(zipfile.BadZipFile):
            _unpacked(pieces[:end], tmp_path)


def test_a_log_without_a_head_is_refused_before_anything_is_sent(postgres: TestServer) -> None:
    with (
        fresh_database(postgres, "keys") as keys,
        fresh_database(postgres, "records") as records,
        pytest.raises(NoCheckpointError),
    ):
        _pieces(sealed_vault(keys, records))


def test_a_log_that_is_no_longer_sealed_says_so_in_the_archive_s_comment(
    sealed: SealedVault, postgres: TestServer, tmp_path: Path
) -> None:
    with fresh_database(postgres, "keys") as keys, fresh_database(postgres, "records") as records:
        made = sealed_vault(keys, records)
        made.traffic(1, reads=1)
        made.seal()
        made.records.tamper("UPDATE audit_checkpoints SET covers_until = now() - interval '1 day'")
        with zipfile.ZipFile(io.BytesIO(b"".join(_pieces(made)))) as archive:
            assert b"The records log is not being sealed" in archive.comment


def test_it_is_read_while_it_is_sent(sealed: SealedVault) -> None:
    """Nothing of the log waits in memory or on the disk: with the database gone, no more comes."""
    with as_auditor(sealed) as databases:
        vault = Vault(databases, FINGERPRINT, (), sealed.keys.notary.key_file())
        stream = stream_export(vault, patience_s=0)
        assert next(stream)

    with pytest.raises(DatabaseUnavailableError):
        list(stream)
