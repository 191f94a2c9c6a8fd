"""The proof that one event stands in its sealed log: a file that anybody checks with public keys alone.

It has the form of a user's receipts, which `vaultctl audit verify-receipts` knows.
"""

import base64
from dataclasses import dataclass
from uuid import UUID

import msgspec

from vault_service.domain.errors import IntegrityError, NotFoundError
from vault_service.domain.logs import LogName
from vault_service.domain.web_errors import NotSealedYetError
from vault_service.storage.audit.proofs import newest_head, prove
from vault_service.storage.audit.search import find_event
from vault_service.storage.pool import Database
from vault_service.verify.receipts import verify_receipts


class _Receipt(msgspec.Struct, frozen=True):
    index: int
    leaf: str
    proof: tuple[str, ...]


class _Document(msgspec.Struct, frozen=True):
    v: int
    log: LogName
    user_id: str
    checkpoint: str
    receipts: tuple[_Receipt, ...]
    unsealed: int


@dataclass(frozen=True, slots=True)
class Proof:
    """What was proven, and what shows it."""

    document: bytes  # JSON
    leaf: str  # canonical JSON (RFC 8785)
    path: tuple[str, ...]  # hex: the hashes that lead from the leaf to the root (RFC 6962, 2.1.1)
    index: int  # which leaf, from 0
    size: int  # of the checkpoint
    checkpoint: str  # a signed and cosigned note
    says: tuple[str, ...]  # what the verifier says of it; there are no findings


def prove_event(db: Database, log: LogName, user: UUID, event: UUID, key_file: str) -> Proof:
    """Prove it against the newest head, and have the auditors' own verifier judge it.

    `key_file`: audit.vkey, from a chain of manifests that is believed. Raises NotFoundError,
    NotSealedYetError, IntegrityError when the database's log does not bear it out.
    """
    found = db.run(lambda conn: find_event(conn, log, user, event))
    if found is None:
        raise NotFoundError("there is no such event in this log")
    head = db.run(newest_head)
    paths = db.run(lambda conn: prove(conn, head, [found.leaf_index]))
    if head is None or found.leaf_index is None or found.leaf_index not in paths:
        raise NotSealedYetError
    path, leaf = paths[found.leaf_index], found.leaf.encode().decode()
    receipt = _Receipt(found.leaf_index, leaf, tuple(base64.b64encode(each).decode() for each in path))
    document = msgspec.json.encode(_Document(1, log, str(user), head.note, (receipt,), 0))
    report = verify_receipts(document, key_file.encode())
    if report.findings:
        raise IntegrityError("; ".join(f"{each.name}: {each.what}" for each in report.findings))
    return Proof(
        document, leaf, tuple(each.hex() for each in path), found.leaf_index, head.size, head.note,
        (*report.sound, *report.notices),
    )  # fmt: skip
