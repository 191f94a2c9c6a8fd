"""A recovery case: what is asked for, of whom and why, in one canonical text that officers sign.

A case never changes: an edit is a new case, and so nobody's approval of one text counts for another.
What becomes of a case is not in it; the rules of that stand in case_states.py.
"""

import hashlib
from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
import rfc8785
from msgspec import Meta

from vault_service.domain.contexts import context, text
from vault_service.domain.manifest import MIN_QUORUM
from vault_service.domain.recovery_errors import CaseRefusedError

CaseKind = Literal[
    "regain", "disclosure", "erasure", "drill", "key-ceremony", "officer-change", "escrow-rotation"
]
CASE_KINDS: tuple[CaseKind, ...] = (
    "regain", "disclosure", "erasure", "drill", "key-ceremony", "officer-change", "escrow-rotation",
)  # fmt: skip
ABOUT_SOMEBODY: frozenset[CaseKind] = frozenset({"regain", "disclosure", "erasure"})
"""Kinds that have a subject: a user whose DEK or existence they are about."""

Decision = Literal["approve", "veto"]
Hash = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
Point = Annotated[str, Meta(pattern=r"^04[0-9a-f]{128}\Z")]  # P-256, uncompressed
Time = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\Z")]
Reason = Annotated[str, Meta(max_length=500)]  # read by officers; in events only within the case's hash
AgeRecipient = Annotated[str, Meta(pattern=r"^age1[0-9a-z]{10,4000}\Z")]


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class CollectionScope(_Part, frozen=True):
    """What of one collection is disclosed."""

    collection: Annotated[str, Meta(min_length=1, max_length=64)]
    fields: tuple[Annotated[str, Meta(min_length=1, max_length=128)], ...] = ()  # empty: every field


class Scope(_Part, frozen=True):
    """How far a case goes; which members are set depends on its kind."""

    collections: tuple[CollectionScope, ...] = ()  # disclosure
    sample: Annotated[int, Meta(ge=1)] | None = None  # drill: how many users; None: all of them
    manifest: Hash | None = None  # officer-change: SHA-256 of the proposed manifest's bytes


class Case(_Part, frozen=True):
    """What officers decide on."""

    v: Literal[1]
    case_id: UUID
    kind: CaseKind
    tenant: UUID | None
    user_id: UUID | None  # the subject
    dek_id: UUID | None
    epoch: int | None  # the subject's, as it was when the case was opened
    login_index: Hash | None
    target_pk: Point | None  # regain: what the DEK is sealed to
    recipient: AgeRecipient | None  # disclosure: whom the age file is encrypted to
    stolen: bool  # regain: the old password may be in somebody else's hands
    requester: UUID | None  # an officer; None: the user, through an app
    app_id: UUID | None  # regain: through which app
    reason: Reason
    scope: Scope
    escrow_gen: Annotated[int, Meta(ge=1)]
    manifest_serial: Annotated[int, Meta(ge=1)]
    manifest_hash: Hash
    quorum: Annotated[int, Meta(ge=MIN_QUORUM)]
    opened_at: Time
    not_before: Time
    expires_at: Time
    nonce: Hash

    def encode(self) -> bytes:
        """Canonical JSON (RFC 8785)."""
        return rfc8785.dumps(msgspec.to_builtins(self))

    @property
    def is_about_somebody(self) -> bool:
        """Whether it has a subject."""
        return self.kind in ABOUT_SOMEBODY


def case_time(at: datetime) -> str:
    """A time as it stands in a case: UTC, microseconds."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def from_case_time(at: str) -> datetime:
    """The reverse. Raises CaseRefusedError for what is no time of this world."""
    try:
        return datetime.fromisoformat(at)
    except ValueError:
        raise CaseRefusedError("a case names a time that there is not") from None


def case_hash(body: bytes) -> bytes:
    """SHA-256 of the canonical bytes: what approvals, notes and events name a case by."""
    return hashlib.sha256(body).digest()


def parse_case(body: bytes) -> Case:
    """Parse canonical bytes; whatever would encode differently, or does not fit its kind, is refused.

    Raises CaseRefusedError.
    """
    try:
        case = msgspec.json.decode(body, type=Case)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise CaseRefusedError("a stored case cannot be read") from None
    if case.encode() != body:
        raise CaseRefusedError("a stored case is not in canonical form")
    check_case(case)
    return case


def check_case(case: Case) -> None:
    """Whether its members fit its kind. Raises CaseRefusedError."""
    subject = (case.tenant, case.user_id, case.dek_id, case.epoch, case.login_index)
    scope = case.scope
    fits = {
        "a subject": all(part is not None for part in subject)
        if case.is_about_somebody
        else all(part is None for part in subject),
        "a target key": (case.target_pk is not None) == (case.kind == "regain"),
        "an app": case.app_id is None or case.kind == "regain",
        "a requester": (case.requester is None) == (case.kind == "regain"),
        "stolen": case.kind == "regain" or not case.stolen,
        "a recipient": (case.recipient is not None) == (case.kind == "disclosure"),
        "collections": bool(scope.collections) == (case.kind == "disclosure"),
        "a sample": scope.sample is None or case.kind == "drill",
        "a manifest": (scope.manifest is not None) == (case.kind == "officer-change"),
    }
    wrong = [what for what, fit in fits.items() if not fit]
    opened, not_before, expires = map(from_case_time, (case.opened_at, case.not_before, case.expires_at))
    if not opened <= not_before < expires:
        wrong.append("its times")
    if wrong:
        raise CaseRefusedError(f"a case of kind {case.kind} does not fit in: {', '.join(wrong)}")


def case_mac_input(digest: bytes) -> bytes:
    """What the token's case key is applied to when a case is opened: a row put in by SQL has no such MAC."""
    return context(b"case", digest)


def decoy_mac_input(digest: bytes) -> bytes:
    """The same for a case about a login that nobody has: no edit turns one of them into a real case."""
    return context(b"decoy-case", digest)


def identified_input(digest: bytes, officer: UUID) -> bytes:
    """What the case key is applied to when an officer has typed the subject's login and the phrase."""
    return context(b"identified", digest, officer.bytes)


def approval_message(digest: bytes, decision: Decision, officer: UUID, authenticator: UUID) -> bytes:
    """What an officer signs; of a passkey, SHA-256 of it is the challenge."""
    return context(b"approval", digest, text(decision), officer.bytes, authenticator.bytes)


def reasoned_veto_message(digest: bytes, officer: UUID, authenticator: UUID, reason: str) -> bytes:
    """The same of a veto that says why: nobody can put other words into the officer's mouth."""
    return context(b"reasoned-veto", digest, officer.bytes, authenticator.bytes, text(reason))


def officer_call_message(
    call: str, request_hash: bytes, officer: UUID, authenticator: UUID, at: int, nonce: bytes
) -> bytes:
    """What an officer signs to make a call of the key service; `at`: seconds since 1970."""
    return context(
        b"officer-call", text(call), request_hash, officer.bytes, authenticator.bytes,
        at.to_bytes(8, "big"), nonce,
    )  # fmt: skip
