"""A disclosure: exactly what the scope names, for the recipient alone, in no file but the encrypted one."""

import dataclasses
import hashlib
import json
import os
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pyrage
import pytest

from tests.ceremony.disclosures import disclosure_case
from tests.records.signed_in import Records, Somebody
from tests.rig.postgres import TestServer, fresh_database
from vault_service.ceremony.disclose import Disclosure, disclose
from vault_service.crypto.dek import DataKeys, Dek
from vault_service.domain.case import Case, CollectionScope, case_hash
from vault_service.domain.errors import DatabaseUnavailableError, InvalidInputError, UnavailableError
from vault_service.domain.ids import DekId, new_uuid
from vault_service.domain.recovery_errors import CaseRefusedError

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
CONTACT = CollectionScope("contact", ("full_name", "phone"))
NOTES = CollectionScope("notes")


@dataclass
class Court:
    """Whoever demands it, and the host where the ceremony runs."""

    records: Records
    folder: Path
    identity: pyrage.x25519.Identity = field(default_factory=pyrage.x25519.Identity.generate)

    def case(self, who: Somebody, *scope: CollectionScope, **other: Any) -> Case:
        other.setdefault("recipient", str(self.identity.to_public()))
        return disclosure_case(who.dek, scope, **other)

    def disclose(self, who: Somebody, *scope: CollectionScope) -> Disclosure:
        return self.run(self.case(who, *scope), who.dek)

    def run(self, case: Case, dek: Dek, *older: Dek) -> Disclosure:
        db = self.records.database.open("vault_disclosure", size=1)
        try:
            return disclose(case, case_hash(case.encode()), DataKeys(dek, older), db, self.folder, NOW)
        finally:
            db.close()

    def read(self, disclosure: Disclosure) -> Any:
        return json.loads(pyrage.decrypt(disclosure.path.read_bytes(), [self.identity]))


@pytest.fixture(scope="module")
def shared(postgres: TestServer) -> Iterator[Records]:
    with fresh_database(postgres, "records") as database:
        db = database.open("vault_api", size=2)
        yield Records(database, db)
        db.close()


@pytest.fixture
def court(shared: Records, tmp_path: Path) -> Court:
    return Court(shared, tmp_path / "disclosures")


@pytest.fixture
def ana(court: Court) -> Somebody:
    """A subject with more than is asked for."""
    somebody = court.records.sign_up()
    court.records.keep(
        somebody, b'{"full_name": "Ana Silva", "phone": "+351 912 345 678", "email": "no@e.org"}'
    )
    court.records.keep(somebody, b'{"text": "the blue door", "n": 0.10000000000000000555}', "notes")
    court.records.keep(somebody, b'{"full_name": "canary of the diary"}', "diary")
    return somebody


def test_the_recipient_reads_what_the_scope_names_and_nothing_else(court: Court, ana: Somebody) -> None:
    """Fields and collections that nobody agreed to stay closed: the canaries are planted in both."""
    disclosure = court.disclose(ana, CONTACT, NOTES)

    document = court.read(disclosure)
    assert [(r["collection"], r["fields"]) for r in document["records"]] == [
        ("contact", {"full_name": "Ana Silva", "phone": "+351 912 345 678"}),
        ("notes", {"text": "the blue door", "n": 0.1}),
    ]
    plain = pyrage.decrypt(disclosure.path.read_bytes(), [court.identity])
    assert b"canary" not in plain
    assert b"no@e.org" not in plain
    assert b"0.10000000000000000555" in plain  # as it was written, digit for digit
    assert document["end"] is True


def test_the_manifest_says_what_was_released_and_its_digest_goes_into_the_log(
    court: Court, ana: Somebody
) -> None:
    disclosure = court.disclose(ana, CONTACT, NOTES)

    manifest = json.loads(disclosure.manifest_bytes)
    assert manifest["sha256"] == hashlib.sha256(disclosure.path.read_bytes()).hexdigest()
    assert manifest["recipient"] == str(court.identity.to_public())
    assert [(c["scope"]["collection"], c["records"]) for c in manifest["collections"]] == [
        ("contact", 1),
        ("notes", 1),
    ]
    assert disclosure.digest == hashlib.sha256(disclosure.manifest_bytes).digest()
    assert disclosure.path.with_suffix(".json").read_bytes() == disclosure.manifest_bytes
    assert b"Ana" not in disclosure.manifest_bytes


def test_nobody_elses_records_are_read(court: Court, ana: Somebody) -> None:
    court.records.keep(court.records.sign_up(), b'{"full_name": "Bob"}')

    assert len(court.read(court.disclose(ana, CONTACT))["records"]) == 1


def test_every_record_is_disclosed_once_however_many_pages_there_are(court: Court) -> None:
    somebody = court.records.sign_up()
    for n in range(130):  # two whole pages and a bit
        court.records.keep(somebody, b'{"n": %d}' % n, "notes")

    document = court.read(court.disclose(somebody, NOTES))

    assert [record["fields"]["n"] for record in document["records"]] == list(range(130))


