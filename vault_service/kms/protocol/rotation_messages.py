"""What operators, workers, ceremonies and the API say to the key service about rotation; see messages.py."""

from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from vault_service.domain.manifest import State
from vault_service.domain.rotation import KeyKind, OnlineKind, RewrapKind, RotationState
from vault_service.kms.protocol.message_base import Answer, Hash, Password, Request

Gen = Annotated[int, Meta(ge=1, le=2**31 - 1)]
BatchSize = Annotated[int, Meta(ge=1, le=2000)]
Rate = Annotated[int, Meta(ge=0, le=1_000_000)]  # users a second; 0: no limit
Workers = Annotated[int, Meta(ge=1, le=64)]
Fingerprint = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
Time = str  # RFC 3339, UTC
_LOOKS_AT_ALL_S = 620.0  # longer than storage lets a statement take that looks at every user's rows


# --- operator: generations


class ListGenerations(Request, frozen=True):
    """Every generation of every kind."""

    name = "list_generations"
    callers = frozenset({"operator", "worker_keys"})


class GenerationRow(msgspec.Struct, frozen=True):
    """One generation."""

    kind: KeyKind
    gen: int
    state: State
    fingerprint: str  # SHA-256 of the public key, or of the check value, in hex
    since: Time  # when its manifest came that first gave it this state
    in_token: bool | None = None  # None: of the escrow token, or the online one is away


class GenerationsAre(Answer, frozen=True):
    """In the order of kinds and numbers."""

    generations: tuple[GenerationRow, ...]


class CreateKey(Request, frozen=True):
    """Make the next generation in the online token; it is prepared, and nothing is made with it yet."""

    name = "create_key"
    callers = frozenset({"operator", "worker_keys"})
    kind: OnlineKind


class MakeKeyCurrent(Request, frozen=True):
    """Let everything new be made with it; the one before is retiring. Repeating it changes nothing."""

    name = "make_key_current"
    callers = frozenset({"operator", "worker_keys"})
    kind: OnlineKind
    gen: Gen


class GenerationIs(Answer, frozen=True):
    """How it stands now."""

    generation: GenerationRow
    serial: int  # of the manifest that says so


class TakeCensus(Request, frozen=True):
    """Count what still needs a generation; without a lock."""

    name = "take_census"
    callers = frozenset({"operator", "worker_keys"})
    patience_s = _LOOKS_AT_ALL_S
    kind: KeyKind
    gen: Gen


class CensusIs(Answer, frozen=True):
    """What needs it, by name: "password wraps", "open cases", ...; those with 0 are left out."""

    needed_by: tuple[tuple[str, int], ...]


class RetireKey(Request, frozen=True):
    """Have the manifest call a generation destroyed, once nothing needs it: counted under a lock."""

    name = "retire_key"
    callers = frozenset({"operator"})
    patience_s = _LOOKS_AT_ALL_S
    kind: OnlineKind
    gen: Gen
    fingerprint: Fingerprint


class DestroyKey(Request, frozen=True):
    """Destroy in the token what the manifest calls destroyed for a few seconds already."""

    name = "destroy_key"
    callers = frozenset({"operator"})
    kind: OnlineKind
    gen: Gen
    fingerprint: Fingerprint


class OthersInUse(Request, frozen=True):
    """Since when that is in use which is rotated too and stands in no manifest."""

    name = "others_in_use"
    callers = frozenset({"operator", "worker_keys"})
    patience_s = _LOOKS_AT_ALL_S


class AppKeyInUse(msgspec.Struct, frozen=True):
    """An app that is not revoked."""

    app_name: str
    tenant: str
    newest: Time  # when its newest key was made


class OthersInUseAre(Answer, frozen=True):
    """None: nobody knows, or there is none."""

    app_keys: tuple[AppKeyInUse, ...]
    oldest_data_key: Time | None  # of those that users' data are under now
    data_keys_due: int  # that are older than the policy says
    officer_shares: Time | None  # when the share set was made that opens the escrow token
    cost_calibrated: Time | None  # as policies/passwords.toml says


# --- operator: rotations


class StartRotation(Request, frozen=True):
    """Begin to rewrite all wraps that are on an older generation than the current one."""

    name = "start_rotation"
    callers = frozenset({"operator", "worker_keys"})
    patience_s = _LOOKS_AT_ALL_S
    kind: RewrapKind
    rate: Rate = 0
    workers: Workers = 1


class PauseRotation(Request, frozen=True):
    """No further batch begins."""

    name = "pause_rotation"
    callers = frozenset({"operator"})
    kind: RewrapKind


class ResumeRotation(Request, frozen=True):
    """Go on where it was, or faster or slower: None leaves a number as it is."""

    name = "resume_rotation"
    callers = frozenset({"operator"})
    kind: RewrapKind
    rate: Rate | None = None
    workers: Workers | None = None


class RotationStatus(Request, frozen=True):
    """The newest rotations of each kind."""

    name = "rotation_status"
    callers = frozenset({"operator", "worker_keys"})


class FailedWrap(msgspec.Struct, frozen=True):
    """A wrap that did not open; it is as it was."""

    user_id: UUID
    wrap: str


