"""What is said to the key service and back: version 1, strictly typed, JSON with base64 for bytes.

Every request is one POST to /v1/<name>; the class attribute `callers` says who may make it.
An error comes back as `Refusal` with the code of a VaultError.
"""

from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from vault_service.domain.logs import LogName
from vault_service.kms.protocol.message_base import (
    Answer,
    BearerKey,
    Done,
    Hash,
    Login,
    Name,
    NoteText,
    Password,
    Refusal,
    Request,
    TreeSize,
)
from vault_service.kms.protocol.recovery_answers import ANSWERS as RECOVERY_ANSWERS
from vault_service.kms.protocol.rotation_answers import ANSWERS as ROTATION_ANSWERS

__all__ = ["ANSWERS", "REQUESTS", "Answer", "Done", "Refusal", "Request"]


# --- api


class Enrol(Request, frozen=True):
    """Make a user with the id that the caller chose; may be repeated with the same password."""

    name = "enrol"
    callers = frozenset({"api"})
    app_key: BearerKey
    user_id: UUID
    login: Login
    password: Password | None = None  # without one: a one-time password is made


class Enrolled(Answer, frozen=True):
    """The user exists."""

    tenant_id: UUID
    app_id: UUID
    app_name: str
    epoch: int
    one_time_password: str | None = None


class Unlock(Request, frozen=True):
    """Open a user's DEK with login and password."""

    name = "unlock"
    callers = frozenset({"api"})
    app_key: BearerKey
    login: Login
    password: Password


class OlderKey(msgspec.Struct, frozen=True):
    """A DEK that is being given up."""

    dek_id: UUID
    dek: bytes

    def __repr__(self) -> str:
        """No key in a traceback."""
        return f"OlderKey({self.dek_id})"


class Unlocked(Answer, frozen=True):
    """The DEK, and what a session must be bound to."""

    tenant_id: UUID
    user_id: UUID
    dek_id: UUID
    dek: bytes
    epoch: int
    unlock_id: UUID
    app_id: UUID
    app_name: str
    must_change: bool
    older: tuple[OlderKey, ...] = ()  # data keys that records may still be under
    change_data_key: bool = False  # an operator demands it, with the password that is at hand now


class ChangePassword(Request, frozen=True):
    """Rewrap the DEK under a new password; the epoch rises by one."""

    name = "change_password"
    callers = frozenset({"api"})
    user_id: UUID
    current: Password
    new: Password
    one_time: bool = False  # redeeming a one-time password: nothing else is accepted as `current`


class EpochIs(Answer, frozen=True):
    """The user's epoch; None when there is no such user (any more)."""

    epoch: int | None


class ChangeLogin(Request, frozen=True):
    """Give the user another login: outer layers are rewritten, nothing else."""

    name = "change_login"
    callers = frozenset({"api"})
    user_id: UUID
    password: Password
    new_login: Login


class Erase(Request, frozen=True):
    """Destroy every wrap of the user's DEK."""

    name = "erase"
    callers = frozenset({"api"})
    user_id: UUID
    password: Password


class Epoch(Request, frozen=True):
    """Ask for a user's epoch, to finish what a crash left."""

    name = "epoch"
    callers = frozenset({"api", "worker_records"})
    user_id: UUID


# --- worker: the sealed logs


class SignCheckpoint(Request, frozen=True):
    """Sign a larger head of this side's log, once it is seen to be an append of the last one signed."""

    name = "sign_checkpoint"
    callers = frozenset({"worker_keys", "worker_records"})
    log: LogName
    size: TreeSize
    root: Hash
    old_size: TreeSize  # of the head that the proof starts from: the last one signed
    proof: Annotated[tuple[Hash, ...], Meta(max_length=63)]  # RFC 6962, section 2.1.2


class CheckpointSigned(Answer, frozen=True):
    """A C2SP tlog-checkpoint in a signed note."""

    note: str


class ReportSealed(Request, frozen=True):
    """Tell how far this side's log is sealed: past the policy's limit nobody is signed in any more."""

    name = "report_sealed"
    callers = frozenset({"worker_keys", "worker_records"})
    log: LogName
    note: NoteText | None  # the newest head with enough cosignatures; None before the first
    unsealed: Annotated[int, Meta(ge=0)]  # events that are in no such head yet
    oldest_unsealed_s: Annotated[float, Meta(ge=0)]  # how long the first of them has waited