def test_nothing_found_is_a_result_too(court: Court) -> None:
    """A court is told that there is nothing; a refusal would tell it nothing."""
    disclosure = court.disclose(court.records.sign_up(), CONTACT)

    assert court.read(disclosure)["records"] == []
    assert json.loads(disclosure.manifest_bytes)["collections"][0]["records"] == 0


@pytest.mark.parametrize("column", ["sealed", "collection_tag", "version", "dek_id"])
def test_an_altered_record_is_named_and_does_not_stop_the_rest(
    court: Court, ana: Somebody, column: str
) -> None:
    """Otherwise whoever alters one row stops a disclosure for good; or hides a record by its tag alone."""
    broken = court.records.keep(ana, b'{"full_name": "altered"}')
    altered: Any = {
        "sealed": "sealed = set_byte(sealed, 60, 255 - get_byte(sealed, 60))",
        "collection_tag": "collection_tag = sha256(collection_tag)",
        "version": "version = version + 1",
        "dek_id": "dek_id = gen_random_uuid()",
    }
    court.records.sql(
        "UPDATE records SET " + altered[column] + " WHERE record_id = %(record)s", record=broken.record
    )

    disclosure = court.disclose(ana, CONTACT)

    assert json.loads(disclosure.manifest_bytes)["unreadable"] == [str(broken.record)]
    assert court.read(disclosure)["unreadable"] == [str(broken.record)]
    assert len(court.read(disclosure)["records"]) == 1


def test_the_files_are_their_owners_alone_and_a_second_run_leaves_the_first_ones(
    court: Court, ana: Somebody
) -> None:
    case = court.case(ana, CONTACT)

    first, second = court.run(case, ana.dek), court.run(case, ana.dek)

    assert first.path != second.path
    files = sorted(court.folder.iterdir())
    assert len(files) == 4
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_the_plaintext_is_in_no_file_not_even_for_a_moment(court: Court, ana: Somebody) -> None:
    """Whatever is opened for writing meanwhile, a temporary file too, is seen by the interpreter's audit."""
    written: list[Path] = []
    watching = True

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if not watching or event != "open" or isinstance(arguments[0], int):
            return  # an int: a descriptor that was opened by its name before
        if arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            written.append(Path(arguments[0]))

    sys.addaudithook(watch)  # cannot be taken away again
    court.disclose(ana, CONTACT, NOTES)
    watching = False

    assert written
    assert {path.parent for path in written} == {court.folder}
    for file in court.folder.iterdir():
        assert b"blue door" not in file.read_bytes()


def test_a_ceremony_that_died_halfway_leaves_nothing_in_the_way(court: Court, ana: Somebody) -> None:
    case = court.case(ana, CONTACT)
    court.folder.mkdir()
    (court.folder / f"{case.case_id}.unfinished").write_bytes(b"half an age file")

    disclosure = court.run(case, ana.dek)

    assert court.read(disclosure)["end"] is True
    assert len(list(court.folder.iterdir())) == 2


def test_a_records_database_that_goes_away_leaves_no_file(court: Court, ana: Somebody) -> None:
    case = court.case(ana, CONTACT)
    court.records.sql("REVOKE SELECT ON records FROM vault_disclosure")
    try:
        with pytest.raises(DatabaseUnavailableError):
            court.run(case, ana.dek)
    finally:
        court.records.sql(
            """GRANT SELECT (user_id, record_id, version, dek_id, collection_tag, sealed, created_at,
                             updated_at) ON records TO vault_disclosure"""
        )
    assert list(court.folder.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_unavailable_and_says_so(court: Court, ana: Somebody) -> None:
    court.folder.write_text("a file where the folder should be")

    with pytest.raises(UnavailableError, match="disclosures folder"):
        court.disclose(ana, CONTACT)


def test_a_recipient_with_one_wrong_letter_gets_nothing(court: Court, ana: Somebody) -> None:
    right = str(court.identity.to_public())
    wrong = right[:-1] + ("q" if right[-1] != "q" else "p")

    with pytest.raises(InvalidInputError):
        court.run(court.case(ana, CONTACT, recipient=wrong), ana.dek)
    assert not court.folder.exists()


def test_the_key_of_another_user_or_another_case_than_agreed_discloses_nothing(
    court: Court, ana: Somebody
) -> None:
    bob = court.records.sign_up()
    with pytest.raises(CaseRefusedError):
        court.run(court.case(ana, CONTACT), bob.dek)
    with pytest.raises(CaseRefusedError):
        court.run(court.case(ana, CONTACT), dataclasses.replace(ana.dek, dek=DekId(new_uuid())))

    wider = msgspec.structs.replace(court.case(ana, CONTACT), reason="another")
    db = court.records.database.open("vault_disclosure", size=1)
    with pytest.raises(CaseRefusedError):
        disclose(
            wider, case_hash(court.case(ana, CONTACT).encode()), DataKeys(ana.dek), db, court.folder, NOW
        )
    db.close()
    assert not court.folder.exists()