class RotationRow(msgspec.Struct, frozen=True):
    """One rotation."""

    rotation_id: UUID
    kind: RewrapKind
    to_gen: int
    state: RotationState
    rate: int
    workers: int
    users: int  # how many there were at the start
    looked_at: int
    rewrapped: int  # wraps
    failed: int
    failures: tuple[FailedWrap, ...]  # the first hundred
    started_at: Time
    ended_at: Time | None


class RotationIs(Answer, frozen=True):
    """One rotation as it stands."""

    rotation: RotationRow


class RotationsAre(Answer, frozen=True):
    """Newest first; at most ten of each kind."""

    rotations: tuple[RotationRow, ...]


class CountOldCosts(Request, frozen=True):
    """How many passwords' wraps are below the policy's Argon2 cost; each sign-in raises one."""

    name = "count_old_costs"
    callers = frozenset({"operator", "worker_keys"})


class OldCosts(Answer, frozen=True):
    """`below` of all `credentials`; the policy's cost."""

    below: int
    credentials: int
    memory_kib: int
    iterations: int


# --- worker of the keys side


class RewrapBatch(Request, frozen=True):
    """Rewrite the wraps of the users whose id is above `after` and at most `upto`; may be repeated."""

    name = "rewrap_batch"
    callers = frozenset({"worker_keys"})
    rotation_id: UUID
    after: UUID
    upto: UUID


class BatchRewrapped(Answer, frozen=True):
    """What became of them."""

    state: RotationState  # not running: nothing was done
    looked_at: int  # users
    rewrapped: int  # wraps
    lost: int  # wraps that somebody else changed meanwhile: theirs stands
    failed: int  # wraps that did not open


class FinishRotation(Request, frozen=True):
    """Every batch is done: count what is left; finished if that is only what does not open."""

    name = "finish_rotation"
    callers = frozenset({"worker_keys"})
    patience_s = _LOOKS_AT_ALL_S
    rotation_id: UUID


class VerifyWraps(Request, frozen=True):
    """Open the outer layers of users' wraps again, after `after`; nothing is handed out."""

    name = "verify_wraps"
    callers = frozenset({"operator", "worker_keys"})
    after: UUID
    limit: BatchSize = 500
    sample: Annotated[int, Meta(ge=1)] | None = None  # about so many of all users, chosen at random
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] = 0


class WrapsVerified(Answer, frozen=True):
    """`more`: ask again after `last`."""

    opened: int  # wraps
    failed: tuple[FailedWrap, ...]
    last: UUID | None
    more: bool


class ReportVerified(Request, frozen=True):
    """Leave the event of a verification that has ended."""

    name = "report_verified"
    callers = frozenset({"operator", "worker_keys"})
    digest: Hash  # SHA-256 of the report


# --- ceremony


class NewEscrowWrap(msgspec.Struct, frozen=True):
    """The inner escrow wrap of a DEK to the current escrow key."""

    user_id: UUID
    dek_id: UUID
    wrap: Annotated[bytes, Meta(min_length=113, max_length=113)]

    def __repr__(self) -> str:
        """No wrap in a traceback."""
        return f"NewEscrowWrap({self.user_id})"


class RewrapEscrow(Request, frozen=True):
    """Put the outer layer on new escrow wraps and store them in the place of the old ones."""

    name = "rewrap_escrow"
    callers = frozenset({"ceremony"})
    ceremony_id: UUID
    case_id: UUID
    looked_at: Annotated[int, Meta(ge=0)]  # users of the page, for the progress
    wraps: Annotated[tuple[NewEscrowWrap, ...], Meta(max_length=2000)]
    failed: Annotated[tuple[UUID, ...], Meta(max_length=2000)] = ()  # users whose wrap did not open


class EscrowRewrapped(Answer, frozen=True):
    """What became of them."""

    rewrapped: int
    lost: int  # somebody else changed the wrap meanwhile


# --- api: the data key


class AddDataKey(Request, frozen=True):
    """Give the user a new DEK; the old one is kept under it. The epoch rises by one."""

    name = "add_data_key"
    callers = frozenset({"api"})
    user_id: UUID
    password: Password
    demanded: bool = False  # only if an operator's demand still stands: of two sign-ins one meets it


class DataKeyAdded(Answer, frozen=True):
    """The new epoch; the next unlock hands out both keys."""

    epoch: int
    dek_id: UUID


class DropDataKey(Request, frozen=True):
    """No record is under this older DEK any more: its wraps go."""

    name = "drop_data_key"
    callers = frozenset({"api"})
    user_id: UUID
    dek_id: UUID
    unlock_id: UUID  # of the session: the key service's own trail must know it as this user's


class DemandDataKeys(Request, frozen=True):
    """Have these users' DEKs rotated at their next sign-in."""

    name = "demand_data_keys"
    callers = frozenset({"operator"})
    users: Annotated[tuple[UUID, ...], Meta(min_length=1, max_length=1000)]


class DataKeysDemanded(Answer, frozen=True):
    """How many of them there are."""

    demanded: int
    unknown: tuple[UUID, ...]