class LogHead(Request, frozen=True):
    """Ask what was signed last for a log."""

    name = "log_head"
    callers = frozenset({"api", "worker_keys", "worker_records", "operator"})
    log: LogName


class LogHeadIs(Answer, frozen=True):
    """The last head signed in the log's present generation; size 0 and no note before the first."""

    key_name: str
    origin: str
    generation: int
    size: int
    root: bytes
    note: str | None
    given_up: tuple[
        bytes, ...
    ] = ()  # before the first: SHA-256 of the last head's body of each generation so far
    vkeys: tuple[str, ...] = ()  # verifier keys (C2SP) that sign this log, or did


# --- operator


class AcceptRestore(Request, frozen=True):
    """Let a log go on from a database that is older than the last head signed; an event says so for ever."""

    name = "accept_restore"
    callers = frozenset({"operator"})
    log: LogName
    size: TreeSize  # as the restored database has it
    root: Hash


class SendEventsAgain(Request, frozen=True):
    """Write down that a receiver of a log's events is moved back; the caller moves it afterwards."""

    name = "send_events_again"
    callers = frozenset({"operator"})
    log: LogName
    receiver: Name
    first: TreeSize  # index of a leaf


class CreateApp(Request, frozen=True):
    """Register an app; its key is shown once."""

    name = "create_app"
    callers = frozenset({"operator"})
    app_name: Name
    tenant: Name = "default"


class RotateAppKey(Request, frozen=True):
    """Add a key to an app; older ones end after the overlap."""

    name = "rotate_app_key"
    callers = frozenset({"operator"})
    app_name: Name
    overlap_s: Annotated[int, Meta(ge=0, le=7_776_000)] = 86_400
    tenant: Name = "default"


class AppKeyIssued(Answer, frozen=True):
    """The only time that the key is shown."""

    app_id: UUID
    app_key: str


class RevokeApp(Request, frozen=True):
    """End all keys of an app at once."""

    name = "revoke_app"
    callers = frozenset({"operator"})
    app_name: Name
    tenant: Name = "default"


class ListApps(Request, frozen=True):
    """All apps."""

    name = "list_apps"
    callers = frozenset({"operator"})


class AppRow(msgspec.Struct, frozen=True):
    """One app."""

    app_id: UUID
    app_name: str
    tenant: str
    created_at: str  # RFC 3339
    keys: int  # that are valid now
    revoked: bool


class Apps(Answer, frozen=True):
    """All apps."""

    apps: tuple[AppRow, ...]


# --- all


class Health(Request, frozen=True):
    """Can the key service be used?"""

    name = "health"
    callers = frozenset({"api", "worker_keys", "worker_records", "operator", "console", "ceremony"})


class LogSealing(msgspec.Struct, frozen=True):
    """How far one log is sealed."""

    log: LogName
    sealed_size: int
    unsealed: int
    oldest_unsealed_s: float
    reported_s_ago: float | None  # None: its worker has not said anything since this process started


class HealthIs(Answer, frozen=True):
    """Each part: "ok" or the code of what is wrong."""

    token: str
    database: str
    audit: str
    manifest: str
    sealing: str = "ok"  # or why nobody is signed in
    logs: tuple[LogSealing, ...] = ()


ANSWERS: dict[type[Request], type[Answer]] = {
    Enrol: Enrolled,
    Unlock: Unlocked,
    ChangePassword: EpochIs,
    ChangeLogin: Done,
    Erase: Done,
    Epoch: EpochIs,
    CreateApp: AppKeyIssued,
    RotateAppKey: AppKeyIssued,
    RevokeApp: Done,
    ListApps: Apps,
    SignCheckpoint: CheckpointSigned,
    ReportSealed: Done,
    LogHead: LogHeadIs,
    AcceptRestore: LogHeadIs,
    SendEventsAgain: Done,
    Health: HealthIs,
    **RECOVERY_ANSWERS,
    **ROTATION_ANSWERS,
}
"""Which answer belongs to which request; the complete interface."""

REQUESTS: dict[str, type[Request]] = {request.name: request for request in ANSWERS}
