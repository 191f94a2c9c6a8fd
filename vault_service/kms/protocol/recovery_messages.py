"""What officers' processes, ceremonies and the users who recover say to the key service; see messages.py."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from vault_service.domain.case import (
    AgeRecipient,
    CaseKind,
    Decision,
    Reason,
    Scope,
)
from vault_service.domain.case_states import CaseState
from vault_service.kms.protocol.message_base import Answer, BearerKey, Hash, Login, Password, Request

Signature = Annotated[bytes, Meta(min_length=64, max_length=64)]  # Ed25519
OfficersSignature = Annotated[
    bytes, Meta(min_length=64, max_length=2048)
]  # a passkey's: its encoded assertion
PointBytes = Annotated[bytes, Meta(min_length=65, max_length=65)]  # P-256, uncompressed
ManifestBytes = Annotated[bytes, Meta(max_length=192 * 1024)]  # about 3 KB an officer; see server.MAX_BODY
Phrase = Annotated[str, Meta(min_length=1, max_length=200)]
Time = str  # RFC 3339, UTC


class OfficerProof(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An officer's signature over one call (domain/case.py: officer_call_message).

    `signed_hash` of a request is SHA-256 over the canonical JSON (RFC 8785) of the request without `proof`.
    """

    officer_id: UUID
    authenticator_id: UUID
    at: Annotated[int, Meta(ge=0)]  # seconds since 1970; good for two minutes
    nonce: Annotated[bytes, Meta(min_length=16, max_length=16)]
    signature: OfficersSignature


# --- api: the user


class BeginRecovery(Request, frozen=True):
    """Ask for access again with a new password; for a login that nobody has, the same work and answer."""

    name = "begin_recovery"
    callers = frozenset({"api"})
    app_key: BearerKey
    case_id: UUID  # chosen by the caller, so that a retry finds the same case
    login: Login
    new_password: Password
    stolen: bool = False


class RecoveryBegun(Answer, frozen=True):
    """What the app tells the user."""

    case_id: UUID
    verification_phrase: str  # six words
    expires_at: Time
    due_at: Time


class RecoveryStatus(Request, frozen=True):
    """How a regain stands."""

    name = "recovery_status"
    callers = frozenset({"api"})
    app_key: BearerKey
    case_id: UUID


class RecoveryStatusIs(Answer, frozen=True):
    """A regain as its app may see it."""

    case_id: UUID
    state: CaseState
    opened_at: Time
    due_at: Time
    expires_at: Time


class CancelRecovery(Request, frozen=True):
    """End a regain: by the user, whose password the API has seen to be right at sign-in."""

    name = "cancel_recovery"
    callers = frozenset({"api"})
    case_id: UUID
    user_id: UUID
    unlock_id: UUID  # of the session: the key service's own trail must know it as this user's


class CreateRecoveryCode(Request, frozen=True):
    """Make a code that the user keeps, where the policy allows it; an older one ends."""

    name = "create_recovery_code"
    callers = frozenset({"api"})
    user_id: UUID
    password: Password


class RecoveryCodeIs(Answer, frozen=True):
    """The only time that it is shown."""

    code: str


class RedeemRecoveryCode(Request, frozen=True):
    """Set a new password with the code; the code ends, the epoch rises."""

    name = "redeem_recovery_code"
    callers = frozenset({"api"})
    app_key: BearerKey
    login: Login
    code: Annotated[str, Meta(min_length=1, max_length=100)]
    new_password: Password


class CodeRedeemed(Answer, frozen=True):
    """Whose password it is now."""

    user_id: UUID
    epoch: int


# --- console: the officers


class OpenCase(Request, frozen=True):
    """Open a case of any kind but a regain."""

    name = "open_case"
    callers = frozenset({"console"})
    case_id: UUID
    kind: CaseKind
    reason: Reason
    proof: OfficerProof
    user_id: UUID | None = None
    recipient: AgeRecipient | None = None
    scope: Scope = Scope()
    manifest: ManifestBytes | None = None  # officer-change: what is proposed


class CaseOpened(Answer, frozen=True):
    """The case as it stands from now on."""

    body: bytes
    verification_phrase: str


class Identify(Request, frozen=True):
    """The officer has typed login and phrase as the person gave them: are they the case's?"""

    name = "identify"
    callers = frozenset({"console"})
    case_id: UUID
    login: Login
    phrase: Phrase
    proof: OfficerProof


class Identified(Answer, frozen=True):
    """HMAC of the case key over case and officer; belongs to the approval."""

    identified: Hash


class FindUser(Request, frozen=True):
    """Which user has a login; for the purpose of opening a case."""

    name = "find_user"
    callers = frozenset({"console"})
    tenant: Annotated[str, Meta(min_length=1, max_length=64)]
    login: Login
    purpose: Annotated[str, Meta(min_length=1, max_length=500)]  # kept as a hash in the event
    proof: OfficerProof


class UserFound(Answer, frozen=True):
    """None: nobody has this login."""

    user_id: UUID | None


