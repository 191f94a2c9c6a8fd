"""What must hold whenever a ceremony acts on a case: demanded before a wrap leaves, and again before its
result is committed, so that a state that was written into a table never stands for the officers' consent.
"""

import contextlib
from collections.abc import Generator
from dataclasses import dataclass

from vault_service.crypto.manifest_chain import SignedManifest
from vault_service.domain.case import Case, case_hash, from_case_time
from vault_service.domain.ceremony_note import CeremonyNote
from vault_service.domain.errors import (
    ConcurrentChangeError,
    IntegrityError,
    InvalidInputError,
    ManifestError,
    VaultError,
)
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import NOBODY, CaseId, CeremonyId
from vault_service.domain.manifest import Manifest, manifest_hash, parse_manifest
from vault_service.domain.recovery_errors import (
    CaseClosedError,
    CaseNotFoundError,
    CaseRefusedError,
    CeremonyBusyError,
    NotDueError,
    NoteRefusedError,
    QuorumNotMetError,
)
from vault_service.domain.rotation_errors import GenerationNeededError
from vault_service.kms.cases.book import genuine
from vault_service.kms.cases.ceremony_notes import live_note
from vault_service.kms.cases.due import demand_due
from vault_service.kms.cases.quorum import demand_quorum
from vault_service.kms.service import KeyService
from vault_service.storage.keys.cases import CaseRow, find_case
from vault_service.storage.keys.manifests import load_chain

REFUSALS = (
    CaseRefusedError, CaseNotFoundError, CaseClosedError, CeremonyBusyError, NoteRefusedError, NotDueError,
    QuorumNotMetError, IntegrityError, InvalidInputError, ManifestError, ConcurrentChangeError,
    GenerationNeededError,
)  # fmt: skip
"""What is evidence of its own; the rest only says that a part is away."""


@dataclass(frozen=True, slots=True)
class Execution:
    """A case that this ceremony may execute now."""

    row: CaseRow
    case: Case
    digest: bytes  # the case's hash


@contextlib.contextmanager
def refusals_recorded(
    service: KeyService, kind: KeysEvent, case_id: CaseId, *, not_due: bytes | None = None
) -> Generator[None]:
    """Commit an event of a refusal inside, then let it go on.

    Its digest is the case's hash; or `not_due`, if given, where the waiting period is not over.
    """
    refused: VaultError
    try:
        yield
        return
    except REFUSALS as error:
        refused = error
    with service.db.connection() as conn:
        row = find_case(conn, case_id)
    digest = case_hash(row.body) if row is not None else None
    if not_due is not None and isinstance(refused, NotDueError):
        digest = not_due
    service.record(kind, user=(row.user if row is not None else None) or NOBODY, case=case_id, digest=digest)
    raise refused


def believed_case(service: KeyService, case_id: CaseId) -> tuple[CaseRow, Case]:
    """A case that this key service opened, and no decoy. Raises CaseNotFoundError, CaseRefusedError."""
    with service.db.connection() as conn:
        row = find_case(conn, case_id)
    if row is None:
        raise CaseNotFoundError("no case of this id")
    case = genuine(service, row)
    if row.decoy:
        raise CaseNotFoundError("no case of this id")
    _demand_in_chain(service, case)
    return row, case


def demand_open(service: KeyService, row: CaseRow, case: Case) -> None:
    """Neither decided nor expired, and due. Raises CaseClosedError, NotDueError."""
    if row.state not in ("open", "executing"):
        raise CaseClosedError(f"the case is {row.state}")
    if service.now() >= from_case_time(case.expires_at):
        raise CaseClosedError("the case has expired")
    demand_due(service, case, row.waited_s)


def execution(service: KeyService, ceremony: CeremonyId, case_id: CaseId) -> Execution:
    """Everything but what the kind of case needs.

    Raises NoteRefusedError, CaseNotFoundError, CaseRefusedError, CaseClosedError, CeremonyBusyError,
    NotDueError, QuorumNotMetError.
    """
    note = live_note(service, ceremony)
    row, case = believed_case(service, case_id)
    digest = case_hash(row.body)
    _demand_listed(note, case, digest)
    demand_open(service, row, case)
    if row.state == "executing" and row.ceremony != ceremony:
        raise CeremonyBusyError("another ceremony executes this case")
    demand_quorum(service, case)
    return Execution(row, case, digest)


def _demand_listed(note: CeremonyNote, case: Case, digest: bytes) -> None:
    listed = {each.case_id: each.case_hash for each in note.cases}
    if listed.get(case.case_id) != digest.hex():
        raise NoteRefusedError("the ceremony's note does not list this case as it is")


def _demand_in_chain(service: KeyService, case: Case) -> None:
    """The manifest that a case was opened under leads to the one of today. Raises CaseRefusedError."""
    current = service.manifests.current()
    if case.manifest_serial == current.serial:
        known = manifest_hash(current.encode())
    else:
        with service.db.connection() as conn:
            known = _ancestor(load_chain(conn), current, case.manifest_serial)
    if known.hex() != case.manifest_hash:
        raise CaseRefusedError("the case was opened under a manifest that is not in the chain")


def _ancestor(chain: tuple[SignedManifest, ...], current: Manifest, serial: int) -> bytes:
    """The hash of an older manifest, by following `previous` back from the one that is believed."""
    by_hash = {manifest_hash(link.body): link.body for link in chain}
    digest = bytes.fromhex(current.previous)
    for _ in range(current.serial - 1 - serial):
        body = by_hash.get(digest)
        if body is None:
            return b""
        digest = bytes.fromhex(parse_manifest(body).previous)
    return digest if 0 < serial < current.serial else b""
