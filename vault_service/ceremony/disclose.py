"""A disclosure: what a case names of its subject's records, as an age file for the case's recipient.

The plaintext is made page by page and encrypted as it is made: it is on no disk and in no process but
this one. The manifest beside the file says what was released; its SHA-256 goes into the audit log when
the case is completed. A file whose manifest is not in the log was left by a ceremony that died before
that, and has not been released: hand it to nobody.

A record that does not open is named in both, and the rest is released: refusing the whole would let
whoever can alter one row of the records database stop a court's order for good, while a gap that is
named can be asked about.
"""

import contextlib
import hashlib
import os
from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, BinaryIO, Literal, cast
from uuid import UUID

import msgspec
import rfc8785
from msgspec import Meta
from pyrage import EncryptError

from vault_service.ceremony.disclosed_records import DisclosedRecords, Reader
from vault_service.crypto.age import encrypt_stream, load_recipient
from vault_service.crypto.dek import DataKeys
from vault_service.domain.case import AgeRecipient, Case, CollectionScope, Hash, Time, case_hash, case_time
from vault_service.domain.errors import UnavailableError
from vault_service.domain.recovery_errors import CaseRefusedError
from vault_service.durable import sync
from vault_service.storage.pool import Database


class DisclosedCollection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was released of one collection."""

    scope: CollectionScope
    records: Annotated[int, Meta(ge=0)]


class DisclosureManifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was released, without a word of its content."""

    v: Literal[1]
    case_id: UUID
    case_hash: Hash
    recipient: AgeRecipient
    collections: tuple[DisclosedCollection, ...]
    unreadable: tuple[UUID, ...]  # records that did not open; nobody can tell of which collection
    sha256: Hash  # of the age file
    made_at: Time

    def encode(self) -> bytes:
        """Canonical JSON (RFC 8785)."""
        return rfc8785.dumps(msgspec.to_builtins(self))


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What was made, for the completion of the case."""

    path: Path  # of the age file; the manifest stands beside it, as .json
    manifest_bytes: bytes
    digest: bytes  # SHA-256 of the manifest


def disclose(
    case: Case, digest: bytes, keys: DataKeys, records_db: Database, folder: Path, now: datetime
) -> Disclosure:
    """Write the age file and its manifest into the folder. A case without records gives a file too.

    `digest`: the case's hash. Raises CaseRefusedError when it is another case's or the key another
    user's, InvalidInputError for a recipient that is none, UnavailableError when the folder or the
    records database cannot be used: then nothing is left but an unfinished file, removed by the next.
    """
    recipient = case.recipient
    if case.kind != "disclosure" or recipient is None or case_hash(case.encode()) != digest:
        raise CaseRefusedError("it is not the disclosure that the officers agreed to")
    if (case.tenant, case.user_id, case.dek_id) != (keys.current.tenant, keys.current.user, keys.current.dek):
        raise CaseRefusedError("the key that was opened is not the subject's")
    load_recipient(recipient)  # before anything is opened
    records = DisclosedRecords(case, digest, keys, records_db)
    try:
        return _write(case, digest, recipient, records, folder, now)
    except OSError as error:
        raise UnavailableError(f"the disclosures folder ({error.strerror})") from None


def _write(
    case: Case, digest: bytes, recipient: str, records: DisclosedRecords, folder: Path, now: datetime
) -> Disclosure:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = folder / f"{case.case_id}.unfinished"
    unfinished.unlink(missing_ok=True)  # of a ceremony that died; there is one at a time
    try:
        with _new_file(unfinished) as file:
            _encrypt(records, file, recipient)
        sha256 = _sha256(unfinished)
        manifest = DisclosureManifest(
            v=1,
            case_id=case.case_id,
            case_hash=digest.hex(),
            recipient=recipient,
            collections=tuple(
                DisclosedCollection(part, records.counts[part.collection]) for part in case.scope.collections
            ),
            unreadable=tuple(records.unreadable),
            sha256=sha256,
            made_at=case_time(now),
        ).encode()
        # The name says the content: encrypted anew it is another one, so that none is ever written over.
        path = folder / f"disclosure-{case.case_id}-{sha256[:16]}.age"
        with _new_file(path.with_suffix(".json")) as file:
            file.write(manifest)
        path.hardlink_to(unfinished)  # unlike a rename, it never takes another's place
    finally:
        unfinished.unlink(missing_ok=True)
    sync(folder)
    return Disclosure(path, manifest, hashlib.sha256(manifest).digest())


def _encrypt(records: DisclosedRecords, file: BinaryIO, recipient: str) -> None:
    reader = Reader(records.chunks())
    try:
        encrypt_stream(cast("BinaryIO", reader), file, recipient)
    except EncryptError:
        # Not `from`: its text repeats the other's, and the other may be about a record.
        if reader.failed is not None:
            raise reader.failed from None
        raise OSError(0, "a write failed") from None


@contextlib.contextmanager
def _new_file(path: Path) -> Generator[BinaryIO]:
    """0600 from its first moment, never another's place, on disk at the end."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        yield file
        file.flush()
        os.fsync(descriptor)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