class VetoCase(Request, frozen=True):
    """End a case: one officer's signed veto is enough."""

    name = "veto_case"
    callers = frozenset({"console"})
    case_id: UUID
    officer_id: UUID
    authenticator_id: UUID
    decision: Decision  # "veto": the signature is over it
    signature: OfficersSignature
    reason: Reason = ""  # and over this


class DoneCase(Answer, frozen=True):
    """The state it has now."""

    state: CaseState


# --- ceremony


class OpenCeremony(Request, frozen=True):
    """Sign a note for an ephemeral key: these cases are due, but for the quorum, which peel demands."""

    name = "open_ceremony"
    callers = frozenset({"ceremony"})
    cases: Annotated[tuple[UUID, ...], Meta(min_length=1, max_length=500)]
    ephemeral_pk: PointBytes
    pin_gens: Annotated[tuple[Annotated[int, Meta(ge=1)], ...], Meta(min_length=1, max_length=2)]
    token_serial: Annotated[str, Meta(max_length=64)]


class CeremonyOpened(Answer, frozen=True):
    """The note; cases that were left out, with the code of why."""

    note: bytes
    signature: Signature
    left_out: tuple[tuple[UUID, str], ...] = ()


class Peel(Request, frozen=True):
    """Take the outer layer off the escrow wraps of a case that enough officers approved."""

    name = "peel"
    callers = frozenset({"ceremony"})
    ceremony_id: UUID
    case_id: UUID
    after: UUID | None = None  # drill: users beyond this one
    limit: Annotated[int, Meta(ge=1, le=1000)] = 500


class PeeledKept(msgspec.Struct, frozen=True):
    """An older DEK that records may still be under, sealed under the present one."""

    dek_id: UUID
    dek_check: bytes
    kept: Annotated[bytes, Meta(min_length=93, max_length=93)]

    def __repr__(self) -> str:
        """No wrap in a traceback."""
        return f"PeeledKept({self.dek_id})"


class PeeledWrap(msgspec.Struct, frozen=True):
    """One inner escrow wrap and all that opening it needs; None where the outer layer did not open."""

    tenant: UUID
    user_id: UUID
    dek_id: UUID
    epoch: int  # of the credential that a regain makes: one more than the present one
    escrow_gen: int
    dek_check: bytes
    wrap: bytes | None
    kept: tuple[PeeledKept, ...] = ()  # for a disclosure

    def __repr__(self) -> str:
        """No wrap in a traceback."""
        return f"PeeledWrap({self.user_id})"


class Peeled(Answer, frozen=True):
    """The wraps in the order of their users; `more`: ask again after the last one.

    `of`: about how many there are in all, with the first page of everybody's.
    """

    wraps: tuple[PeeledWrap, ...]
    more: bool = False
    of: Annotated[int, Meta(ge=0)] | None = None


class CompleteCase(Request, frozen=True):
    """Commit what a ceremony made of a case; the case is executed, once."""

    name = "complete"
    callers = frozenset({"ceremony"})
    ceremony_id: UUID
    case_id: UUID
    sealed_dek: Annotated[bytes, Meta(min_length=113, max_length=113)] | None = None  # regain
    digest: Hash | None = None  # disclosure: of its manifest; drill: of its report; key-ceremony: of the key
    failed: bool = False  # drill: some wraps did not open
    public_key: PointBytes | None = None  # key-ceremony


class CloseCeremony(Request, frozen=True):
    """Nothing more is released to this ceremony; cases that it holds and did not complete are open again."""

    name = "close_ceremony"
    callers = frozenset({"ceremony"})
    ceremony_id: UUID


class SignManifest(Request, frozen=True):
    """Break-glass: make this the newest manifest; it may change officers, quorum and the escrow token."""

    name = "sign_manifest"
    callers = frozenset({"ceremony"})
    body: ManifestBytes
    signature: Signature  # by the key that the words on paper give, over manifest_signing_input(body)


class ManifestSigned(Answer, frozen=True):
    """The newest manifest now."""

    serial: int


# --- worker of the records side


class ChangesSince(Request, frozen=True):
    """What the records side must follow: leaves of the keys log from this index on."""

    name = "changes_since"
    callers = frozenset({"worker_records"})
    next_index: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    limit: Annotated[int, Meta(ge=1, le=1000)] = 200


class Change(msgspec.Struct, frozen=True):
    """One event of the keys log that concerns the records side."""

    event_id: UUID
    kind: str  # of KeysEvent, lower case
    user_id: UUID
    at: Time
    epoch: int | None  # the user's present one; None: erased
    digest: bytes | None


class Changes(Answer, frozen=True):
    """In the order of the log; ask again from `next_index`."""

    changes: tuple[Change, ...]
    next_index: int
    generation: int = 1  # of the log: another one after an accepted restore of the keys database


def signed_hash_input(request: Request) -> dict[str, Any]:
    """A request as an officer signs it: everything but the proof."""
    plain: dict[str, Any] = msgspec.to_builtins(request)
    plain.pop("proof", None)
    return plain
